#pragma once
// Named roundings, and products that no compiler may contract with what follows.

#include <stet/core/requirements.hpp>

#include <cmath>
#include <cstdint>

namespace stet {

/// Round to nearest, ties to even (the default rounding direction is assumed and never changed by stet).
inline float round_half_even(float x) { return __builtin_rintf(x); }
inline double round_half_even(double x) { return __builtin_rint(x); }

/// Round to nearest, ties away from zero.
inline float round_half_away(float x) { return std::round(x); }
inline double round_half_away(double x) { return std::round(x); }

/// Round to nearest, ties toward plus infinity. Exact: x + 0.5 is never formed, it could round.
inline double round_half_up(double x) {
  const double lower = std::floor(x);
  return x - lower >= 0.5 ? lower + 1.0 : lower;
}
inline float round_half_up(float x) {
  const float lower = std::floor(x);
  return x - lower >= 0.5f ? lower + 1.0f : lower;
}

/// Round half to even for |x| <= 2^22, as two additions that vectorize at every instruction set.
/// The argument must come from a clamp (min/max), never straight from a product: with -march=native a compiler may
/// contract product and addition into one fused operation, which rounds differently. A clamp in between forbids that.
inline float round_half_even_small(float x) { return (x + 12582912.0f) - 12582912.0f; }

/// Product, rounded on its own whatever the flags: a call cannot be contracted into a fused multiply-add. For
/// arithmetic that decides integers, outside of hot loops.
[[gnu::noinline]] inline float rounded_product(float a, float b) { return a * b; }
[[gnu::noinline]] inline double rounded_product(double a, double b) { return a * b; }

}  // namespace stet
