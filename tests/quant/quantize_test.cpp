// One function makes the codes: the forms of quantize, fake_quantize and encode agree with it exactly.
#include <stet/core/random.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>
#include <stet/quant/quantize.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>

namespace quantize_test {

using namespace stet;

namespace {

const float not_a_number = std::numeric_limits<float>::quiet_NaN();
const float inf = std::numeric_limits<float>::infinity();

// The rule, written plainly in double where every step but the product is exact.
std::int32_t plain_code(float x, float scale, std::int32_t zero, const Grid& grid, bool& pass) {
  pass = false;
  if (std::isnan(x)) return grid.lo;
  const double q = zero + std::nearbyint(static_cast<double>(rounded_product(x, 1.0f / scale)));
  pass = q >= grid.lo && q <= grid.hi;
  return static_cast<std::int32_t>(q < grid.lo ? grid.lo : q > grid.hi ? grid.hi : q);
}

std::vector<float> hard_values(Rng& rng, float scale, std::size_t n) {
  std::vector<float> x(n);
  for (float& v : x) {
    v = static_cast<float>(rng.normal()) * scale * 100;
    const auto kind = rng.below(8);
    if (kind == 0) v = (static_cast<float>(rng.below(600)) - 300 + 0.5f) * scale;  // ties
    if (kind == 1) v = std::nextafter((static_cast<float>(rng.below(600)) - 299.5f) * scale, inf);
    if (kind == 2) v = std::ldexp(static_cast<float>(rng.normal()), static_cast<int>(rng.below(250)) - 125);
  }
  x[0] = not_a_number;
  x[1] = inf;
  x[2] = -inf;
  x[3] = -0.0f;
  x[4] = std::numeric_limits<float>::denorm_min();
  x[5] = std::numeric_limits<float>::max();
  return x;
}

const Grid grids[] = {Grid::int8(),    Grid::int8_narrow(), Grid::uint8(),          Grid::activation(4),
                      Grid::narrow(2), Grid{-32768, 32767}, Grid::unsigned_bits(16)};

}  // namespace

TEST_CASE("codes, values and masks equal the plain rule for random parameters", "[bits]") {
  Rng rng(7);
  for (int round = 0; round < 200; ++round) {
    const Grid grid = grids[rng.below(std::size(grids))];
    const auto zero = static_cast<std::int32_t>(
        grid.lo + static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(grid.levels()))));
    const auto scale = static_cast<float>(std::exp(rng.uniform(-20, 20)));
    const QParams p = QParams::per_tensor(scale, zero, grid);
    const std::vector<float> x = hard_values(rng, scale, 6 + rng.below(200));
    std::vector<std::int32_t> codes(x.size()), encoded(x.size());
    std::vector<float> y(x.size()), read(x.size()), ones(x.size(), 1.0f), dx(x.size());
    std::vector<std::uint32_t> pass(static_cast<std::size_t>(bit_words(static_cast<std::int64_t>(x.size()))));
    quantize(x, p, codes);
    fake_quantize(x, p, y);
    dequantize(codes, p, read);
    fake_quantize_backward(x, ones, p, dx);
    encode(x, Shape{static_cast<std::int64_t>(x.size())}, p, ClipMask::rounded_inclusive, encoded, pass);
    int faults = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      bool inside = false;
      const std::int32_t want = plain_code(x[i], scale, zero, grid, inside);
      const bool same = codes[i] == want && encoded[i] == want && y[i] == read[i] &&
                        std::signbit(y[i]) == std::signbit(read[i]) && dx[i] == (inside ? 1.0f : 0.0f) &&
                        test_bit(pass.data(), static_cast<std::int64_t>(i)) == inside;
      faults += same ? 0 : 1;
    }
    CHECK(faults == 0);
    CHECK((x.size() % 32 == 0 || (pass.back() >> (x.size() % 32)) == 0));  // unused bits are 0
  }
}

TEST_CASE("all code types and the double form give the same codes", "[bits]") {
  Rng rng(8);
  const QParams p = QParams::per_tensor(0.25f, 3, Grid{0, 100});
  const std::vector<float> x = hard_values(rng, 0.25f, 333);
  const std::vector<double> xd(x.begin(), x.end());
  std::vector<std::int8_t> a(x.size());
  std::vector<std::uint8_t> b(x.size());
  std::vector<std::int16_t> c(x.size());
  std::vector<std::int32_t> d(x.size()), e(x.size());
  quantize(x, p, a);
  quantize(x, p, b);
  quantize(x, p, c);
  quantize(x, p, d);
  quantize(xd, p, e);  // scale 2^-2: the products are exact in both types
  CHECK(std::equal(a.begin(), a.end(), d.begin()));
  CHECK(std::equal(b.begin(), b.end(), d.begin()));
  CHECK(std::equal(c.begin(), c.end(), d.begin()));
  CHECK(d == e);
  std::vector<double> y(x.size()), through(x.size());
  fake_quantize(xd, p, y);
  dequantize(e, p, through);
  CHECK(y == through);
}

TEST_CASE("per channel and per group equal one call per scale, on every axis", "[bits]") {
  Rng rng(9);
  for (const Shape& shape : {Shape{6, 40}, Shape{40, 6}, Shape{3, 4, 5, 6}, Shape{4, 3, 3, 33}, Shape{2, 70, 64}}) {
    for (int axis = -1; axis < shape.rank(); ++axis) {
      const std::int64_t group = shape.back() % 2 == 0 ? shape.back() / 2 : shape.back();
      const Granularity g = axis < 0 ? Granularity::per_group(group) : Granularity::per_channel(axis);
      const ScaleMap map = scale_map(g, shape);
      QParams p{Grid::int8(), g, {}, {}};
      for (std::int64_t k = 0; k < map.count; ++k) {
        p.scale.push_back(static_cast<float>(rng.uniform(0.01, 0.1)));
        p.zero_point.push_back(static_cast<std::int32_t>(rng.below(256)) - 128);
      }
      Tensor<float> x(shape), dy(shape);
      for (float& v : x.edit()) v = static_cast<float>(rng.normal() * 4);
      for (float& v : dy.edit()) v = static_cast<float>(rng.normal());
      const QTensor q = quantize(x, p);
      const Tensor<float> y = fake_quantize(x, p);
      const Tensor<float> read = dequantize(q);
      Tensor<float> dx(shape), kept(shape);
      fake_quantize_backward(x.span(), dy.span(), shape, p, dx.edit());
      Tensor<std::int8_t> codes(shape);
      Tensor<std::uint32_t> pass(Shape{bit_words(x.size())});
      encode(x.span(), shape, p, ClipMask::rounded_inclusive, codes.edit(), pass.edit());
      keep_where(dy.data(), pass.data(), x.size(), kept.edit().data());
      int faults = 0;
      for (std::int64_t i = 0; i < x.size(); ++i) {
        const auto k = static_cast<std::size_t>(map.index(i));
        bool inside = false;
        const std::int32_t want = plain_code(x[i], p.scale[k], p.zero_point[k], p.grid, inside);
        const float value = static_cast<float>(want - p.zero_point[k]) * p.scale[k];
        const bool same = q.codes[i] == want && codes[i] == want && y[i] == value && read[i] == value &&
                          dx[i] == (inside ? dy[i] : 0.0f) && kept[i] == dx[i];
        faults += same ? 0 : 1;
      }
      CHECK(faults == 0);
    }
  }
}

TEST_CASE("results do not depend on the thread count", "[bits]") {
  Rng rng(10);
  std::vector<float> x(200000);
  for (float& v : x) v = static_cast<float>(rng.normal());
  const QParams p = choose_qparams(min_max(x), Grid::int8());
  std::vector<std::int8_t> one(x.size()), four(x.size());
  std::vector<std::uint32_t> pass_one(x.size() / 32), pass_four(x.size() / 32);
  set_threads(1);
  encode(x, p.scale[0], p.zero_point[0], p.grid, one, pass_one);
  set_threads(4);
  encode(x, p.scale[0], p.zero_point[0], p.grid, four, pass_four);
  set_threads(0);
  CHECK(one == four);
  CHECK(pass_one == pass_four);
}

TEST_CASE("the three mask policies differ only where algorithms say", "[bits]") {
  const QParams p = QParams::per_tensor(0.5f, 1, Grid{-2, 4});  // real range -1.5 .. 1.5
  const std::vector<float> x{-1.75f, -1.7499f, -1.5f, -1.4999f,     0.0f, 1.4999f,
                             1.5f,   1.74f,    1.76f, not_a_number, inf,  -inf};
  const std::vector<float> dy(x.size(), 2.0f);
  const auto mask = [&](ClipMask policy) {
    std::vector<float> dx(x.size());
    fake_quantize_backward(x, dy, p, dx, policy);
    std::vector<std::int8_t> codes(x.size());
    std::vector<std::uint32_t> pass(1);
    encode(x, Shape{12}, p, policy, codes, pass);
    std::string text;
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK((dx[i] != 0.0f) == test_bit(pass.data(), static_cast<std::int64_t>(i)));
      text += dx[i] == 2.0f ? '1' : '0';
    }
    return text;
  };
  CHECK(mask(ClipMask::rounded_inclusive) == "011111110000");  // -3.5 steps is a tie: -4 is outside
  CHECK(mask(ClipMask::raw_inclusive) == "001111100000");
  CHECK(mask(ClipMask::raw_exclusive) == "000111000000");
}

TEST_CASE("an infinite gradient outside the mask gives 0") {
  const std::vector<float> x{100.0f, 0.0f}, dy{inf, 3.0f};
  std::vector<float> dx(2);
  fake_quantize_backward(x, dy, QParams::per_tensor(0.1f, 0), dx);
  CHECK(dx == std::vector<float>{0.0f, 3.0f});
}

TEST_CASE("empty tensors and scalars are tensors") {
  const QParams p = QParams::per_tensor(0.5f, 0);
  CHECK(quantize(Tensor<float>({0, 3}), p).shape() == Shape{0, 3});
  CHECK(fake_quantize(Tensor<float>(Shape(), {0.7f}), p)[0] == 0.5f);
}

TEST_CASE("quantize refuses parameters and sizes that do not fit, naming them") {
  std::vector<float> x(4), y(4), small(3);
  std::vector<std::int8_t> codes(4);
  std::vector<std::uint32_t> pass(1), many(2);
  using Catch::Matchers::ContainsSubstring;
  CHECK_THROWS_WITH(fake_quantize(x, QParams::per_tensor(0.5f, 0), small), ContainsSubstring("fake_quantize"));
  for (const float scale : {0.0f, -1.0f, not_a_number, inf, 1e-40f}) {
    CHECK_THROWS_AS(quantize(x, QParams::per_tensor(scale, 0), codes), Error);
    CHECK_THROWS_AS(fake_quantize(x, QParams::per_tensor(scale, 0), y), Error);
    CHECK_THROWS_AS(dequantize(codes, QParams::per_tensor(scale, 0), y), Error);
  }
  CHECK_THROWS_WITH(quantize(x, QParams::per_tensor(1, 200), codes), ContainsSubstring("zero point"));
  CHECK_THROWS_WITH(quantize(x, QParams::per_tensor(1, 0, Grid::uint8()), codes), ContainsSubstring("does not fit"));
  CHECK_THROWS_WITH(encode(x, 1, 0, Grid::uint8(), codes, pass), ContainsSubstring("does not fit"));
  CHECK_THROWS_WITH(encode(x, 1, 0, Grid::int8(), codes, many), ContainsSubstring("pass bits"));
  const QParams wide = QParams::per_tensor(1, 0, Grid{-1000000, 1000000});
  CHECK_THROWS_WITH(fake_quantize(x, wide, y), ContainsSubstring("16 bits"));
  QParams channels{Grid::int8(), Granularity::per_channel(0), {1, 1}, {0, 0}};
  CHECK_THROWS_WITH(quantize(x, channels, codes), ContainsSubstring("needs 4 scales"));
  CHECK_THROWS_AS(quantize(x, Shape{2, 3}, channels, codes), Error);
  channels.granularity = Granularity::per_channel(5);
  CHECK_THROWS_AS(quantize(x, Shape{2, 2}, channels, codes), Error);
}

}  // namespace quantize_test
