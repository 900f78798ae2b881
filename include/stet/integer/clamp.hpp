#pragma once
// Clamp bounds: the codes between which a fused activation keeps its output.

#include <stet/core/rounding.hpp>
#include <stet/core/text.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/grid.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace stet::integer {

/// Activation that an operator applies to its output by clamping codes: the real numbers that bound it.
struct Activation {
  float lo = -std::numeric_limits<float>::infinity(), hi = std::numeric_limits<float>::infinity();
  static const Activation none, relu, relu6;
  /// Whether it cuts off what is negative. Its gradient then passes above 0 alone, and not at the code of 0.
  [[nodiscard]] constexpr bool rectifies() const { return lo == 0.0f; }
  friend constexpr bool operator==(const Activation&, const Activation&) = default;
};
inline constexpr Activation Activation::none{}, Activation::relu{0.0f}, Activation::relu6{0.0f, 6.0f};

/// Whether runtimes apply it themselves, each rounding its bounds in its own way. Others are bounds of codes in the file.
constexpr bool is_of_runtimes(const Activation& a) {
  return a == Activation::none || a == Activation::relu || a == Activation::relu6;
}
/// How messages name it.
inline std::string name(const Activation& a) {
  return a == Activation::none    ? "none"
         : a == Activation::relu  ? "relu"
         : a == Activation::relu6 ? "relu6"
                                  : formatted("clip {}..{}", a.lo, a.hi);
}

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
/// Formula:   lo = code(activation.lo), hi = code(activation.hi), where they are finite; both cut to the grid
/// Rounding:  that of bounds that runtimes do not know is half_even_then_zero, whatever the rule. half_away: z + round(v/s), half away from zero; half_even: round(v/s + z), half to even;
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
  if (!is_of_runtimes(activation)) rule = ClampRule::half_even_then_zero;
  Bounds b{grid.lo, grid.hi};
  if (std::isfinite(activation.lo)) {
    b.lo = std::clamp(detail::bound_code(rule, activation.lo, scale, zero_point), grid.lo, grid.hi);
  }
  if (std::isfinite(activation.hi)) {
    b.hi = std::clamp(detail::bound_code(rule, activation.hi, scale, zero_point), b.lo, grid.hi);
  }
  return b;
}

}  // namespace stet::integer
