#pragma once
// Steps of element-wise operators on blocks of 32 elements: what comes before the requantization steps of blocks.hpp.

#include <stet/integer/kernel/blocks.hpp>
#include <stet/integer/kernel/isa.hpp>

#include <cstdint>

#if defined(STET_INTEGER_VNNI)
#include <immintrin.h>
#endif

namespace stet::kernel {

namespace implementation::portable {

/// k * q[j] + c.
inline void affine(const std::int8_t* __restrict q, std::int32_t k, std::int32_t c, Block32& __restrict y) {
  for (int j = 0; j < block_elements; ++j) y.value[j] = k * q[j] + c;
}

/// a[j] + b[j].
inline void plus(const Block32& a, const Block32& b, Block32& __restrict y) {
  for (int j = 0; j < block_elements; ++j) y.value[j] = a.value[j] + b.value[j];
}

/// a[j] - b[j].
inline void minus(const Block32& a, const Block32& b, Block32& __restrict y) {
  for (int j = 0; j < block_elements; ++j) y.value[j] = a.value[j] - b.value[j];
}

/// a[j] * b[j].
inline void times(const Block32& a, const Block32& b, Block32& __restrict y) {
  for (int j = 0; j < block_elements; ++j) y.value[j] = a.value[j] * b.value[j];
}

/// (x[j] + 2^(shift-1)) >> shift: rounded half up; shift at least 1.
inline void shift_half_up(const Block32& x, int shift, Block32& __restrict y) {
  const std::int32_t half = 1 << (shift - 1);
  for (int j = 0; j < block_elements; ++j) y.value[j] = (x.value[j] + half) >> shift;
}

}  // namespace implementation::portable

// The compilers vectorize these for AVX2 and SSE2.
namespace implementation::avx2 {
using portable::affine;
using portable::minus;
using portable::plus;
using portable::shift_half_up;
using portable::times;
}  // namespace implementation::avx2
namespace implementation::sse2 {
using portable::affine;
using portable::minus;
using portable::plus;
using portable::shift_half_up;
using portable::times;
}  // namespace implementation::sse2

#if defined(STET_INTEGER_VNNI)

namespace implementation::avx512vnni {

// Blocks are written and read as whole 512-bit vectors here too: mixed widths would defeat store forwarding.

template <class F>
[[gnu::always_inline]] inline void vectors(const Block32& a, const Block32& b, Block32& y, F&& f) {
  for (int j = 0; j < block_elements; j += 16) {
    _mm512_store_si512(y.value + j, f(_mm512_load_si512(a.value + j), _mm512_load_si512(b.value + j)));
  }
}

inline void affine(const std::int8_t* q, std::int32_t k, std::int32_t c, Block32& y) {
  const __m512i factor = _mm512_set1_epi32(k), constant = _mm512_set1_epi32(c);
  for (int j = 0; j < block_elements; j += 16) {
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(q + j));
    const __m512i wide = _mm512_maskz_cvtepi8_epi32(0xffff, codes);
    _mm512_store_si512(y.value + j, _mm512_add_epi32(_mm512_mullo_epi32(wide, factor), constant));
  }
}
inline void plus(const Block32& a, const Block32& b, Block32& y) {
  vectors(a, b, y, [](__m512i u, __m512i v) { return _mm512_add_epi32(u, v); });
}
inline void minus(const Block32& a, const Block32& b, Block32& y) {
  vectors(a, b, y, [](__m512i u, __m512i v) { return _mm512_sub_epi32(u, v); });
}
inline void times(const Block32& a, const Block32& b, Block32& y) {
  vectors(a, b, y, [](__m512i u, __m512i v) { return _mm512_mullo_epi32(u, v); });
}
inline void shift_half_up(const Block32& x, int shift, Block32& y) {
  const __m512i half = _mm512_set1_epi32(1 << (shift - 1)), count = _mm512_set1_epi32(shift);
  vectors(x, x, y,
          [&](__m512i u, __m512i) { return _mm512_maskz_srav_epi32(0xffff, _mm512_add_epi32(u, half), count); });
}

}  // namespace implementation::avx512vnni

#endif

}  // namespace stet::kernel
