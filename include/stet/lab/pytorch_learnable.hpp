#pragma once
// PyTorch's learnable fake quantization, quirks included, for runs that must equal PyTorch's.

#include <stet/lab/real_zero_point.hpp>
#include <stet/quant/scale_gradient.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace stet {

/// Parameters that PyTorch's learnable operators quantize with: the real zero point rounded and clamped.
/// Formula:   z = clamp(rne(zero_point), n, p)
/// Rounding:  half to even
/// Errors:    Errc::shape if there is not one zero point per scale; Errc::range if a zero point is NaN
/// Source:    PyTorch 2.13, _fake_quantize_learnable_per_tensor_affine, _per_channel_affine
inline QParams pytorch_learnable_qparams(std::span<const float> scale, std::span<const float> zero_point,
                                         const Grid& grid, const Granularity& granularity = {}) {
  require(scale.size() == zero_point.size(), Errc::shape, "pytorch_learnable: {} scales, {} zero points", scale.size(),
          zero_point.size());
  QParams p{grid, granularity, {scale.begin(), scale.end()}, {}};
  for (const float z : zero_point) {
    require(!std::isnan(z), Errc::range, "pytorch_learnable: zero point {} is NaN", p.zero_point.size());
    const float rounded = round_half_even(z);
    p.zero_point.push_back(rounded < static_cast<float>(grid.lo)   ? grid.lo
                           : rounded > static_cast<float>(grid.hi) ? grid.hi
                                                                   : static_cast<std::int32_t>(rounded));
  }
  return p;
}

namespace detail {

// The zero point of PyTorch's per-tensor backward pass: truncated, so one too high for most negative ones.
inline std::int32_t pytorch_truncated_zero_point(float zero_point, const Grid& grid) {
  const float up = zero_point + 0.5f;
  const float clamped = up < static_cast<float>(grid.lo)   ? static_cast<float>(grid.lo)
                        : up > static_cast<float>(grid.hi) ? static_cast<float>(grid.hi)
                                                           : up;
  return static_cast<std::int32_t>(clamped);
}

}  // namespace detail

/// Gradients of PyTorch's learnable fake quantization. They are decided on a code of their own, which differs from the
/// forward pass on ties with an odd zero point; per tensor also by the zero point, which is truncated, not rounded.
/// Formula:   code = rne(z + x * (1/s)); dx = dy where n <= code <= p, else 0;
///            dscale = f * sum dy * { ((code - z) * s - x) / s inside; n - z below; p - z above };
///            dzero_point = f * sum dy * { 0 inside; -s outside }; f = grad_factor;
///            z = clamp(rne(zero_point)) per channel or group, trunc(clamp(zero_point + 0.5)) per tensor.
///            NaN and 2^63 steps or more count as below
/// Shapes:    x, dy, dx of `shape`; scale and zero_point one per scale of the granularity
/// Units:     x real; s real per step; zero_point in steps, not rounded
/// Rounding:  half to even; terms in float as in PyTorch, sums in double
/// Gradient:  not the derivative (STE)
/// Errors:    Errc::shape if sizes do not fit; Errc::range if a scale is invalid (see check) or a zero point NaN
/// Source:    PyTorch 2.13, _fake_quantize_learnable_per_tensor_affine, _per_channel_affine (golden set
///            fake_quant_learnable)
inline ScaleGradients pytorch_learnable_backward(std::span<const float> x, std::span<const float> dy,
                                                 const Shape& shape, std::span<const float> scale,
                                                 std::span<const float> zero_point, const Grid& grid,
                                                 const Granularity& granularity, double grad_factor,
                                                 std::span<float> dx) {
  QParams p = pytorch_learnable_qparams(scale, zero_point, grid, granularity);
  detail::check_codes("pytorch_learnable_backward", shape, p, x.size(), dx.size());
  require(dy.size() == x.size(), Errc::shape, "pytorch_learnable_backward: x has {} elements, dy has {}", x.size(),
          dy.size());
  if (granularity.kind == Granularity::Kind::per_tensor) {
    p.zero_point[0] = detail::pytorch_truncated_zero_point(zero_point[0], grid);
  }
  const ScaleMap map = scale_map(granularity, shape);
  const auto lo = static_cast<float>(grid.lo);
  const auto hi = static_cast<float>(grid.hi);
  const auto factor = static_cast<float>(grad_factor);
  const std::int64_t n = shape.elements();
  const std::int64_t chunks = n > 0 ? chunk_count(n, 1) : 0;
  const std::size_t count = p.scale.size();
  std::vector<double> partial(static_cast<std::size_t>(chunks) * 2 * count);
  parallel(chunks, [&](std::int64_t k) {
    double* ds = partial.data() + static_cast<std::size_t>(k) * 2 * count;
    double* dz = ds + count;
    const Chunk c = chunk_of(n, chunks, k);
    for (std::int64_t i = c.first; i < c.last; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const auto index = static_cast<std::size_t>(map.index(i));
      const float s = p.scale[index];
      const auto z = static_cast<float>(p.zero_point[index]);
      const bool huge = !(x[at] * (1.0f / s) < 0x1p63f);  // the conversion to int64 gives the smallest integer
      const float code = huge ? lo - 1.0f : detail::real_offset_code(x[at], 1.0f / s, z, lo, hi);
      const float g = dy[at];
      dx[at] = code >= lo && code <= hi ? g : 0.0f;
      if (code < lo || code > hi) {
        ds[index] += static_cast<double>(g * ((code < lo ? lo : hi) - z) * factor);
        dz[index] += static_cast<double>(g * -s * factor);
      } else {
        const float y = rounded_product(code - z, s);
        ds[index] += static_cast<double>(g * ((y - x[at]) / s) * factor);
      }
    }
  });
  ScaleGradients gradients{std::vector<double>(count), std::vector<double>(count)};
  for (std::size_t k = 0; k < static_cast<std::size_t>(chunks); ++k) {
    for (std::size_t i = 0; i < count; ++i) {
      gradients.scale[i] += partial[(k * 2) * count + i];
      gradients.zero_point[i] += partial[(k * 2 + 1) * count + i];
    }
  }
  return gradients;
}

}  // namespace stet
