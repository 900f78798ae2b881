// Mixup: what it does to a batch, the loss of mixed samples, and that a run with it resumes.
#include <stet/data/mixup.hpp>

#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/tensors.hpp"

#include <algorithm>
#include <cmath>

namespace mixup_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Batch batch_of(std::int64_t count) {
  Batch b = random_dataset({5}, count, 3, 1).with_input(uniform<float>({count, 2, 2}, 4)).batch(0, count);
  b.targets = uniform<float>({count, 3}, 8);
  return b;
}

Model network() {
  Graph g;
  auto x = relu(batch_norm(linear(g.input({5}), {.units = 12})));
  g.output(linear(x, {.units = 3}));
  return {std::move(g), Rng(4)};
}

}  // namespace

TEST_CASE("mixup mixes all inputs with those of a permutation", "[data]") {
  Batch b = batch_of(9);
  const Batch before = b;
  Rng rng(3);
  Mixup{.alpha = 1}(b, rng);
  const double s = b.mixing.share;
  CHECK((s > 0 && s < 1));
  std::vector<std::int64_t> sorted = b.mixing.partner;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i) CHECK(sorted[i] == static_cast<std::int64_t>(i));
  const auto check = [&](const Tensor<float>& mixed, const Tensor<float>& from) {
    const std::int64_t each = from.size() / 9;
    for (std::int64_t i = 0; i < from.size(); ++i) {
      const std::int64_t p = b.mixing.partner[static_cast<std::size_t>(i / each)];
      REQUIRE(mixed[i] == Approx((1 - s) * static_cast<double>(from[i]) + s * static_cast<double>(from[p * each + i % each])).margin(1e-6));
    }
  };
  check(b.x, before.x);
  check(b.more_inputs[0], before.more_inputs[0]);
  CHECK(equal(b.labels, before.labels));
  const Batch theirs = b.of_partners();
  for (std::int64_t n = 0; n < 9; ++n) {
    const std::int64_t p = b.mixing.partner[static_cast<std::size_t>(n)];
    CHECK(theirs.labels[n] == before.labels[p]);
    CHECK(theirs.targets[n * 3 + 2] == before.targets[p * 3 + 2]);
  }
  CHECK_THROWS_WITH((Mixup{}(b, rng)), ContainsSubstring("mixed already"));
  CHECK_THROWS_WITH(batch_of(3).of_partners(), ContainsSubstring("mix them first"));
  Batch wrong = batch_of(2);
  wrong.mixing.partner = {0, 2};
  CHECK_THROWS_WITH(wrong.of_partners(), ContainsSubstring("partner 2 of 2"));
  for (const double alpha : {0.0, -1.0, 1e4, std::nan("")}) {
    Batch c = batch_of(3);
    CHECK_THROWS_WITH((Mixup{.alpha = alpha}(c, rng)), ContainsSubstring("alpha is"));
  }
}

TEST_CASE("shares have the moments of the beta distribution", "[data]") {
  for (const double alpha : {0.001, 0.2, 0.5, 1.0, 3.0, 50.0}) {
    INFO("alpha " << alpha);
    Rng rng(11);
    const int draws = 20000;
    double sum = 0, squares = 0;
    for (int i = 0; i < draws; ++i) {
      Batch b{Tensor<float>::zeros({1, 1})};
      Mixup{.alpha = alpha}(b, rng);
      REQUIRE((b.mixing.share >= 0 && b.mixing.share <= 1));
      sum += b.mixing.share;
      squares += (b.mixing.share - 0.5) * (b.mixing.share - 0.5);
    }
    const double variance = 1 / (4 * (2 * alpha + 1));  // of Beta(alpha, alpha)
    // Five standard errors of the mean; the fourth moment is at most a quarter of the variance.
    CHECK(std::fabs(sum / draws - 0.5) < 5 * std::sqrt(variance / draws));
    CHECK(std::fabs(squares / draws - variance) < 5 * std::sqrt(variance / 4 / draws));
  }
}

TEST_CASE("the loss of mixed samples is that of mixed answers where the loss is linear in them", "[train]") {
  Batch b = batch_of(6);
  b.more_inputs.clear();
  b.weights = {};
  Rng rng(5);
  Mixup{.alpha = 2}(b, rng);
  const double s = b.mixing.share;
  Tape tape;
  const Tensor<float> logits = uniform<float>({6, 3}, 9, -2, 2);
  Parameter answers{logits};
  const std::vector<Var<Tensor<float>>> y{tape.parameter(answers)};

  // Cross-entropy with soft labels, by hand.
  Batch classes = b;
  classes.targets = {};
  double expected = 0;
  for (std::int64_t n = 0; n < 6; ++n) {
    double total = 0;
    for (int c = 0; c < 3; ++c) total += std::exp(static_cast<double>(logits[n * 3 + c]));
    const auto log_p = [&](std::int32_t c) { return static_cast<double>(logits[n * 3 + c]) - std::log(total); };
    expected -= ((1 - s) * log_p(b.labels[n]) + s * log_p(b.labels[b.mixing.partner[static_cast<std::size_t>(n)]])) / 6;
  }
  CHECK(detail::loss_of(y, classes, {}).total.value()[0] == Approx(expected).epsilon(1e-5));

  // The squared error differs from that of mixed targets by a constant, so the gradients are the same.
  Batch reals = b;
  reals.labels = {};
  const auto loss = detail::loss_of(y, reals, {});
  tape.backward(loss.total);
  const Tensor<float> gradient = answers.gradient;
  for (std::int64_t i = 0; i < 18; ++i) {
    const double own = static_cast<double>(b.targets[i]), other = static_cast<double>(b.targets[b.mixing.partner[static_cast<std::size_t>(i / 3)] * 3 + i % 3]);
    CHECK(gradient[i] == Approx(2 * (static_cast<double>(logits[i]) - ((1 - s) * own + s * other)) / 18).margin(1e-6));
  }
}

TEST_CASE("a run with mixup is the same for its seed, in parts and resumed", "[train]") {
  const TemporaryDirectory directory;
  const Dataset data = random_dataset({5}, 50, 3, 1).with_weights(uniform<float>({50}, 2, 0.5, 2));
  FitOptions o = quiet_fit({.epochs = 4, .batch = 16, .optimizer = Adam{.lr = 1e-2}});
  o.augment = {AddNoise{.sigma = 0.1}, Mixup{.alpha = 0.4}};
  const QatModel start = calibrated_model(network(), recipes::int8(), data);
  QatModel whole = start, again = start;
  const FitReport report = fit(whole, data, o);
  fit(again, data, o);
  CHECK(state_of(again) == state_of(whole));
  o.checkpoint = directory.path("run.checkpoint");
  o.stop_after = 2;
  QatModel part = start;
  fit(part, data, o);
  o.resume = true;
  o.stop_after = 0;
  QatModel rest = start;
  const FitReport resumed = fit(rest, data, o);
  CHECK(state_of(rest) == state_of(whole));
  CHECK(resumed.epochs.back().loss == report.epochs.back().loss);
  o.augment = {AddNoise{.sigma = 0.1}, Mixup{.alpha = 0.5}};
  QatModel other = start;
  CHECK_THROWS_WITH(fit(other, data, o), ContainsSubstring("mixup with alpha 0.4"));
  o = quiet_fit({.epochs = 4, .batch = 16, .optimizer = Adam{.lr = 1e-2}});
  QatModel plain = start;
  fit(plain, data, o);
  CHECK(state_of(plain) != state_of(whole));
}

}  // namespace mixup_test
