// Oscillating weights: hand-made sequences, freezing, dampening, resume.
#include <stet/core/random.hpp>
#include <stet/qat/oscillation.hpp>
#include <stet/quant/quantize.hpp>

#include "support/catch.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

namespace oscillation_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

std::vector<float> all(std::span<const float> s) { return {s.begin(), s.end()}; }
std::vector<int> all(std::span<const std::int8_t> s) { return {s.begin(), s.end()}; }

// Runs sequences, one per weight, all of the same length.
OscillationTracker run(const std::vector<std::vector<int>>& weights, double momentum,
                       double freeze_above = std::numeric_limits<double>::infinity()) {
  OscillationTracker tracker(momentum);
  for (std::size_t step = 0; step < weights[0].size(); ++step) {
    std::vector<std::int8_t> codes;
    for (const auto& w : weights) codes.push_back(static_cast<std::int8_t>(w[step]));
    tracker.update(codes, freeze_above);
  }
  return tracker;
}

}  // namespace

TEST_CASE("only a change against the last change is an oscillation") {
  // Constant; drifting up; one turn; turning in every step; turning by way of a pause.
  const OscillationTracker t =
      run({{3, 3, 3, 3, 3}, {0, 1, 2, 3, 5}, {0, 1, 2, 1, 1}, {0, 1, 0, 1, 0}, {0, 1, 1, 1, 0}}, 0.5);
  CHECK(all(t.frequency()) == std::vector<float>{0, 0, 0.25f, 0.875f, 0.5f});
  CHECK(all(t.direction()) == std::vector<int>{0, 1, -1, -1, -1});
  CHECK(all(t.codes()) == std::vector<int>{3, 5, 1, 0, 0});
  // Means start at the first code: 0, then halves.
  CHECK(all(t.mean()) == std::vector<float>{3, 3.5625f, 1.0625f, 0.3125f, 0.4375f});
  CHECK(t.oscillating_count(0.3) == 2);
  CHECK(t.frozen_count() == 0);
}

TEST_CASE("a weight freezes at its mean, rounded, and stays there") {
  // The second turns in the last two steps: f = 0.25, then 0.4375 > 0.4; its code is -1 then, its mean -0.39.
  OscillationTracker t = run({{4, 4, 4, 4}, {0, -1, 0, -1}, {0, 2, 2, 0}}, 0.25, 0.4);
  CHECK(t.frozen_count() == 1);
  CHECK(t.frozen()[1] == 1);
  CHECK(all(t.codes()) == std::vector<int>{4, 0, 0});
  t.update(std::array<std::int8_t, 3>{4, 7, 0}, 0.4);
  CHECK(all(t.codes()) == std::vector<int>{4, 0, 0});
  CHECK(t.frequency()[1] == 0.4375f);  // no longer watched

  Tensor<float> w({3}, {0.9f, -0.13f, 0.02f});
  t.hold(w, QParams::per_tensor(0.25f, 1, Grid::signed_bits(4)));
  CHECK(all(w.span()) == std::vector<float>{0.9f, -0.25f, 0.02f});
  std::vector<float> dw{1, 2, 3};
  t.hold_gradient(dw);
  CHECK(dw == std::vector<float>{1, 0, 3});
  t.reset();
  CHECK(t.empty());
}

TEST_CASE("a latent weight between two codes that is pulled back and forth is found, frozen and held") {
  // w moves against the sign of its code's error around 0.5 steps, as in the paper's toy regression; another descends.
  const QParams p = QParams::per_tensor(1.0f, 0, Grid::narrow(4));
  Tensor<float> w({2}, {0.45f, 5.0f});
  OscillationTracker tracker;
  int changes_after = 0;
  for (int step = 0; step < 2000; ++step) {
    const Tensor<std::int8_t> codes = quantize(w, p).codes;
    if (step > 1500) changes_after += static_cast<int>(codes[0] != tracker.codes()[0]);
    tracker.update(codes, freezing_threshold(step / 1000.0));
    const std::span<float> v = w.edit();
    v[0] += codes[0] == 0 ? 0.03f : -0.05f;  // the best value, 0.4, is no code
    v[1] -= 0.001f;
    tracker.hold(w, p);
  }
  CHECK(tracker.frozen_count() == 1);
  CHECK(tracker.codes()[0] == 0);
  CHECK(w[0] == 0.0f);
  CHECK(changes_after == 0);
  CHECK(std::abs(w[1] - 3.0f) < 0.01f);
}

TEST_CASE("state is complete, and threads change nothing") {
  Rng rng(3);
  const std::size_t n = 70000;
  const auto step = [&] {
    std::vector<std::int8_t> codes(n);
    for (auto& c : codes) c = static_cast<std::int8_t>(rng.below(3));
    return codes;
  };
  OscillationTracker one, three, resumed;
  std::vector<std::vector<std::int8_t>> steps;
  for (int i = 0; i < 20; ++i) steps.push_back(step());
  for (int i = 0; i < 20; ++i) {
    set_threads(1);
    one.update(steps[static_cast<std::size_t>(i)], 0.05);
    set_threads(3);
    three.update(steps[static_cast<std::size_t>(i)], 0.05);
    if (i == 9) {  // through fields, as a checkpoint does
      std::vector<std::vector<float>> floats;
      std::vector<std::vector<std::int8_t>> bytes;
      std::vector<std::vector<std::uint8_t>> flags;
      one.fields([&]<class T>(std::string_view, T& field) {
        if constexpr (std::is_same_v<T, std::vector<float>>) floats.push_back(field);
        if constexpr (std::is_same_v<T, std::vector<std::int8_t>>) bytes.push_back(field);
        if constexpr (std::is_same_v<T, std::vector<std::uint8_t>>) flags.push_back(field);
      });
      std::size_t f = 0, b = 0;
      resumed.fields([&]<class T>(std::string_view, T& field) {
        if constexpr (std::is_same_v<T, std::vector<float>>) field = floats[f++];
        if constexpr (std::is_same_v<T, std::vector<std::int8_t>>) field = bytes[b++];
        if constexpr (std::is_same_v<T, std::vector<std::uint8_t>>) field = flags[0];
      });
    }
    if (i > 9) resumed.update(steps[static_cast<std::size_t>(i)], 0.05);
  }
  set_threads(0);
  CHECK(one.frozen_count() > 1000);
  for (const OscillationTracker* other : {&three, &resumed}) {
    CHECK(all(one.frequency()) == all(other->frequency()));
    CHECK(all(one.mean()) == all(other->mean()));
    CHECK(all(one.codes()) == all(other->codes()));
    CHECK(one.frozen_count() == other->frozen_count());
  }
}

TEST_CASE("the threshold falls along a cosine") {
  CHECK(freezing_threshold(0) == 0.1);
  CHECK(std::abs(freezing_threshold(0.5) - 0.0575) < 1e-12);
  CHECK(std::abs(freezing_threshold(1) - 0.015) < 1e-12);
  CHECK(std::abs(freezing_threshold(7, 0.5, 0.25) - 0.25) < 1e-12);
  CHECK_THROWS_WITH(freezing_threshold(0, 0.1, 0), ContainsSubstring("must be positive"));
}

TEST_CASE("dampening is the derivative of its loss, with codes held constant") {
  const QParams p{Grid::narrow(3), Granularity::per_channel(0), {0.5f, 0.25f}, {0, 0}};
  Rng rng(9);
  const Shape shape{2, 40};
  Tensor<float> w(shape);
  for (float& v : w.edit()) v = static_cast<float>(rng.normal());
  const Tensor<std::int8_t> codes = quantize(w, p).codes;
  const auto loss = [&](std::size_t i, double shift) {
    const double s = i < 40 ? 0.5 : 0.25, v = static_cast<double>(w[static_cast<std::int64_t>(i)]) + shift;
    const double clipped = v < -3 * s ? -3 * s : v > 3 * s ? 3 * s : v;
    return 0.3 * std::pow(clipped - s * codes[static_cast<std::int64_t>(i)], 2);
  };
  std::vector<float> dw(80, 1.0f);
  dampening_gradient(w.span(), codes.span(), shape, p, 0.3f, dw);
  for (std::size_t i = 0; i < 80; ++i) {
    const double want = 1 + (loss(i, 1e-5) - loss(i, -1e-5)) / 2e-5;
    CHECK(std::abs(static_cast<double>(dw[i]) - want) < 1e-4);
  }
}

TEST_CASE("oscillation: what does not fit is an error") {
  CHECK_THROWS_WITH(OscillationTracker(0.0), ContainsSubstring("momentum 0 must be in (0, 1]"));
  OscillationTracker t;
  const std::array<std::int8_t, 2> two{1, 2};
  const std::array<std::int8_t, 3> three{1, 2, 3};
  t.update(two);
  CHECK_THROWS_WITH(t.update(three), ContainsSubstring("has seen 2 codes, got 3"));
  CHECK_THROWS_WITH(t.update(two, std::numeric_limits<double>::quiet_NaN()), ContainsSubstring("threshold is NaN"));
  std::vector<float> w(3), dw(2);
  const QParams p = QParams::per_tensor(1.0f, 0);
  CHECK_THROWS_AS(t.hold(w, Shape{3}, p), Error);
  CHECK_THROWS_WITH(t.hold_gradient(w), ContainsSubstring("got 3 gradients"));
  CHECK_THROWS_AS(dampening_gradient(w, three, Shape{3}, p, 0.1f, dw), Error);
  CHECK_THROWS_WITH(dampening_gradient(w, two, Shape{3}, p, 0.1f, w), ContainsSubstring("3 weights, 2 codes"));
  CHECK_THROWS_WITH(dampening_gradient(w, three, Shape{3}, p, -1.0f, w), ContainsSubstring("lambda -1 must not"));
}

}  // namespace oscillation_test
