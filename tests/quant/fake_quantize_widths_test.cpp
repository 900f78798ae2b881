// fake_quantize with PyTorch's rule at every width, on signed, narrow and unsigned grids, per tensor, channel and
// group, against the rule written plainly for one number.
#include <stet/core/random.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/fake_quantize.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>

namespace fake_quantize_widths_test {

using namespace stet;

namespace {

struct Plain {
  float y = 0;
  bool pass = false;
};

// PyTorch's order of operations, one rounding each: inverse, product, rne, + z, clamp, - z, product.
Plain plain_fake_quantize(float x, float scale, std::int32_t zero, const Grid& grid) {
  const float inverse = 1.0f / scale;
  const double steps = std::nearbyint(static_cast<double>(rounded_product(x, inverse)));
  const double q = zero + steps;
  const double clamped = std::isnan(q) || q < grid.lo ? grid.lo : q > grid.hi ? grid.hi : q;
  return {static_cast<float>(clamped - zero) * scale, q >= grid.lo && q <= grid.hi};
}

Tensor<float> values_around(Rng& rng, const Shape& shape, const QParams& p, const ScaleMap& map) {
  Tensor<float> x(shape);
  float* out = x.edit().data();
  const double levels = p.grid.hi - p.grid.lo + 1;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const auto k = static_cast<std::size_t>(map.index(i));
    double steps = p.grid.lo - p.zero_point[k] + rng.uniform(-0.2, 1.2) * levels;
    const auto kind = rng.below(6);
    const double end = rng.below(2) == 0 ? p.grid.lo - 0.5 : p.grid.hi + 0.5;  // of the mask
    if (kind == 0) steps = std::floor(steps) + 0.5;                            // ties
    if (kind == 1) steps = end - p.zero_point[k];
    out[i] = static_cast<float>(steps * static_cast<double>(p.scale[k]));
  }
  out[0] = std::numeric_limits<float>::quiet_NaN();
  out[1] = std::numeric_limits<float>::infinity();
  out[2] = -out[1];
  return x;
}

}  // namespace

TEST_CASE("every width from 2 to 16, grid and granularity equals the plain rule", "[bits]") {
  Rng rng(12);
  const Shape shape{4, 3, 24};
  for (int bits = 2; bits <= 16; ++bits) {
    for (const Grid& grid : {Grid::signed_bits(bits), Grid::narrow(bits), Grid::unsigned_bits(bits)}) {
      for (const Granularity& g :
           {Granularity::per_tensor(), Granularity::per_channel(0), Granularity::per_channel(1),
            Granularity::per_channel(2), Granularity::per_group(8), Granularity::per_group(24)}) {
        const ScaleMap map = scale_map(g, shape);
        QParams p{grid, g, {}, {}};
        p.scale.clear();
        p.zero_point.clear();
        for (std::int64_t k = 0; k < map.count; ++k) {
          // Powers of two make exact ties; other scales near-ties.
          p.scale.push_back(k % 2 == 0 ? std::ldexp(1.0f, static_cast<int>(rng.below(12)) - 8)
                                       : static_cast<float>(rng.uniform(0.001, 3)));
          const auto above = rng.below(static_cast<std::uint64_t>(grid.levels()));
          p.zero_point.push_back(grid.lo + static_cast<std::int32_t>(above));
        }
        const Tensor<float> x = values_around(rng, shape, p, map);
        Tensor<float> y(shape), dy(shape), dx(shape), kept(shape);
        for (float& v : dy.edit()) v = static_cast<float>(rng.normal());
        Tensor<std::int32_t> codes(shape);
        Tensor<std::uint32_t> pass(Shape{bit_words(x.size())});
        fake_quantize(x.span(), shape, p, y.edit());
        fake_quantize_backward(x.span(), dy.span(), shape, p, dx.edit());
        encode(x.span(), shape, p, ClipMask::rounded_inclusive, codes.edit(), pass.edit());
        int faults = 0;
        for (std::int64_t i = 0; i < x.size(); ++i) {
          const auto k = static_cast<std::size_t>(map.index(i));
          const Plain want = plain_fake_quantize(x[i], p.scale[k], p.zero_point[k], grid);
          const bool same = y[i] == want.y && dx[i] == (want.pass ? dy[i] : 0.0f) &&
                            test_bit(pass.data(), i) == want.pass && grid.contains(codes[i]) &&
                            static_cast<float>(codes[i] - p.zero_point[k]) * p.scale[k] == want.y;
          faults += same ? 0 : 1;
        }
        INFO(bits << " bits, grid " << grid.lo << ".." << grid.hi << ", " << map.count << " scales");
        CHECK(faults == 0);
      }
    }
  }
}

TEST_CASE("per group is per channel of the tensor seen as rows of one group", "[bits]") {
  Rng rng(13);
  const Shape shape{5, 48}, rows{15, 16};
  Tensor<float> x(shape), y(shape), z(shape);
  for (float& v : x.edit()) v = static_cast<float>(rng.normal());
  for (const bool symmetric : {false, true}) {
    const Grid grid = symmetric ? Grid::narrow(4) : Grid::unsigned_bits(4);
    const auto ranges = min_max(x.span(), shape, Granularity::per_group(16));
    const QParams grouped =
        choose_qparams(ranges, grid, {.symmetric = symmetric, .granularity = Granularity::per_group(16)});
    QParams by_row = choose_qparams(min_max(x.span(), rows, Granularity::per_channel(0)), grid,
                                    {.symmetric = symmetric, .granularity = Granularity::per_channel(0)});
    CHECK(grouped.scale == by_row.scale);
    CHECK(grouped.zero_point == by_row.zero_point);
    fake_quantize(x.span(), shape, grouped, y.edit());
    fake_quantize(x.span(), rows, by_row, z.edit());
    CHECK(std::equal(y.span().begin(), y.span().end(), z.span().begin()));
  }
  CHECK_THROWS_AS(min_max(x.span(), shape, Granularity::per_group(20)), Error);  // 20 does not divide 48
}

}  // namespace fake_quantize_widths_test
