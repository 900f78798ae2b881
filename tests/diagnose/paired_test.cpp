#include <stet/diagnose/paired.hpp>

#include <stet/core/random.hpp>

#include "support/catch.hpp"

#include <cmath>

namespace paired_test {

using namespace stet;

namespace {

// Answers with the given numbers of images that only the second, only the first, both and none have right.
std::pair<Answers, Answers> answers(int gained, int lost, int both, int none) {
  Answers a, b;
  const auto add = [&](int count, std::uint8_t first, std::uint8_t second) {
    for (int i = 0; i < count; ++i) {
      a.correct.push_back(first);
      b.correct.push_back(second);
      a.loss.push_back(1.0f);
      b.loss.push_back(0.5f);
    }
  };
  add(gained, 0, 1);
  add(lost, 1, 0);
  add(both, 1, 1);
  add(none, 0, 0);
  return {a, b};
}

// By adding up binomial coefficients, exact in double up to 50 throws.
double exact_p(int k, int n) {
  double coefficient = 1, sum = 0;
  for (int i = 0; i <= k; ++i) {
    sum += coefficient;
    coefficient = coefficient * (n - i) / (i + 1);
  }
  return std::min(1.0, 2 * sum / std::pow(2.0, n));
}

}  // namespace

TEST_CASE("the p of a paired comparison is that of throwing a coin for every image that differs") {
  for (int n = 1; n <= 50; ++n) {
    for (int lost = 0; lost <= n; ++lost) {
      const auto [a, b] = answers(n - lost, lost, 30, 20);
      const PairedDifference d = compare(a, b);
      CHECK(std::fabs(d.p - exact_p(std::min(lost, n - lost), n)) < 1e-12);
      CHECK(d.points == 100.0 * (n - 2 * lost) / (n + 50));
      CHECK(d.loss == -0.5);
      CHECK(compare(b, a).p == d.p);
    }
  }
  const auto [a, b] = answers(0, 0, 7, 3);
  CHECK(compare(a, b).p == 1.0);
}

TEST_CASE("the 95 % interval of a paired difference holds the true one in about 95 of 100 draws") {
  // Of 2000 images 3 % are gained and 4 % lost: the truth is -1 point.
  Rng rng(5);
  int held = 0;
  const int draws = 1000;
  for (int k = 0; k < draws; ++k) {
    int gained = 0, lost = 0;
    for (int i = 0; i < 2000; ++i) {
      const double u = rng.uniform();
      gained += u < 0.03 ? 1 : 0;
      lost += u >= 0.03 && u < 0.07 ? 1 : 0;
    }
    const auto [a, b] = answers(gained, lost, 1500, 500 - gained - lost);
    const PairedDifference d = compare(a, b);
    held += d.low <= -1.0 && -1.0 <= d.high ? 1 : 0;
    CHECK((d.low <= d.points && d.points <= d.high));
  }
  CHECK(held > 930);
  CHECK(held < 970);
}

TEST_CASE("worse takes an unlikely difference that is also large") {
  const auto difference = [](int gained, int lost, int both) {
    const auto [a, b] = answers(gained, lost, both, 0);
    return compare(a, b);
  };
  CHECK(difference(10, 60, 9930).worse());          // 0.5 points
  CHECK_FALSE(difference(100, 130, 9770).worse());  // 0.3 points by chance
  CHECK_FALSE(difference(1, 21, 9978).worse());     // sure, but 0.2 points
  CHECK(difference(60, 10, 9930).better());
  CHECK(difference(1, 21, 9978).worse({.p = 0.01, .points = 0.1}));
  CHECK(difference(1, 21, 9978).str("its control") == "0.20 points below its control, 95 % interval -0.29 to -0.11: no difference shown");
  CHECK(difference(60, 10, 9930).str("FP32") == "0.50 points above FP32, 95 % interval +0.34 to +0.66: better");
  CHECK(difference(5, 5, 90).str("FP32").rfind("as FP32, 95 % interval", 0) == 0);
}

TEST_CASE("answers are compared image by image or not at all") {
  const auto [a, b] = answers(1, 2, 3, 4);
  Answers shorter = a;
  shorter.correct.pop_back();
  shorter.loss.pop_back();
  CHECK_THROWS_AS(compare(a, shorter), Error);
  CHECK_THROWS_AS(compare(Answers{}, Answers{}), Error);
}

TEST_CASE("answers say for every image what evaluate says of all") {
  Rng rng(3);
  Tensor<float> x(Shape{257, 4});
  for (float& v : x.edit()) v = static_cast<float>(rng.normal());
  Tensor<std::int32_t> labels(Shape{257});
  for (std::int32_t& l : labels.edit()) l = static_cast<std::int32_t>(rng.below(4));
  const Dataset data(x, labels, 4, "random");
  const auto identity = [](const Tensor<float>& batch) -> Tensor<float> { return batch; };
  const Answers a = answers_of_logits(identity, data, {.batch = 100});
  const Evaluation e = evaluate_logits(identity, data);
  REQUIRE(a.images() == 257);
  CHECK(a.accuracy() == e.accuracy);
  CHECK(std::fabs(a.mean_loss() - e.loss) < 1e-6);
  for (std::int64_t i = 0; i < 257; ++i) {
    const auto row = x.span().subspan(static_cast<std::size_t>(4 * i), 4);
    CHECK((a.correct[static_cast<std::size_t>(i)] == 1) == (argmax(row) == labels[i]));
  }
  CHECK_THROWS_AS(answers_of_logits([](const Tensor<float>& batch) -> Tensor<float> { return batch.reshaped(Shape{batch.size()}); }, data), Error);
}

}  // namespace paired_test
