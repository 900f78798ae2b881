#pragma once
// Kernels of C programs that round: the multipliers of integer/multiplier.hpp and the roundings of the float rules.

#include <stet/core/requirements.hpp>
#include <stet/io/c/kernel/kernel.hpp>

namespace stet::c {

/// Every one computes what its namesake of the engine computes; no product is left for a compiler to fuse with a sum.
inline constexpr Kernel arithmetic_kernels[] = {
    {"cut", "", R"(
/* x between two codes. */
static inline int8_t stet_cut(int32_t x, int32_t low, int32_t high) {
  return (int8_t)(x < low ? low : x > high ? high : x);
}
)"},
    {"scaled", "", R"(
/* x * multiplier * 2^(shift - 31), rounded twice: the product half up, its shift to the right half away from zero.
   Right shifts of negative numbers fill with the sign, as all compilers for microcontrollers do. */
static inline int32_t stet_scaled(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
  const int64_t product = (int64_t)x * ((int64_t)1 << left) * multiplier;
  const int32_t high = (int32_t)((product + ((int64_t)1 << 30)) >> 31);
  const int32_t mask = (int32_t)(((int64_t)1 << right) - 1);
  const int32_t threshold = (mask >> 1) + (high < 0 ? 1 : 0);
  return (high >> right) + ((high & mask) > threshold ? 1 : 0);
}
)"},
    {"stored", "", R"(
/* x as a float of its own: no compiler may carry more digits of it into the next operation. */
static inline float stet_stored(float x) {
  const volatile float y = x;
  return y;
}
)"},
    {"half_even", "", R"(
/* The nearest integer of a number below 2^22, half to even. */
static inline int32_t stet_half_even(float x) {
  const int32_t whole = (int32_t)x;
  const float part = x - (float)whole;
  const int32_t odd = whole & 1;
  return whole + (part > 0.5f || (part >= 0.5f && odd) ? 1 : 0) - (part < -0.5f || (part <= -0.5f && odd) ? 1 : 0);
}
)"},
    {"scaled_float", "stored half_even", R"(
/* x * factor in float, between two integers, rounded half to even. */
static inline int32_t stet_scaled_float(int32_t x, float factor, int32_t low, int32_t high) {
  const float y = stet_stored((float)x * factor);
  return stet_half_even(y < (float)low ? (float)low : y > (float)high ? (float)high : y);
}
)"},
    {"scaled_double", "", R"(
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD == 2
#error "the products of this program must be rounded to double: on x86 compile with -msse2 -mfpmath=sse"
#endif
/* x * factor in double, between two integers, rounded half away from zero. */
static inline int32_t stet_scaled_double(int32_t x, double factor, int32_t low, int32_t high) {
  const volatile double product = (double)x * factor; /* volatile: as in stet_stored */
  const double all = product;
  const double y = all < (double)low ? (double)low : all > (double)high ? (double)high : all;
  const int32_t whole = (int32_t)y;
  const double part = y - (double)whole;
  return whole + (part >= 0.5 ? 1 : 0) - (part <= -0.5 ? 1 : 0);
}
)"},
};

}  // namespace stet::c
