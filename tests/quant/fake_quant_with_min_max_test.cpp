// TensorFlow's fake quantization operators, value and gradients.
#include <stet/core/random.hpp>
#include <stet/lab/fake_quant_with_min_max.hpp>

#include "support/golden.hpp"

#include <limits>

namespace fake_quant_with_min_max_test {

using namespace stet;

namespace {

const float nan_value = std::numeric_limits<float>::quiet_NaN();
const float inf = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("fake_quant_with_min_max equals TensorFlow, value and gradients", "[bits]") {
  int checked = 0;
  for (const auto& c : load_golden("tf_fake_quant")) {
    INFO(c.name);
    ++checked;
    const auto op = c.params.at("op").get<std::string>();
    const MinMaxOptions options{c.params.at("num_bits").get<int>(), c.params.at("narrow_range").get<bool>()};
    const auto x = c.inputs("x").as<float>();
    const auto dy = c.inputs("dy").as<float>();
    std::vector<float> y(x.size()), dx(x.size()), dmin, dmax;
    if (op == "vars_per_channel") {
      const auto lo = c.inputs("min").as<float>();
      const auto hi = c.inputs("max").as<float>();
      std::vector<Range> ranges;
      for (std::size_t i = 0; i < lo.size(); ++i) ranges.push_back({lo[i], hi[i]});
      fake_quant_with_min_max_vars_per_channel(x, ranges, options, y);
      for (const RangeGradient& g : fake_quant_with_min_max_vars_per_channel_backward(x, dy, ranges, options, dx)) {
        dmin.push_back(g.lo);
        dmax.push_back(g.hi);
      }
    } else {
      const Range range{c.params.at("min").get<float>(), c.params.at("max").get<float>()};
      if (op == "args") {
        fake_quant_with_min_max_args(x, range, options, y);
        fake_quant_with_min_max_args_backward(x, dy, range, options, dx);
      } else {
        fake_quant_with_min_max_vars(x, range, options, y);
        const RangeGradient g = fake_quant_with_min_max_vars_backward(x, dy, range, options, dx);
        dmin = {g.lo};
        dmax = {g.hi};
      }
    }
    check_golden(c, "y", y);
    check_golden(c, "dx", dx);
    CHECK(c.has_expected("dmin") == (op != "args"));
    if (op == "args") continue;
    check_golden(c, "dmin", dmin);
    check_golden(c, "dmax", dmax);
  }
  CHECK(checked == 50);
}

TEST_CASE("per channel is one call of args per channel, for any number of channels and rows", "[bits]") {
  Rng rng(3);
  for (const std::size_t channels : {1u, 3u, 32u, 70u, 200u}) {
    for (const std::size_t rows : {0u, 1u, 2u, 57u}) {
      const MinMaxOptions options{2 + static_cast<int>(rng.below(15)), rng.below(2) == 1};
      std::vector<Range> ranges(channels);
      for (Range& r : ranges) {
        r = {static_cast<float>(-rng.uniform(0.1, 3)), static_cast<float>(rng.uniform(0.1, 3))};
      }
      std::vector<float> x(channels * rows), dy(x.size()), y(x.size()), dx(x.size());
      for (float& v : x) v = static_cast<float>(rng.normal() * 3);
      for (float& v : dy) v = static_cast<float>(rng.normal());
      if (rows > 1) x[1] = nan_value;
      fake_quant_with_min_max_vars_per_channel(x, ranges, options, y);
      const auto gradients = fake_quant_with_min_max_vars_per_channel_backward(x, dy, ranges, options, dx);
      int faults = 0;
      for (std::size_t c = 0; c < channels; ++c) {
        std::vector<float> column, g, out(rows), back(rows);
        for (std::size_t i = c; i < x.size(); i += channels) {
          column.push_back(x[i]);
          g.push_back(dy[i]);
        }
        fake_quant_with_min_max_args(column, ranges[c], options, out);
        const RangeGradient d = fake_quant_with_min_max_vars_backward(column, g, ranges[c], options, back);
        for (std::size_t k = 0; k < rows; ++k) {
          const float value = y[k * channels + c];
          const bool same = value == out[k] || (std::isnan(value) && std::isnan(out[k]));
          faults += same && dx[k * channels + c] == back[k] ? 0 : 1;
        }
        faults += std::abs(d.lo - gradients[c].lo) + std::abs(d.hi - gradients[c].hi) < 1e-5f ? 0 : 1;
      }
      CHECK(faults == 0);
    }
  }
}

TEST_CASE("the range 0..0 gives 0 and lets all gradients pass, in one channel too", "[bits]") {
  const std::vector<float> x{1, nan_value, -2, 3, inf, 0}, dy{1, 2, 3, 4, 5, 6};
  std::vector<float> y(6), dx(6);
  fake_quant_with_min_max_vars(x, {0, 0}, {}, y);
  CHECK(y == std::vector<float>(6));
  const RangeGradient g = fake_quant_with_min_max_vars_backward(x, dy, {0, 0}, {}, dx);
  CHECK(dx == dy);
  CHECK(g.lo == 0);
  CHECK(g.hi == 0);
  const std::vector<Range> ranges{{0, 255}, {0, 0}};
  fake_quant_with_min_max_vars_per_channel(x, ranges, {}, y);
  CHECK(y == std::vector<float>{1, 0, 0, 0, 255, 0});
  const auto d = fake_quant_with_min_max_vars_per_channel_backward(x, dy, ranges, {}, dx);
  CHECK(dx == std::vector<float>{1, 2, 0, 4, 0, 6});
  CHECK(d[0].lo == 3);
  CHECK(d[0].hi == 5);
  CHECK(d[1].hi == 0);
}

TEST_CASE("an infinite gradient outside the range gives 0, where TensorFlow gives NaN") {
  const std::vector<float> x{100, 0.5f}, dy{inf, 2};
  std::vector<float> dx(2);
  fake_quant_with_min_max_args_backward(x, dy, {-1, 1}, {}, dx);
  CHECK(dx == std::vector<float>{0, 2});
}

TEST_CASE("sums over many elements do not depend on the thread count", "[bits]") {
  Rng rng(5);
  std::vector<float> x(100000), dy(x.size()), dx(x.size());
  for (float& v : x) v = static_cast<float>(rng.normal());
  for (float& v : dy) v = static_cast<float>(rng.normal());
  set_threads(1);
  const RangeGradient one = fake_quant_with_min_max_vars_backward(x, dy, {-1, 1}, {}, dx);
  set_threads(4);
  const RangeGradient four = fake_quant_with_min_max_vars_backward(x, dy, {-1, 1}, {}, dx);
  set_threads(0);
  CHECK(one.lo == four.lo);
  CHECK(one.hi == four.hi);
  CHECK(one.hi != 0);
}

TEST_CASE("fake_quant_with_min_max refuses ranges that TensorFlow computes on with") {
  std::vector<float> x(4), y(4), small(3);
  for (const Range& r : {Range{1, 1}, Range{2, 1}, Range{nan_value, 1}, Range{0, nan_value}, Range{-inf, 1},
                         Range{0, inf}, Range{0, 1e-38f}, Range{-3e38f, 3e38f}}) {
    CHECK_THROWS_AS(fake_quant_with_min_max_args(x, r, {}, y), Error);
    CHECK_THROWS_AS(fake_quant_with_min_max_args_backward(x, x, r, {}, y), Error);
    CHECK_THROWS_AS(fake_quant_with_min_max_vars(x, r, {}, y), Error);
    CHECK_THROWS_AS(fake_quant_with_min_max_vars_backward(x, x, r, {}, y), Error);
    CHECK_THROWS_AS(fake_quant_with_min_max_vars_per_channel(x, std::vector<Range>{r}, {}, y), Error);
    CHECK_THROWS_AS(fake_quant_with_min_max_vars_per_channel_backward(x, x, std::vector<Range>{r}, {}, y), Error);
  }
  CHECK_THROWS_AS(fake_quant_with_min_max_args(x, {0, 0}, {}, y), Error);
  for (const int bits : {1, 17}) CHECK_THROWS_AS(fake_quant_with_min_max_vars(x, {0, 1}, {.bits = bits}, y), Error);
  CHECK_THROWS_AS(fake_quant_with_min_max_args(x, {0, 1}, {}, small), Error);
  CHECK_THROWS_AS(fake_quant_with_min_max_vars(x, {0, 1}, {}, small), Error);
  CHECK_THROWS_AS(fake_quant_with_min_max_vars_backward(x, small, {0, 1}, {}, y), Error);
  CHECK_THROWS_AS(fake_quant_with_min_max_vars_per_channel(x, std::vector<Range>(3, {0, 1}), {}, y), Error);
  CHECK_THROWS_AS(fake_quant_with_min_max_vars_per_channel(x, std::span<const Range>{}, {}, y), Error);
}

}  // namespace fake_quant_with_min_max_test
