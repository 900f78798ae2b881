#pragma once
// float16: the nearest half-precision number, as bits, and back; bfloat16 read.

#include <stet/core/requirements.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace stet {

/// Bits of the nearest IEEE half-precision number; infinity from 65520 on.
/// Rounding:  half to even
inline std::uint16_t float16_bits(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);   // NaN
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // 65520 and more
  if (magnitude < 0x38800000u) {
    // Below 2^-14 half precision counts in steps of 2^-24, which is what float does between 0.5 and 1.
    const float steps = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(steps) - 0x3f000000u));
  }
  magnitude += 0xfffu + (magnitude >> 13 & 1u);  // 13 bits go; a carry into the exponent is right
  return static_cast<std::uint16_t>(sign | ((magnitude >> 13) - (112u << 10)));
}

/// The number that half-precision bits are. Exact.
inline float float_of_float16(std::uint16_t bits) {
  const float sign = (bits & 0x8000u) != 0 ? -1.0f : 1.0f;
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  if (exponent == 31) {
    return mantissa == 0 ? sign * std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
}

/// The number that bfloat16 bits are, the upper half of a float. Exact.
inline float float_of_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

}  // namespace stet
