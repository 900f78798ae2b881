#pragma once
// Sigmoid and tanh in 32-bit fixed point, as microcontrollers compute them: every operation rounds as gemmlowp's does.
// A number with i integer bits is raw * 2^(i-31).

#include <stet/integer/multiplier.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace stet::integer::fixed_point {

/// The largest raw number, which stands for one where there are no integer bits.
inline constexpr std::int32_t one = std::numeric_limits<std::int32_t>::max();

/// Product; its integer bits are the sum of those of the factors.
constexpr std::int32_t times(std::int32_t a, std::int32_t b) {
  return saturating_rounding_doubling_high_multiply(a, b);
}

/// a * 2^bits, saturated: fewer integer bits for the same number.
constexpr std::int32_t fewer_integer_bits(std::int32_t a, int bits) {
  const std::int64_t wide = std::int64_t{a} * (std::int64_t{1} << bits);
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(wide, std::numeric_limits<std::int32_t>::min(), one));
}

/// exp(a) for -1/4 <= a < 0, all without integer bits.
/// Formula:   exp(-1/8) * (1 + x + x^2/2 + x^3/6 + x^4/24), x = a + 1/8
/// Source:    gemmlowp fixedpoint/fixedpoint.h, exp_on_interval_between_negative_one_quarter_and_0_excl
constexpr std::int32_t exp_near_zero(std::int32_t a) {
  constexpr std::int32_t exp_eighth = 1895147668, third = 715827883;
  const std::int32_t x = a + (1 << 28);
  const std::int32_t x2 = times(x, x), x3 = times(x2, x), x4 = times(x2, x2);
  const std::int32_t cubic = times(rounding_divide_by_power_of_two(x4, 2) + x3, third);  // x^4/12 + x^3/3
  const std::int32_t series = x + rounding_divide_by_power_of_two(cubic + x2, 1);
  return exp_eighth + times(exp_eighth, series);
}

/// exp(a) for a <= 0 with 4 or 5 integer bits, without integer bits.
/// Formula:   exp of the part in [-1/4, 0), times exp(-2^k) for each bit 2^k of the rest, k = -2 ... integer_bits - 1
/// Source:    gemmlowp fixedpoint/fixedpoint.h, exp_on_negative_values
constexpr std::int32_t exp_negative(std::int32_t a, int integer_bits) {
  if (a == 0) return one;
  constexpr std::array<std::int32_t, 7> exp_of_bit{1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  const int fraction = 31 - integer_bits;
  const std::int32_t quarter = 1 << (fraction - 2);
  const std::int32_t low = (a & (quarter - 1)) - quarter;
  std::int32_t y = exp_near_zero(fewer_integer_bits(low, integer_bits));
  const std::int32_t rest = low - a;
  for (int k = -2; k < integer_bits; ++k) {
    if ((rest >> (fraction + k) & 1) != 0) y = times(y, exp_of_bit[static_cast<std::size_t>(k + 2)]);
  }
  return y;
}

/// 2/(1 + a) with 2 integer bits, for 0 <= a <= 1 without integer bits: three Newton steps from 48/17 - 32/17 * d.
/// Source:    gemmlowp fixedpoint/fixedpoint.h, one_over_one_plus_x_for_x_in_0_1
constexpr std::int32_t twice_reciprocal(std::int32_t a) {
  const auto half_denominator = static_cast<std::int32_t>((std::int64_t{a} + one + 1) / 2);
  std::int32_t x = 1515870810 + times(half_denominator, -1010580540);
  for (int i = 0; i < 3; ++i) {
    const std::int32_t error = (1 << 29) - times(half_denominator, x);
    x += fewer_integer_bits(times(x, error), 2);
  }
  return x;
}

/// 1/(1 + exp(-a)) without integer bits, for a with 4 integer bits.
/// Source:    gemmlowp fixedpoint/fixedpoint.h, logistic
constexpr std::int32_t sigmoid(std::int32_t a) {
  if (a == 0) return 1 << 30;
  const std::int32_t positive = fewer_integer_bits(twice_reciprocal(exp_negative(a > 0 ? -a : a, 4)), 1);
  return a > 0 ? positive : one - positive;
}

/// tanh(a) without integer bits, for a with 4 integer bits.
/// Formula:   (1 - e)/(1 + e) = 2/(1 + e) - 1, e = exp(-2|a|)
/// Source:    gemmlowp fixedpoint/fixedpoint.h, tanh
constexpr std::int32_t tanh(std::int32_t a) {
  if (a == 0) return 0;
  const std::int32_t e = exp_negative(a > 0 ? -a : a, 5);  // one more integer bit: twice the number
  const std::int32_t size = fewer_integer_bits(twice_reciprocal(e) - (1 << 29), 2);
  return a > 0 ? size : -size;
}

}  // namespace stet::integer::fixed_point
