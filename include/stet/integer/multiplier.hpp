#pragma once
// Multipliers: a real factor as a 32-bit integer and a shift, and the ways in which runtimes multiply by it.

#include <stet/core/error.hpp>

#include <cmath>
#include <cstdint>
#include <limits>

namespace stet::integer {

/// Real factor as multiplier * 2^(shift-31), with multiplier in [2^30, 2^31) or 0.
/// Units:     shift in bits; positive shifts to the left, negative to the right
struct QuantizedMultiplier {
  std::int32_t multiplier = 0;
  int shift = 0;
  friend constexpr bool operator==(const QuantizedMultiplier&, const QuantizedMultiplier&) = default;
};

/// Expresses a real factor as an integer and a shift.
/// Formula:   m = f * 2^e, f in [1/2, 1); multiplier = round(f * 2^31), shift = e; (0, 0) if m = 0 or e < -31
/// Rounding:  half away from zero; a multiplier of 2^31 becomes 2^30 with the next shift
/// Errors:    Errc::range if m is negative, not finite or at least 2^30
/// Source:    LiteRT kernels/internal/quantization_util.cc, QuantizeMultiplier
inline QuantizedMultiplier quantize_multiplier(double m) {
  require(std::isfinite(m) && m >= 0.0 && m < 0x1p30, Errc::range,
          "quantize_multiplier: factor {} must lie in [0, 2^30)", m);
  if (m == 0.0) return {};
  int e = 0;
  const double f = std::frexp(m, &e);
  auto fixed = static_cast<std::int64_t>(std::round(f * 0x1p31));
  if (fixed == std::int64_t{1} << 31) {
    fixed /= 2;
    ++e;
  }
  if (e < -31) return {};
  return {static_cast<std::int32_t>(fixed), e};
}

/// High half of the doubled product.
/// Formula:   floor((a*b + 2^30) / 2^31); INT32_MAX for a = b = INT32_MIN
/// Rounding:  half up
/// Source:    gemmlowp fixedpoint/fixedpoint.h, SaturatingRoundingDoublingHighMul
constexpr std::int32_t saturating_rounding_doubling_high_multiply(std::int32_t a, std::int32_t b) {
  constexpr std::int32_t lowest = std::numeric_limits<std::int32_t>::min();
  if (a == lowest && b == lowest) return std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>((std::int64_t{a} * b + (std::int64_t{1} << 30)) >> 31);
}

/// Division by 2^exponent, exponent 0 to 31.
/// Rounding:  half away from zero
/// Source:    gemmlowp fixedpoint/fixedpoint.h, RoundingDivideByPOT
constexpr std::int32_t rounding_divide_by_power_of_two(std::int32_t x, int exponent) {
  const auto mask = static_cast<std::int32_t>((std::int64_t{1} << exponent) - 1);
  const std::int32_t remainder = x & mask;
  const std::int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

namespace detail {
// x * 2^shift modulo 2^32: exact under the documented bound, and defined for any input.
constexpr std::int32_t shifted_left(std::int32_t x, int shift) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(x) << shift);
}
}  // namespace detail

/// x times the factor, rounded twice: the reference kernels of LiteRT, TFLM and CMSIS-NN.
/// Needs |x|*2^max(shift,0) < 2^31.
/// Rounding:  the product with 2^-31 half up, then the right shift half away from zero
/// Source:    LiteRT kernels/internal/common.cc, MultiplyByQuantizedMultiplier
constexpr std::int32_t double_rounding(std::int32_t x, QuantizedMultiplier m) {
  const int left = m.shift > 0 ? m.shift : 0;
  const int right = m.shift > 0 ? 0 : -m.shift;
  return rounding_divide_by_power_of_two(
      saturating_rounding_doubling_high_multiply(detail::shifted_left(x, left), m.multiplier), right);
}

/// x times the factor, rounded once and saturated to int32: ruy on ARM, CMSIS-NN's single-rounding builds.
/// Formula:   floor((x*multiplier + 2^(30-shift)) / 2^(31-shift))
/// Rounding:  half up
constexpr std::int32_t single_rounding(std::int32_t x, QuantizedMultiplier m) {
  const int total = 31 - m.shift;
  const std::int64_t y = (std::int64_t{x} * m.multiplier + (std::int64_t{1} << (total - 1))) >> total;
  constexpr std::int64_t lo = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t hi = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(y < lo ? lo : y > hi ? hi : y);
}

/// x times the factor, rounded twice, both times half up: LiteRT's optimized kernels on x86.
/// Needs |x|*2^max(shift,0) < 2^31.
/// Rounding:  half up, then half up
constexpr std::int32_t double_half_up(std::int32_t x, QuantizedMultiplier m) {
  const int left = m.shift > 0 ? m.shift : 0;
  const int right = m.shift > 0 ? 0 : -m.shift;
  const std::int64_t h = saturating_rounding_doubling_high_multiply(detail::shifted_left(x, left), m.multiplier);
  return static_cast<std::int32_t>(right == 0 ? h : (h + (std::int64_t{1} << (right - 1))) >> right);
}

/// x times the factor in double, saturated to int32: LiteRT's reference FULLY_CONNECTED.
/// Rounding:  the product to double, then half away from zero
inline std::int32_t half_away_double(std::int32_t x, double m) {
  const double y = std::round(static_cast<double>(x) * m);
  if (y <= -0x1p31) return std::numeric_limits<std::int32_t>::min();
  if (y >= 0x1p31 - 1) return std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(y);
}

}  // namespace stet::integer
