#pragma once
// Zero points that are real numbers: simulation only, because 0 need not be representable; no target runs them.

#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/rounding.hpp>
#include <stet/quant/granularity.hpp>
#include <stet/quant/grid.hpp>
#include <stet/quant/range.hpp>

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace stet {

/// Quantization parameters with a real zero point: real = scale * (code - zero_point).
/// Shapes:    scale and zero_point have one entry per tensor, channel or group
/// Units:     scale real per step; zero_point in steps, not rounded
struct RealOffsetQParams {
  Grid grid{};
  Granularity granularity{};
  std::vector<float> scale{1.0f};
  std::vector<float> zero_point{0.0f};
};

/// Chooses scale and real zero point for each range; the range need not contain 0.
/// Formula:   s = (hi - lo) / (p - n), s = 1 where s <= eps; z = -lo / s
/// Errors:    Errc::state if there are no ranges; Errc::range if one is not finite and ordered
/// Source:    PyTorch 2.13, per_channel_affine_float_qparams (golden set qparams)
inline RealOffsetQParams choose_real_offset(std::span<const Range> ranges, const Grid& grid,
                                            const Granularity& granularity = {}, float eps = FLT_EPSILON) {
  require(!ranges.empty(), Errc::state, "choose_real_offset: no ranges; observe values first");
  RealOffsetQParams p{grid, granularity, {}, {}};
  for (const Range& r : ranges) {
    require(r.finite() && r.lo <= r.hi, Errc::range, "choose_real_offset: range {}..{} must be finite and ordered",
            r.lo, r.hi);
    float scale = (r.hi - r.lo) / static_cast<float>(grid.hi - grid.lo);
    require(std::isfinite(scale), Errc::range, "choose_real_offset: the width of range {}..{} exceeds float", r.lo,
            r.hi);
    if (!(scale > eps)) scale = 1.0f;
    p.scale.push_back(scale);
    p.zero_point.push_back(-r.lo / scale);
  }
  return p;
}

namespace detail {

// Unclamped code where it matters: beyond the grid at least one step outside it. The clamp keeps the product from being
// contracted with the addition; NaN counts as below.
[[gnu::always_inline]] inline float real_offset_code(float x, float inverse, float zero, float lo, float hi) {
  float t = x * inverse;
  const float least = lo - zero - 2.0f;
  const float most = hi - zero + 2.0f;
  t = t > least ? t : least;
  t = t < most ? t : most;
  return round_half_even_small(t + zero);
}

// Calls kernel(first, count, scale index) for runs of elements with one scale, in parallel.
template <class Kernel>
void real_offset_runs(const char* op, const Shape& shape, const RealOffsetQParams& p, std::size_t in, std::size_t out,
                      Kernel kernel) {
  const ScaleMap map = scale_map(p.granularity, shape);
  require(static_cast<std::int64_t>(in) == shape.elements() && in == out, Errc::shape,
          "{}: shape {} has {} elements, input has {}, output {}", op, shape, shape.elements(), in, out);
  require(static_cast<std::int64_t>(p.scale.size()) == map.count && p.zero_point.size() == p.scale.size(), Errc::shape,
          "{}: tensor {} needs {} scales and zero points, got {} and {}", op, shape, map.count, p.scale.size(),
          p.zero_point.size());
  for (std::size_t i = 0; i < p.scale.size(); ++i) {
    require(p.scale[i] > 0.0f && std::isfinite(p.scale[i]) && std::isfinite(1.0f / p.scale[i]), Errc::range,
            "{}: scale {} is {}, must be positive, with a finite reciprocal", op, i, p.scale[i]);
    // Far from the grid, the code of 0 would lose its fraction and more.
    require(std::abs(p.zero_point[i]) <= 1048576.0f, Errc::range, "{}: zero point {} is {}, more than 2^20", op, i,
            p.zero_point[i]);
  }
  if (shape.elements() == 0) return;
  parallel_chunks(shape.elements() / map.inner, map.inner, [&](Chunk c) {
    for (std::int64_t k = c.first; k < c.last; ++k) kernel(k * map.inner, map.inner, k % map.count);
  });
}

}  // namespace detail

/// Rounds real numbers to the grid with a real zero point.
/// Formula:   y = s * (clamp(rne(x * (1/s) + z), n, p) - z); NaN gives s * (n - z)
/// Shapes:    x, y of `shape`; p has one scale per tensor, channel or group of it
/// Rounding:  half to even, after the zero point is added
/// Errors:    Errc::shape if sizes do not fit; Errc::range if a scale is invalid or a zero point is NaN or beyond 2^20
/// Source:    PyTorch 2.13, fake_quantize_per_channel_affine with float zero points (golden set fake_quant_per_channel)
inline void fake_quantize(std::span<const float> x, const Shape& shape, const RealOffsetQParams& p,
                          std::span<float> y) {
  const auto lo = static_cast<float>(p.grid.lo);
  const auto hi = static_cast<float>(p.grid.hi);
  detail::real_offset_runs("fake_quantize", shape, p, x.size(), y.size(),
                           [&](std::int64_t first, std::int64_t count, std::int64_t k) {
                             const float scale = p.scale[static_cast<std::size_t>(k)];
                             const float zero = p.zero_point[static_cast<std::size_t>(k)];
                             const float* in = x.data() + first;
                             float* out = y.data() + first;
                             lanes(count, [=, inverse = 1.0f / scale](std::int64_t i) {
                               const float q = detail::real_offset_code(in[i], inverse, zero, lo, hi);
                               const float clamped = q > lo ? (q < hi ? q : hi) : lo;
                               out[i] = (clamped - zero) * scale;
                             });
                           });
}

/// Gradient of it by the clipped straight-through estimator.
/// Gradient:  dx = dy where n <= rne(x * (1/s) + z) <= p, else 0; not the derivative (STE)
inline void fake_quantize_backward(std::span<const float> x, std::span<const float> dy, const Shape& shape,
                                   const RealOffsetQParams& p, std::span<float> dx) {
  require(dy.size() == x.size(), Errc::shape, "fake_quantize_backward: x has {} elements, dy has {}", x.size(),
          dy.size());
  const auto lo = static_cast<float>(p.grid.lo);
  const auto hi = static_cast<float>(p.grid.hi);
  detail::real_offset_runs("fake_quantize_backward", shape, p, x.size(), dx.size(),
                           [&](std::int64_t first, std::int64_t count, std::int64_t k) {
                             const float inverse = 1.0f / p.scale[static_cast<std::size_t>(k)];
                             const float zero = p.zero_point[static_cast<std::size_t>(k)];
                             const float* in = x.data() + first;
                             const float* gradient = dy.data() + first;
                             float* out = dx.data() + first;
                             lanes(count, [=](std::int64_t i) {
                               const float q = detail::real_offset_code(in[i], inverse, zero, lo, hi);
                               const float passed = gradient[i];
                               out[i] = q >= lo && q <= hi ? passed : 0.0f;
                             });
                           });
}

}  // namespace stet
