#pragma once
// Square roots of many numbers. Compilers keep std::sqrt scalar because of errno.

#include <stet/core/entry.hpp>
#include <stet/core/isa.hpp>

#include <cmath>
#include <cstdint>

#if STET_DEFINE_ENTRIES && defined(__x86_64__)
#include <immintrin.h>  // a third of a second for every unit that reads it
#endif

namespace stet {

/// Square roots in place, correctly rounded: the same bits on every instruction set.
STET_ENTRY void square_roots(float* x, std::int64_t n);
inline void square_roots(double* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = std::sqrt(x[i]);
}

#if STET_DEFINE_ENTRIES
namespace detail {

#if defined(__x86_64__)
STET_TARGET_BEGIN(STET_TARGET_AVX512)
inline std::int64_t square_roots_avx512(float* x, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) _mm512_storeu_ps(x + i, _mm512_maskz_sqrt_ps(0xffff, _mm512_loadu_ps(x + i)));
  return i;
}
STET_TARGET_END
STET_TARGET_BEGIN(STET_TARGET_AVX2)
inline std::int64_t square_roots_avx2(float* x, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(x + i, _mm256_sqrt_ps(_mm256_loadu_ps(x + i)));
  return i;
}
STET_TARGET_END
inline std::int64_t square_roots_sse2(float* x, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 4 <= n; i += 4) _mm_storeu_ps(x + i, _mm_sqrt_ps(_mm_loadu_ps(x + i)));
  return i;
}
#endif

}  // namespace detail

STET_ENTRY void square_roots(float* x, std::int64_t n) {
  std::int64_t i = 0;
#if defined(__x86_64__)
  i = isa() >= Isa::avx512 ? detail::square_roots_avx512(x, n)
      : isa() >= Isa::avx2 ? detail::square_roots_avx2(x, n)
                           : detail::square_roots_sse2(x, n);
#endif
  for (; i < n; ++i) x[i] = std::sqrt(x[i]);
}
#endif

}  // namespace stet
