#pragma once
// FloatFormat: small binary floating-point formats, and the conversions of single numbers.

#include <stet/core/text.hpp>
#include <stet/core/rounding.hpp>
#include <stet/core/text.hpp>

#include <bit>
#include <cstdint>
#include <string>

namespace stet {

/// What the largest codes of a format stand for.
enum class FloatSpecials {
  infinity_and_nan,  ///< the highest exponent, as in IEEE 754
  nan_only,          ///< the highest code alone: NaN; there is no infinity
  none               ///< nothing: all codes are numbers
};

/// A binary format of at most 16 bits: sign, exponent, mantissa, subnormal numbers.
/// Formula:   math.md 80: value = (-1)^sign * 2^(max(E, 1) - bias) * ([E > 0] + mantissa / 2^mantissa_bits),
///            bias = 2^(exponent_bits - 1) - 1
struct FloatFormat {
  int exponent_bits = 5, mantissa_bits = 10;
  FloatSpecials specials = FloatSpecials::infinity_and_nan;
  /// Whether what is too large, infinities included, becomes the largest number; else infinity, or NaN without one.
  bool saturating = false;

  /// IEEE 754 binary16.
  static constexpr FloatFormat float16() { return {5, 10, FloatSpecials::infinity_and_nan, false}; }
  /// The upper half of binary32.
  static constexpr FloatFormat bfloat16() { return {8, 7, FloatSpecials::infinity_and_nan, false}; }
  /// FP8 for weights and activations: up to 448. Source: OCP 8-bit floating point 1.0; arXiv 2209.05433
  static constexpr FloatFormat fp8_e4m3() { return {4, 3, FloatSpecials::nan_only, true}; }
  /// FP8 with more range: up to 57344. Source: as fp8_e4m3
  static constexpr FloatFormat fp8_e5m2() { return {5, 2, FloatSpecials::infinity_and_nan, true}; }
  /// FP6: up to 7.5. Source: OCP microscaling formats 1.0
  static constexpr FloatFormat fp6_e2m3() { return {2, 3, FloatSpecials::none, true}; }
  /// FP6 with more range: up to 28. Source: as fp6_e2m3
  static constexpr FloatFormat fp6_e3m2() { return {3, 2, FloatSpecials::none, true}; }
  /// FP4: 0, 0.5, 1, 1.5, 2, 3, 4, 6. Source: as fp6_e2m3
  static constexpr FloatFormat fp4_e2m1() { return {2, 1, FloatSpecials::none, true}; }

  /// Text such as "e4m3, specials 1, saturating".
  [[nodiscard]] std::string describe() const {
    return formatted("e{}m{}, specials {}{}", exponent_bits, mantissa_bits, static_cast<int>(specials),
                       saturating ? ", saturating" : "");
  }
  [[nodiscard]] constexpr int bits() const { return 1 + exponent_bits + mantissa_bits; }
  [[nodiscard]] constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  [[nodiscard]] constexpr std::uint32_t sign_bit() const { return 1u << (exponent_bits + mantissa_bits); }
  /// Code of the largest number.
  [[nodiscard]] constexpr std::uint32_t max_code() const {
    if (specials == FloatSpecials::infinity_and_nan) return (((1u << exponent_bits) - 1) << mantissa_bits) - 1;
    return sign_bit() - (specials == FloatSpecials::nan_only ? 2 : 1);
  }
  /// Exponent of the largest number: it is at least 2^max_exponent and less than twice that.
  [[nodiscard]] constexpr int max_exponent() const {
    return static_cast<int>(max_code() >> mantissa_bits) - bias();
  }
  /// Code of NaN; without one, of the lowest number.
  [[nodiscard]] constexpr std::uint32_t nan_code() const {
    if (specials == FloatSpecials::infinity_and_nan) return max_code() + 1 + (1u << (mantissa_bits - 1));
    return specials == FloatSpecials::nan_only ? max_code() + 1 : sign_bit() | max_code();
  }
  /// Code of what is too large.
  [[nodiscard]] constexpr std::uint32_t overflow_code() const {
    return saturating || specials == FloatSpecials::none ? max_code() : max_code() + 1;
  }
  friend constexpr bool operator==(const FloatFormat&, const FloatFormat&) = default;
};

namespace detail {

/// Magnitude of v as a code of the format, as if there were room above the largest number: what is too large gives a
/// larger code than max_code, infinity and NaN too.
template <FloatFormat F>
[[gnu::always_inline]] inline std::uint32_t unbounded_float_code(float v) {
  constexpr int m = F.mantissa_bits;
  std::uint32_t bits = std::bit_cast<std::uint32_t>(v) & 0x7fffffffu;
  if constexpr (F.exponent_bits == 8) {
    // The same exponents as float: dropping bits is all, subnormal numbers included.
    constexpr int dropped = 23 - m;
    return (bits + ((1u << (dropped - 1)) - 1) + ((bits >> dropped) & 1u)) >> dropped;
  } else {
    constexpr std::int32_t lowest = 127 - F.bias() + 1;  // exponent field of the smallest normal number, in float
    constexpr std::uint32_t limit = static_cast<std::uint32_t>(127 + F.max_exponent() + 2) << 23;
    bits = bits < limit ? bits : limit;
    std::int32_t exponent = static_cast<std::int32_t>(bits >> 23);
    exponent = exponent > lowest ? exponent : lowest;
    // Steps of the last mantissa bit. The product with a power of two is exact, contracted or not.
    const float inverse = std::bit_cast<float>(static_cast<std::uint32_t>(254 + m - exponent) << 23);
    const float steps = round_half_even_small(std::bit_cast<float>(bits) * inverse);
    return (static_cast<std::uint32_t>(exponent - lowest) << m) +
           static_cast<std::uint32_t>(static_cast<std::int32_t>(steps));
  }
}

/// Code of v whose unbounded code is given.
template <FloatFormat F>
[[gnu::always_inline]] inline std::uint32_t bounded_float_code(float v, std::uint32_t unbounded) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(v);
  const std::uint32_t sign = bits >> 31 << (F.exponent_bits + F.mantissa_bits);
  const std::uint32_t magnitude = unbounded > F.max_code() ? F.overflow_code() : unbounded;
  const std::uint32_t code = sign | magnitude;
  return (bits & 0x7fffffffu) > 0x7f800000u ? sign | F.nan_code() : code;
}

}  // namespace detail

/// Rounds a number to a format.
/// Formula:   math.md 81. NaN gives the NaN of its sign, or, in a format without, the lowest number
/// Rounding:  half to even, subnormal numbers included
template <FloatFormat F>
[[gnu::always_inline]] inline std::uint32_t to_float_code(float v) {
  return detail::bounded_float_code<F>(v, detail::unbounded_float_code<F>(v));
}

/// The number that a code of a format stands for; exact.
template <FloatFormat F>
[[gnu::always_inline]] inline float from_float_code(std::uint32_t code) {
  constexpr int m = F.mantissa_bits;
  constexpr std::uint32_t exponent_mask = (1u << F.exponent_bits) - 1;
  const std::uint32_t exponent = (code >> m) & exponent_mask;
  const std::uint32_t mantissa = code & ((1u << m) - 1);
  // Masks instead of selects, which compilers turn into branches.
  std::uint32_t bits = 0;
  if constexpr (F.exponent_bits == 8) {
    bits = (code & (F.sign_bit() - 1)) << (23 - m);
  } else {
    // A subnormal number is what the smallest normal exponent with this mantissa has above 1; exact.
    constexpr std::uint32_t lowest = static_cast<std::uint32_t>(127 + 1 - F.bias()) << 23;
    const std::uint32_t is_subnormal = 0u - static_cast<std::uint32_t>(exponent == 0);
    const std::uint32_t normal = (exponent << 23) + (lowest - (1u << 23) + (is_subnormal & (1u << 23)));
    const float one = std::bit_cast<float>(lowest & is_subnormal);
    bits = std::bit_cast<std::uint32_t>(std::bit_cast<float>(normal | mantissa << (23 - m)) - one);
    if constexpr (F.specials == FloatSpecials::infinity_and_nan) {
      bits |= (0u - static_cast<std::uint32_t>(exponent == exponent_mask)) & 0x7f800000u;
    }
  }
  if constexpr (F.specials == FloatSpecials::nan_only) {
    const bool is_nan = (code & (F.sign_bit() - 1)) == F.nan_code();
    bits |= (0u - static_cast<std::uint32_t>(is_nan)) & 0x7fc00000u;
  }
  return std::bit_cast<float>(bits | (code >> (F.exponent_bits + m) & 1u) << 31);
}

/// The largest number of a format.
template <FloatFormat F>
inline float max_value() {
  return from_float_code<F>(F.max_code());
}

}  // namespace stet
