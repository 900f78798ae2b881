#pragma once
// Steps of element-wise operators on blocks of 32 elements: what comes before the requantization steps of blocks.hpp.

#include <stet/integer/kernel/blocks.hpp>
#include <stet/integer/kernel/block_set.hpp>

#include <cfloat>
#include <cmath>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stet::kernel {

/// k * q[j] + c.
inline void affine(Portable, const std::int8_t* __restrict q, std::int32_t k, std::int32_t c, Block32& __restrict y) {
  for (int j = 0; j < block_elements; ++j) y.value[j] = k * q[j] + c;
}

/// a[j] + b[j].
inline void plus(Portable, const Block32& a, const Block32& b, Block32& __restrict y) {
  for (int j = 0; j < block_elements; ++j) y.value[j] = a.value[j] + b.value[j];
}

/// a[j] - b[j].
inline void minus(Portable, const Block32& a, const Block32& b, Block32& __restrict y) {
  for (int j = 0; j < block_elements; ++j) y.value[j] = a.value[j] - b.value[j];
}

/// a[j] * b[j].
inline void times(Portable, const Block32& a, const Block32& b, Block32& __restrict y) {
  for (int j = 0; j < block_elements; ++j) y.value[j] = a.value[j] * b.value[j];
}

/// (x[j] + 2^(shift-1)) >> shift: rounded half up; shift at least 1.
inline void shift_half_up(Portable, const Block32& x, int shift, Block32& __restrict y) {
  const std::int32_t half = 1 << (shift - 1);
  for (int j = 0; j < block_elements; ++j) y.value[j] = (x.value[j] + half) >> shift;
}

/// y[j] = round(f) - u, positive[j] = f > u, where f = fma(a[j]+128, k, fma(b[j]+128, l, c)) in float, half to even.
inline void fused_sum(Portable, const std::int8_t* __restrict a, float k, const std::int8_t* __restrict b, float l, float c,
                      float u, Block32& __restrict y, Block32& __restrict positive) {
  const auto zero_point = static_cast<std::int32_t>(u);
  for (int j = 0; j < block_elements; ++j) {
    float f = std::fma(static_cast<float>(a[j] + 128), k, std::fma(static_cast<float>(b[j] + 128), l, c));
    positive.value[j] = f > u ? 1 : 0;
    f = f < -1024.0f ? -1024.0f : f;
    f = f > 1024.0f ? 1024.0f : f;
    y.value[j] = static_cast<std::int32_t>(round_half_even_small(f)) - zero_point;
  }
}

#if defined(__x86_64__)

STET_TARGET_BEGIN(STET_TARGET_AVX512)

// Blocks are written and read as whole 512-bit vectors here too: mixed widths would defeat store forwarding.

inline void affine(Avx512, const std::int8_t* q, std::int32_t k, std::int32_t c, Block32& y) {
  const __m512i factor = _mm512_set1_epi32(k), constant = _mm512_set1_epi32(c);
  for (int j = 0; j < block_elements; j += 16) {
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(q + j));
    const __m512i wide = _mm512_maskz_cvtepi8_epi32(all_lanes, codes);
    _mm512_store_si512(y.value + j, _mm512_add_epi32(_mm512_mullo_epi32(wide, factor), constant));
  }
}
inline void plus(Avx512, const Block32& a, const Block32& b, Block32& y) {
  for (int j = 0; j < block_elements; j += 16) {
    _mm512_store_si512(y.value + j, _mm512_add_epi32(_mm512_load_si512(a.value + j), _mm512_load_si512(b.value + j)));
  }
}
inline void minus(Avx512, const Block32& a, const Block32& b, Block32& y) {
  for (int j = 0; j < block_elements; j += 16) {
    _mm512_store_si512(y.value + j, _mm512_sub_epi32(_mm512_load_si512(a.value + j), _mm512_load_si512(b.value + j)));
  }
}
inline void times(Avx512, const Block32& a, const Block32& b, Block32& y) {
  for (int j = 0; j < block_elements; j += 16) {
    _mm512_store_si512(y.value + j, _mm512_mullo_epi32(_mm512_load_si512(a.value + j), _mm512_load_si512(b.value + j)));
  }
}
inline void shift_half_up(Avx512, const Block32& x, int shift, Block32& y) {
  const __m512i half = _mm512_set1_epi32(1 << (shift - 1)), count = _mm512_set1_epi32(shift);
  for (int j = 0; j < block_elements; j += 16) {
    const __m512i sum = _mm512_add_epi32(_mm512_load_si512(x.value + j), half);
    _mm512_store_si512(y.value + j, _mm512_maskz_srav_epi32(all_lanes, sum, count));
  }
}

// Codes + 128 as floats.
inline __m512 unsigned_reals(const std::int8_t* q) {
  const __m128i codes = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(q)), _mm_set1_epi8(-128));
  return _mm512_maskz_cvtepi32_ps(all_lanes, _mm512_maskz_cvtepu8_epi32(all_lanes, codes));
}

/// The same.
inline void fused_sum(Avx512, const std::int8_t* a, float k, const std::int8_t* b, float l, float c, float u, Block32& y,
                      Block32& positive) {
  const __m512 k1 = _mm512_set1_ps(k), k2 = _mm512_set1_ps(l), offset = _mm512_set1_ps(c), above = _mm512_set1_ps(u);
  const __m512i zero_point = _mm512_set1_epi32(static_cast<std::int32_t>(u));
  for (int j = 0; j < block_elements; j += 16) {
    __m512 f = _mm512_fmadd_ps(unsigned_reals(a + j), k1, _mm512_fmadd_ps(unsigned_reals(b + j), k2, offset));
    const __mmask16 positives = _mm512_cmp_ps_mask(f, above, _CMP_GT_OQ);
    _mm512_store_si512(positive.value + j, _mm512_maskz_set1_epi32(positives, 1));
    f = _mm512_maskz_max_ps(all_lanes, f, _mm512_set1_ps(-1024.0f));
    f = _mm512_maskz_min_ps(all_lanes, f, _mm512_set1_ps(1024.0f));
    const __m512i code = nearest_even(f);
    _mm512_store_si512(y.value + j, _mm512_sub_epi32(code, zero_point));
  }
}

STET_TARGET_END

#endif

/// y[j] = round(t / step), positive[j] = t > 0, where t = k*a[j] + l*b[j]; each operation rounded to float, half to even.
inline void dequantized_sum(const Block32& __restrict a, float k, const Block32& __restrict b, float l, float step,
                            Block32& __restrict y, Block32& __restrict positive) {
  const auto finite = [](float v) {  // keeps product and sum apart, see docs/design.md, Exact bits
    v = v < -FLT_MAX ? -FLT_MAX : v;
    return v > FLT_MAX ? FLT_MAX : v;
  };
  for (int j = 0; j < block_elements; ++j) {
    const float t = finite(k * static_cast<float>(a.value[j])) + finite(l * static_cast<float>(b.value[j]));
    positive.value[j] = t > 0.0f ? 1 : 0;
    float v = t / step;
    v = v < -1024.0f ? -1024.0f : v;
    v = v > 1024.0f ? 1024.0f : v;
    y.value[j] = static_cast<std::int32_t>(round_half_even_small(v));
  }
}

/// y[j] = round(float(x[j])*scale + u) - u; product and sum rounded to float, half to even.
inline void scaled_with_offset(const Block32& __restrict x, float scale, std::int32_t u, Block32& __restrict y) {
  const auto zero_point = static_cast<float>(u);
  for (int j = 0; j < block_elements; ++j) {
    float v = static_cast<float>(x.value[j]) * scale;
    v = v < -1024.0f ? -1024.0f : v;  // keeps product and sum apart
    v = v > 1024.0f ? 1024.0f : v;
    y.value[j] = static_cast<std::int32_t>(round_half_even_small(v + zero_point)) - u;
  }
}

}  // namespace stet::kernel
