// Schemes with few codes: ternary, binary, additive powers of two.
#include <stet/core/random.hpp>
#include <stet/quant/apot_scheme.hpp>
#include <stet/quant/binary_scheme.hpp>
#include <stet/quant/ternary_scheme.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

namespace few_codes_test {

using namespace stet;

namespace {

const float nan_value = std::numeric_limits<float>::quiet_NaN();
const float inf = std::numeric_limits<float>::infinity();

template <class S>
struct Coded {
  QParams p;
  std::vector<CodeOf<S>> codes;
  std::vector<float> y;
  std::vector<std::uint32_t> pass;
};

template <class S>
Coded<S> code(const S& scheme, const std::vector<float>& x, const Shape& shape,
              ClipMask mask = ClipMask::rounded_inclusive) {
  Coded<S> c{scheme_qparams(scheme, std::span<const float>(x), shape), std::vector<CodeOf<S>>(x.size()),
             std::vector<float>(x.size()), std::vector<std::uint32_t>((x.size() + 31) / 32)};
  scheme.encode(x, shape, c.p, mask, c.codes, c.pass);
  scheme.decode(c.codes, shape, c.p, c.y);
  return c;
}

std::vector<float> random_weights(Rng& rng, std::int64_t n) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

double squared_error(const std::vector<float>& x, const std::vector<float>& y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(static_cast<double>(x[i] - y[i]), 2);
  return sum;
}

}  // namespace

TEST_CASE("means of magnitudes equal a plain loop, for every granularity", "[bits]") {
  Rng rng(2);
  for (const Shape& shape : {Shape{3, 5, 64}, Shape{64, 3, 2}, Shape{7}, Shape{2, 40000}}) {
    for (const Granularity& g :
         {Granularity::per_tensor(), Granularity::per_channel(0), Granularity::per_channel(shape.rank() - 1),
          Granularity::per_group(shape.back() % 2 == 0 ? 2 : 7)}) {
      const std::vector<float> x = random_weights(rng, shape.elements());
      const ScaleMap map = scale_map(g, shape);
      const std::vector<double> thresholds(static_cast<std::size_t>(map.count), 0.5);
      std::vector<double> sum(thresholds.size()), above(sum), n(sum), n_above(sum);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const auto k = static_cast<std::size_t>(map.index(static_cast<std::int64_t>(i)));
        const double m = std::abs(static_cast<double>(x[i]));
        sum[k] += m;
        n[k] += 1;
        if (m > 0.5) {
          above[k] += m;
          n_above[k] += 1;
        }
      }
      const auto mean = mean_magnitude(x, shape, g);
      const auto mean_above = mean_magnitude(x, shape, g, thresholds);
      int faults = 0;
      for (std::size_t k = 0; k < sum.size(); ++k) {
        const double want = n_above[k] > 0 ? above[k] / n_above[k] : 0;
        faults += std::abs(mean[k] - sum[k] / n[k]) < 1e-12 && std::abs(mean_above[k] - want) < 1e-12 ? 0 : 1;
      }
      CHECK(faults == 0);
    }
  }
  const std::vector<float> x(6);
  const std::vector<double> two(2);
  CHECK_THROWS_AS(mean_magnitude(x, Shape{5}, {}), Error);
  CHECK_THROWS_AS(mean_magnitude(x, Shape{6}, {}, two), Error);
}

TEST_CASE("ternary: the scale of Li 2016, per channel, and codes by half of it", "[bits]") {
  // Channel 0: mean 1, D = 0.7, above it 2 and 1.5, s = 1.75. Channel 1: zeros. Channel 2: far below FLT_EPSILON.
  const std::vector<float> x{2, -1.5f, 0.25f, -0.25f, 0, 0, 0, 0, 1e-20f, 0, 0, -1e-20f};
  const auto c = code(Ternary(Granularity::per_channel(0)), x, Shape{3, 4});
  CHECK(c.p.scale == std::vector<float>{1.75f, 1.0f, FLT_EPSILON});
  CHECK(c.codes == std::vector<std::int8_t>{1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(c.y[0] == 1.75f);
  CHECK(c.p.grid == Grid{-1, 1});
}

TEST_CASE("ternary: for the scale of the paper no codes have a smaller error, the paper's own included", "[bits]") {
  Rng rng(6);
  int smaller = 0;
  for (int round = 0; round < 50; ++round) {
    std::vector<float> x = random_weights(rng, 500);
    if (round % 2 == 1) {
      for (float& v : x) v = v * std::abs(v);  // heavy tails
    }
    const auto c = code(Ternary(), x, Shape{500});
    double mean = 0;
    for (const float v : x) mean += std::abs(static_cast<double>(v)) / 500;
    std::vector<float> paper(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double magnitude = std::abs(static_cast<double>(x[i]));
      paper[i] = magnitude > 0.7 * mean ? std::copysign(c.p.scale[0], x[i]) : 0.0f;
    }
    CHECK(squared_error(x, c.y) <= squared_error(x, paper));
    smaller += squared_error(x, c.y) < squared_error(x, paper) ? 1 : 0;
  }
  CHECK(smaller > 25);
}

TEST_CASE("binary: sign times mean magnitude, also for a channel of zeros", "[bits]") {
  const std::vector<float> x{2, -1, 0, -0.0f, 0, 0, 0, 0};
  const auto c = code(Binary(Granularity::per_channel(0)), x, Shape{2, 4});
  CHECK(c.p.scale == std::vector<float>{0.75f, 0.0f});
  CHECK(c.codes == std::vector<std::int8_t>{1, -1, 1, 1, 1, 1, 1, 1});
  CHECK(c.y == std::vector<float>{0.75f, -0.75f, 0.75f, 0.75f, 0, 0, 0, 0});
  const std::vector<float> ends{2, 1, -0.5f, nan_value};
  const QParams p{{-1, 1}, {}, {1.0f}, {0}};
  const auto mask = [&](ClipMask policy) {
    std::vector<std::int8_t> codes(4);
    std::vector<std::uint32_t> pass(1);
    Binary().encode(ends, Shape{4}, p, policy, codes, pass);
    CHECK(codes == std::vector<std::int8_t>{1, 1, -1, -1});
    return pass[0];
  };
  CHECK(mask(ClipMask::rounded_inclusive) == 0b0111u);
  CHECK(mask(ClipMask::raw_inclusive) == 0b0110u);
  CHECK(mask(ClipMask::raw_exclusive) == 0b0100u);
}

TEST_CASE("additive powers of two: the level sets of Li 2020", "[bits]") {
  using Levels = std::vector<std::int32_t>;
  CHECK(AdditivePowersOfTwo(2).levels() == Levels{0, 1});
  CHECK(AdditivePowersOfTwo(3).levels() == Levels{0, 1, 2, 4});
  CHECK(AdditivePowersOfTwo(2, {}, false).levels() == Levels{0, 1, 2, 4});
  CHECK(AdditivePowersOfTwo(4).levels() == Levels{0, 1, 2, 3, 4, 6, 8, 10});
  // 5 bits: {0, 1/2, 1/8, 1/32} + {0, 1/4, 1/16, 1/64}, in units of 1/64.
  std::set<std::int32_t> sums;
  for (const int a : {0, 32, 8, 2}) {
    for (const int b : {0, 16, 4, 1}) sums.insert(a + b);
  }
  CHECK(AdditivePowersOfTwo(5).levels() == Levels(sums.begin(), sums.end()));
  sums.clear();
  // 6 bits: {0, 1/2, 1/8, 1/64} + {0, 1/4, 1/16, 1/128} + {0, 1/32}, in units of 1/128.
  for (const int a : {0, 64, 16, 2}) {
    for (const int b : {0, 32, 8, 1}) {
      for (const int c : {0, 4}) sums.insert(a + b + c);
    }
  }
  CHECK(AdditivePowersOfTwo(6).levels() == Levels(sums.begin(), sums.end()));
  for (int bits = 2; bits <= 8; ++bits) {
    for (const bool is_signed : {true, false}) {
      const auto levels = AdditivePowersOfTwo(bits, {}, is_signed).levels();
      CHECK(levels.size() == std::size_t{1} << (is_signed ? bits - 1 : bits));
      CHECK(std::adjacent_find(levels.begin(), levels.end(), std::greater_equal<>()) == levels.end());
    }
  }
}

TEST_CASE("additive powers of two: every code is the nearest level, ties even, for all widths", "[bits]") {
  Rng rng(4);
  for (int bits = 2; bits <= 8; ++bits) {
    for (const bool is_signed : {true, false}) {
      const AdditivePowersOfTwo scheme(bits, Granularity::per_channel(0), is_signed);
      const auto& levels = scheme.levels();
      std::vector<float> x = random_weights(rng, 600);
      for (std::size_t i = 300; i < x.size(); ++i) x[i] = std::clamp(x[i], -1.0f, 1.0f);
      for (std::size_t i = 0; i + 1 < levels.size() && i < 250; ++i) {  // ties, at scale 1
        x[300 + i] = static_cast<float>(levels[i] + levels[i + 1]) / 2;
      }
      x[599] = static_cast<float>(levels.back());
      const auto c = code(scheme, x, Shape{2, 300});
      CHECK(c.p.scale[1] == 1.0f);
      int faults = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double v = static_cast<double>(x[i] / c.p.scale[i / 300]);
        int best = 0;
        for (int k = is_signed ? 1 - static_cast<int>(levels.size()) : 0; k < static_cast<int>(levels.size()); ++k) {
          const auto distance = [&](int code) {
            const double level = levels[static_cast<std::size_t>(std::abs(code))];
            return std::abs(v - (code < 0 ? -level : level));
          };
          if (distance(k) < distance(best) || (distance(k) == distance(best) && k % 2 == 0)) best = k;
        }
        faults += c.codes[i] == best ? 0 : 1;
      }
      CHECK(faults == 0);
      for (const ClipMask mask : {ClipMask::raw_inclusive, ClipMask::raw_exclusive, ClipMask::rounded_inclusive}) {
        const float top = static_cast<float>(levels.back());
        const float gap = top - static_cast<float>(levels[levels.size() - 2]);
        const std::vector<float> ends{top, top + gap * 0.49f, top + gap / 2, -0.0f, -0.49f, -0.5f, -0.51f, nan_value};
        std::vector<std::int16_t> codes(8);
        std::vector<std::uint32_t> pass(1);
        scheme.encode(ends, Shape{1, 8}, {c.p.grid, Granularity::per_channel(0), {1}, {0}}, mask, codes, pass);
        if (mask == ClipMask::rounded_inclusive) CHECK(pass[0] == (is_signed ? 0b1111011u : 0b0111011u));
        if (mask == ClipMask::raw_inclusive) CHECK(pass[0] == (is_signed ? 0b1111001u : 0b0001001u));
        if (mask == ClipMask::raw_exclusive) CHECK(pass[0] == (is_signed ? 0b1111000u : 0u));
        CHECK(codes[7] == (is_signed ? 1 - static_cast<int>(levels.size()) : 0));
      }
    }
  }
}

TEST_CASE("additive powers of two: scales and refusals") {
  const AdditivePowersOfTwo weights(4, Granularity::per_channel(0));
  CHECK(weights.qparams(std::vector<Range>{{-5, 2}, {0, 0}, {0, 1e-20f}}).scale ==
        std::vector<float>{0.5f, 1.0f, FLT_EPSILON});
  CHECK(AdditivePowersOfTwo(3, {}, false).qparams(std::vector<Range>{{-5, 10}}).scale[0] == 1.0f);
  CHECK(AdditivePowersOfTwo(3, {}, false).qparams(std::vector<Range>{{-5, -1}}).scale[0] == 1.0f);
  for (const int bits : {1, 9}) CHECK_THROWS_AS(AdditivePowersOfTwo(bits), Error);
  CHECK_THROWS_AS(weights.qparams(std::vector<Range>{{0, inf}}), Error);
  std::vector<float> y(2);
  const std::vector<std::int16_t> outside{0, 8};
  const AdditivePowersOfTwo one(4);
  const QParams p = one.qparams(std::vector<Range>{{-1, 1}});
  CHECK_THROWS_AS(one.decode(outside, Shape{2}, p, y), Error);
  CHECK_THROWS_AS(one.decode(outside, Shape{3}, p, y), Error);
  std::vector<std::int16_t> codes(2);
  std::vector<std::uint32_t> pass(1);
  CHECK_THROWS_AS(one.encode(y, Shape{3}, p, ClipMask::raw_inclusive, codes, pass), Error);
  CHECK_THROWS_AS(one.encode(y, Shape{2}, {p.grid, {}, {0.0f}, {0}}, ClipMask::raw_inclusive, codes, pass), Error);
}

TEST_CASE("ternary and binary refuse values without a mean, and sizes that do not fit") {
  const std::vector<float> nothing, bad{1, nan_value}, infinite{1, inf}, good{1, 2};
  std::vector<float> y(2);
  std::vector<std::int8_t> codes(2);
  std::vector<std::uint32_t> pass(1), many(2);
  for (const auto* x : {&bad, &infinite}) {
    CHECK_THROWS_AS(Ternary().qparams(*x, Shape{2}), Error);
    CHECK_THROWS_AS(Binary().qparams(*x, Shape{2}), Error);
  }
  CHECK_THROWS_AS(Ternary().qparams(nothing, Shape{0}), Error);
  CHECK_THROWS_AS(Binary().qparams(nothing, Shape{0}), Error);
  CHECK_THROWS_AS(Ternary(Granularity::per_channel(1)).qparams(good, Shape{2}), Error);
  const QParams p = Binary().qparams(good, Shape{2});
  CHECK_THROWS_AS(Binary().encode(good, Shape{3}, p, ClipMask::raw_inclusive, codes, pass), Error);
  CHECK_THROWS_AS(Binary().encode(good, Shape{2}, p, ClipMask::raw_inclusive, codes, many), Error);
  CHECK_THROWS_AS(Binary().decode(codes, Shape{3}, p, y), Error);
  for (const float scale : {-1.0f, inf, nan_value}) {
    const QParams wrong{{-1, 1}, {}, {scale}, {0}};
    CHECK_THROWS_AS(Binary().encode(good, Shape{2}, wrong, ClipMask::raw_inclusive, codes, pass), Error);
    CHECK_THROWS_AS(Binary().decode(codes, Shape{2}, wrong, y), Error);
  }
}

}  // namespace few_codes_test
