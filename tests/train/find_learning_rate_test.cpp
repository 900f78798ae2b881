// find_learning_rate: which rates it tries, what it suggests, and that nothing is left of it.
#include <stet/train/find_learning_rate.hpp>
#include <stet/train/fit_qat.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/tensors.hpp"

#include <cmath>

namespace find_learning_rate_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// Classes that a line parts.
Dataset parted() {
  const Tensor<float> x = uniform<float>({512, 4}, 3);
  Tensor<std::int32_t> labels({512});
  for (std::int64_t n = 0; n < 512; ++n) labels.edit()[static_cast<std::size_t>(n)] = x[n * 4] + x[n * 4 + 1] > 0 ? 1 : 0;
  return {x, labels, 2, "parted"};
}

Model network() {
  Graph g;
  auto x = relu(linear(g.input({4}), {.units = 16}));
  g.output(linear(x, {.units = 2}));
  return {std::move(g), Rng(4)};
}

template <class M>
void check_search(const M& model, double lowest_good, double highest_good) {
  const Dataset data = parted();
  const State before = state_of(model);
  const FitOptions o = quiet_fit({.epochs = 3, .batch = 32, .optimizer = Sgd{.lr = 0.7, .momentum = 0.9}});
  const LearningRateSearch search{.lowest = 1e-5, .highest = 100};
  const LearningRateCurve curve = find_learning_rate(model, data, o, search);
  CHECK(state_of(model) == before);
  REQUIRE(curve.rates.size() > 20);
  CHECK(curve.rates.size() == curve.losses.size());
  CHECK(curve.rates.size() == curve.smoothed.size());
  CHECK(curve.rates[0] == Approx(1e-5));
  CHECK(curve.rates[10] / curve.rates[9] == Approx(std::pow(1e7, 1.0 / 99)));
  CHECK(curve.smoothed[0] == Approx(curve.losses[0]));
  CHECK(curve.smoothed[1] == Approx((0.9 * curve.losses[0] + curve.losses[1]) / 1.9));
  CHECK(curve.suggested > lowest_good);
  CHECK(curve.suggested < highest_good);
  CHECK(curve.suggested < curve.of_lowest_loss());
  CHECK_THAT(curve.str(), ContainsSubstring("<- suggested") && ContainsSubstring("suggested rate: ") && ContainsSubstring("####"));
  // The same search gives the same numbers.
  CHECK(find_learning_rate(model, data, o, search).losses == curve.losses);
}

}  // namespace

TEST_CASE("the suggested rate lies where the loss falls", "[train]") {
  check_search(network(), 1e-3, 1.0);
  check_search(calibrated_model(network(), recipes::int8(), parted()), 1e-3, 1.0);
}

TEST_CASE("a search ends at its last step or where the loss diverges", "[train]") {
  const Dataset data = parted();
  const FitOptions o = quiet_fit({.batch = 200, .optimizer = Sgd{.lr = 0.1}});
  const LearningRateCurve calm = find_learning_rate(network(), data, o, {.lowest = 1e-6, .highest = 1e-2, .steps = 25});
  CHECK(calm.rates.size() == 25);
  CHECK(calm.rates.back() == Approx(1e-2));
  CHECK_FALSE(calm.diverged);
  // Targets far away, which a step too far leaves for good.
  const Dataset reals(uniform<float>({128, 4}, 1, -9, 9), uniform<float>({128, 2}, 2, -9, 9), "reals");
  const LearningRateCurve wild = find_learning_rate(network(), reals, o, {.lowest = 1e-6, .highest = 1e6});
  CHECK(wild.diverged);
  CHECK(wild.rates.size() < 100);
  CHECK_THAT(wild.str(), ContainsSubstring("diverges behind that"));
}

TEST_CASE("a search takes what a step is made of, and no callbacks and files", "[train]") {
  const Dataset data = parted();
  FitOptions o = quiet_fit({.batch = 64, .optimizer = Sgd{.lr = 0.1}});
  const LearningRateCurve plain = find_learning_rate(network(), data, o);
  int calls = 0;
  o.on_step = [&](const StepReport&) { ++calls; };
  o.on_epoch = [&](const EpochReport&) { ++calls; };
  o.checkpoint = "/proc/none/checkpoint";
  o.log = "/proc/none/log.csv";
  o.schedule = Cosine{};
  CHECK(find_learning_rate(network(), data, o).losses == plain.losses);
  CHECK(calls == 0);
  o.label_smoothing = 0.2;
  CHECK(find_learning_rate(network(), data, o).losses != plain.losses);
}

TEST_CASE("searches that cannot be are refused", "[train]") {
  const auto refused = [](const LearningRateSearch& search, const char* why) {
    CHECK_THROWS_WITH(find_learning_rate(network(), parted(), quiet_fit({}), search), ContainsSubstring(why));
  };
  refused({.lowest = 0}, "must be positive and rise");
  refused({.lowest = 1, .highest = 1}, "must be positive and rise");
  refused({.steps = 9}, "must be at least 10");
  refused({.smoothing = 1}, "smoothing is 1");
  refused({.diverged = 1}, "must be above 1");
  CHECK_THROWS_WITH(find_learning_rate(network(), Dataset(uniform<float>({8, 4}, 1))), ContainsSubstring("neither labels nor targets"));
}

}  // namespace find_learning_rate_test
