#pragma once
// The two ends of an integer model: real inputs to codes as the target does it, and codes back to reals.

#include <stet/core/lanes.hpp>
#include <stet/core/rounding.hpp>
#include <stet/integer/codes.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/grid.hpp>

#include <cmath>
#include <cstdint>
#include <span>

namespace stet::integer {

/// Makes codes of real inputs.
/// Formula:   divisions: clamp(round(x/s) + z); reciprocal_half_even: clamp(round(x*(1/s)) + z); in float
/// Shapes:    x and codes of one size
/// Rounding:  as named; NaN becomes the lowest code
/// Errors:    Errc::shape if the sizes differ; Errc::range if the scale is not positive and finite, or the grid or zero
///            point lie outside int8
/// Source:    LiteRT kernels/internal/reference/quantize.h; XNNPACK f32-qs8-vcvt; ONNX QuantizeLinear
inline void quantize_input(InputRule rule, std::span<const float> x, float scale, std::int32_t zero_point, Grid grid,
                           std::span<std::int8_t> codes) {
  require(x.size() == codes.size(), Errc::shape, "quantize_input: {} reals, but memory for {} codes", x.size(),
          codes.size());
  require(std::isfinite(scale) && scale > 0.0f, Errc::range, "quantize_input: scale {} must be positive and finite",
          scale);
  require(grid.fits_int8() && grid.lo <= grid.hi && zero_point >= -128 && zero_point <= 127, Errc::range,
          "quantize_input: grid {}..{} or zero point {} lies outside int8", grid.lo, grid.hi, zero_point);
  const auto lo = static_cast<float>(grid.lo - zero_point);
  const auto hi = static_cast<float>(grid.hi - zero_point);
  const float reciprocal = 1.0f / scale;
  parallel_chunks(static_cast<std::int64_t>(x.size()), 1, [&](Chunk chunk) {
    const float* __restrict from = x.data() + chunk.first;
    std::int8_t* __restrict to = codes.data() + chunk.first;
    // Bounds are integers, so cutting before rounding gives the same codes; NaN compares false and becomes lo.
    const auto cut = [lo, hi](float v) {
      v = v > lo ? v : lo;
      return v < hi ? v : hi;
    };
    if (rule == InputRule::division_half_away) {
      lanes(chunk.size(), [&](std::int64_t i) {
        const float v = cut(from[i] / scale);
        const auto whole = static_cast<std::int32_t>(v);
        const float part = v - static_cast<float>(whole);  // exact
        const std::int32_t away = static_cast<std::int32_t>(part >= 0.5f) - static_cast<std::int32_t>(part <= -0.5f);
        to[i] = static_cast<std::int8_t>(whole + away + zero_point);
      });
    } else if (rule == InputRule::division_half_even) {
      lanes(chunk.size(), [&](std::int64_t i) {
        const float v = cut(from[i] / scale);
        to[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(round_half_even_small(v)) + zero_point);
      });
    } else {
      lanes(chunk.size(), [&](std::int64_t i) {
        const float v = cut(from[i] * reciprocal);
        to[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(round_half_even_small(v)) + zero_point);
      });
    }
  });
}

/// Makes reals of codes.
/// Formula:   x = s * (q - z) in float
/// Shapes:    codes and x of one size
/// Errors:    Errc::shape if the sizes differ; Errc::range if the scale is not positive and finite or the zero point
///            lies outside int8
/// Source:    LiteRT kernels/internal/reference/dequantize.h
inline void dequantize_output(std::span<const std::int8_t> codes, float scale, std::int32_t zero_point,
                              std::span<float> x) {
  require(x.size() == codes.size(), Errc::shape, "dequantize_output: {} codes, but memory for {} reals", codes.size(),
          x.size());
  require(std::isfinite(scale) && scale > 0.0f && zero_point >= -128 && zero_point <= 127, Errc::range,
          "dequantize_output: scale {} must be positive and finite, zero point {} within int8", scale, zero_point);
  parallel_chunks(static_cast<std::int64_t>(x.size()), 1, [&](Chunk chunk) {
    const std::int8_t* __restrict from = codes.data() + chunk.first;
    float* __restrict to = x.data() + chunk.first;
    lanes(chunk.size(), [&](std::int64_t i) { to[i] = scale * static_cast<float>(from[i] - zero_point); });
  });
}

}  // namespace stet::integer
