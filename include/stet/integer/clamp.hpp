#pragma once
// Clamp bounds: the codes between which a fused activation keeps its output.

#include <stet/core/rounding.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/grid.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace stet::integer {

/// Activation that an operator applies to its output by clamping codes.
enum class Activation { none, relu, relu6 };

/// Inclusive code bounds.
struct Bounds {
  std::int32_t lo = -128, hi = 127;
  friend constexpr bool operator==(const Bounds&, const Bounds&) = default;
};

namespace detail {

inline std::int32_t bound_code(ClampRule rule, float value, float scale, std::int32_t zero_point) {
  if (rule == ClampRule::half_away) {
    const float steps = std::clamp(round_half_away(value / scale), -1024.0f, 1024.0f);
    return zero_point + static_cast<std::int32_t>(steps);
  }
  if (rule == ClampRule::half_even_then_zero) {
    const float steps = std::clamp(round_half_even(value / scale), -1024.0f, 1024.0f);
    return zero_point + static_cast<std::int32_t>(steps);
  }
  const float code = std::clamp(value / scale + static_cast<float>(zero_point), -128.0f, 127.0f);
  return static_cast<std::int32_t>(round_half_even(code));
}

}  // namespace detail

/// Codes that bound the output of an operator with this activation.
/// Formula:   relu: lo = code(0); relu6: lo = code(0), hi = code(6); both cut to the grid
/// Rounding:  half_away: z + round(v/s), half away from zero; half_even: round(v/s + z), half to even;
///            half_even_then_zero: z + round(v/s), half to even; all in float
/// Errors:    Errc::range if the scale is not positive and finite, the grid does not fit int8, or the zero point lies
///            outside int8
/// Source:    LiteRT kernels/kernel_util.cc, CalculateActivationRangeQuantized;
///            XNNPACK requantization.h, xnn_qs8_quantize; ONNX QuantizeLinear
inline Bounds clamp_bounds(ClampRule rule, Activation activation, float scale, std::int32_t zero_point,
                           Grid grid = Grid::int8()) {
  require(std::isfinite(scale) && scale > 0.0f, Errc::range, "clamp_bounds: scale is {}, must be positive and finite",
          scale);
  require(grid.fits_int8() && grid.lo <= grid.hi, Errc::range, "clamp_bounds: grid {}..{} does not fit int8", grid.lo,
          grid.hi);
  require(zero_point >= -128 && zero_point <= 127, Errc::range, "clamp_bounds: zero point {} lies outside int8",
          zero_point);
  Bounds b{grid.lo, grid.hi};
  if (activation != Activation::none) {
    b.lo = std::clamp(detail::bound_code(rule, 0.0f, scale, zero_point), grid.lo, grid.hi);
  }
  if (activation == Activation::relu6) {
    b.hi = std::clamp(detail::bound_code(rule, 6.0f, scale, zero_point), b.lo, grid.hi);
  }
  return b;
}

}  // namespace stet::integer
