#pragma once
// Steps of requantization on blocks of 32 elements: constant trip counts vectorize at -O2 on every instruction set;
// what compilers do not find (64-bit products of lanes, comparison masks) is written out for AVX-512.

#include <stet/core/bits.hpp>
#include <stet/core/rounding.hpp>
#include <stet/integer/kernel/block_set.hpp>

#include <array>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stet::kernel {

inline constexpr int block_elements = 32;

/// Int32 values of one block.
struct alignas(64) Block32 {
  std::int32_t value[block_elements];
};

/// acc + bias modulo 2^32.
inline void biased(Portable, const std::int32_t* __restrict acc, const std::int32_t* __restrict bias, Block32& __restrict sum) {
  for (int j = 0; j < block_elements; ++j) {
    sum.value[j] = static_cast<std::int32_t>(static_cast<std::uint32_t>(acc[j]) + static_cast<std::uint32_t>(bias[j]));
  }
}

/// float(x[j]) * scale[j], cut to [below, above], rounded half to even.
inline void float_half_even(Portable, const Block32& __restrict x, const float* __restrict scale, float below, float above,
                            Block32& __restrict y) {
  for (int j = 0; j < block_elements; ++j) {
    float v = static_cast<float>(x.value[j]) * scale[j];
    v = v < below ? below : v;
    v = v > above ? above : v;
    y.value[j] = static_cast<std::int32_t>(round_half_even_small(v));
  }
}

/// clamp(v[j], lo, hi) + z as codes.
inline void store_codes(Portable, const Block32& __restrict v, std::int32_t lo, std::int32_t hi, std::int32_t z,
                        std::int8_t* __restrict out) {
  for (int j = 0; j < block_elements; ++j) {
    std::int32_t q = v.value[j];
    q = q < lo ? lo : q;
    q = q > hi ? hi : q;
    out[j] = static_cast<std::int8_t>(q + z);
  }
}

/// float_half_even and store_codes of acc + bias at once: what is cut to [below, above] is rounded and moved by z, so the limits
/// must be whole numbers, lo - z and hi - z.
inline void codes_half_even(Portable set, const std::int32_t* acc, const std::int32_t* bias, const float* scale, float below, float above,
                            std::int32_t z, std::int8_t* out) {
  Block32 sum, v;
  biased(set, acc, bias, sum);
  float_half_even(set, sum, scale, below, above, v);
  store_codes(set, v, static_cast<std::int32_t>(below), static_cast<std::int32_t>(above), z, out);
}

/// x[j] * multiplier[j] * 2^(shift[j]-31), rounded half up, then half away from zero; multipliers must not be negative.
inline void double_rounding(Portable, const Block32& x, const std::int32_t* __restrict multiplier,
                            const std::int32_t* __restrict shift, Block32& __restrict y) {
  for (int j = 0; j < block_elements; ++j) {
    const std::int32_t left = shift[j] > 0 ? shift[j] : 0;
    const std::int32_t right = left - shift[j];
    const auto shifted = static_cast<std::int32_t>(static_cast<std::uint32_t>(x.value[j]) << left);
    const std::int64_t product = static_cast<std::int64_t>(shifted) * multiplier[j];
    const auto h = static_cast<std::int32_t>((product + (std::int64_t{1} << 30)) >> 31);
    const auto mask = static_cast<std::int32_t>((1u << right) - 1u);
    const std::int32_t threshold = (mask >> 1) + (h < 0 ? 1 : 0);
    y.value[j] = (h >> right) + ((h & mask) > threshold ? 1 : 0);
  }
}

/// One bit per element: lo <= v[j] <= hi and sum[j] >= least.
inline std::uint32_t within(Portable, const Block32& v, const Block32& sum, std::int32_t lo, std::int32_t hi,
                            std::int32_t least) {
  std::array<std::uint8_t, block_elements> flags;
  for (std::size_t j = 0; j < block_elements; ++j) {
    const std::int32_t inside = static_cast<std::int32_t>(v.value[j] >= lo) &
                                static_cast<std::int32_t>(v.value[j] <= hi) &
                                static_cast<std::int32_t>(sum.value[j] >= least);
    flags[j] = static_cast<std::uint8_t>(inside);
  }
  return pack_bits(flags.data());
}

#if defined(__x86_64__)

STET_TARGET_BEGIN(STET_TARGET_AVX2)

/// The same.
inline void double_rounding(Avx2, const Block32& x, const std::int32_t* multiplier, const std::int32_t* shift, Block32& y) {
  const __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi32(1), half = _mm256_set1_epi64x(1 << 30);
  for (int j = 0; j < block_elements; j += 8) {
    const __m256i e = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(shift + j));
    const __m256i m = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(multiplier + j));
    const __m256i left = _mm256_max_epi32(e, zero), right = _mm256_sub_epi32(left, e);
    const __m256i v = _mm256_sllv_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(x.value + j)), left);
    // Products of even and odd lanes; bits 31 to 62 of each sum are the rounded high half.
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(v, m), half);
    const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(v, 32), _mm256_srli_epi64(m, 32)), half);
    const __m256i h = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
    const __m256i mask = _mm256_sub_epi32(_mm256_sllv_epi32(one, right), one);
    const __m256i threshold = _mm256_add_epi32(_mm256_srli_epi32(mask, 1), _mm256_srli_epi32(h, 31));
    const __m256i up = _mm256_cmpgt_epi32(_mm256_and_si256(h, mask), threshold);  // -1 where true
    const __m256i q = _mm256_sub_epi32(_mm256_srav_epi32(h, right), up);
    _mm256_store_si256(reinterpret_cast<__m256i*>(y.value + j), q);
  }
}

STET_TARGET_END

STET_TARGET_BEGIN(STET_TARGET_AVX512)

// The masked forms with all lanes on are the plain ones; g++ 12 warns wrongly about the plain ones in its own header.
// Without optimization some are macros that pass the mask on as a signed 16-bit number, so it is no literal.
inline constexpr __mmask16 all_lanes = 0xffff;

/// To the nearest integer, half to even. In a function of its own because of that macro.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
inline __m512i nearest_even(__m512 v) {
  return _mm512_maskz_cvt_roundps_epi32(all_lanes, v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
#pragma GCC diagnostic pop
/// float(sum) * scale, cut to [low, high], to the nearest integer, half to even.
inline __m512i half_even(__m512i sum, const float* scale, __m512 low, __m512 high) {
  const __m512 v = _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(all_lanes, sum), _mm512_loadu_ps(scale));
  return nearest_even(_mm512_maskz_min_ps(all_lanes, _mm512_maskz_max_ps(all_lanes, v, low), high));
}
/// Codes of what half_even gives: + zero point, which must fit.
inline __m128i codes_of(__m512i rounded, __m512i zero_point) {
  return _mm512_maskz_cvtepi32_epi8(all_lanes, _mm512_add_epi32(rounded, zero_point));
}

/// The same.
inline void biased(Avx512, const std::int32_t* acc, const std::int32_t* bias, Block32& sum) {
  for (int j = 0; j < block_elements; j += 16) {
    _mm512_store_si512(sum.value + j, _mm512_add_epi32(_mm512_loadu_si512(acc + j), _mm512_loadu_si512(bias + j)));
  }
}

/// The same.
inline void float_half_even(Avx512, const Block32& x, const float* scale, float below, float above, Block32& y) {
  const __m512 low = _mm512_set1_ps(below), high = _mm512_set1_ps(above);
  for (int j = 0; j < block_elements; j += 16) {
    _mm512_store_si512(y.value + j, half_even(_mm512_load_si512(x.value + j), scale + j, low, high));
  }
}

/// The same.
inline void store_codes(Avx512, const Block32& v, std::int32_t lo, std::int32_t hi, std::int32_t z, std::int8_t* out) {
  const __m512i low = _mm512_set1_epi32(lo), high = _mm512_set1_epi32(hi), zero_point = _mm512_set1_epi32(z);
  for (int j = 0; j < block_elements; j += 16) {
    __m512i q = _mm512_maskz_max_epi32(all_lanes, _mm512_load_si512(v.value + j), low);
    q = _mm512_maskz_min_epi32(all_lanes, q, high);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + j), codes_of(q, zero_point));
  }
}

/// The same.
inline void codes_half_even(Avx512, const std::int32_t* acc, const std::int32_t* bias, const float* scale, float below, float above,
                            std::int32_t z, std::int8_t* out) {
  const __m512 low = _mm512_set1_ps(below), high = _mm512_set1_ps(above);
  const __m512i zero_point = _mm512_set1_epi32(z);
  for (int j = 0; j < block_elements; j += 16) {
    const __m512i sum = _mm512_add_epi32(_mm512_loadu_si512(acc + j), _mm512_loadu_si512(bias + j));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + j), codes_of(half_even(sum, scale + j, low, high), zero_point));
  }
}

/// The same.
inline void double_rounding(Avx512, const Block32& x, const std::int32_t* multiplier, const std::int32_t* shift, Block32& y) {
  const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi32(1), half = _mm512_set1_epi64(1 << 30);
  for (int j = 0; j < block_elements; j += 16) {
    const __m512i e = _mm512_loadu_si512(shift + j), m = _mm512_loadu_si512(multiplier + j);
    const __m512i left = _mm512_maskz_max_epi32(all_lanes, e, zero), right = _mm512_sub_epi32(left, e);
    const __m512i v = _mm512_maskz_sllv_epi32(all_lanes, _mm512_load_si512(x.value + j), left);
    // Products of even and odd lanes; bits 31 to 62 of each sum are the rounded high half.
    const __m512i even = _mm512_add_epi64(_mm512_maskz_mul_epi32(0xff, v, m), half);
    const __m512i odd = _mm512_add_epi64(
        _mm512_maskz_mul_epi32(0xff, _mm512_maskz_srli_epi64(0xff, v, 32), _mm512_maskz_srli_epi64(0xff, m, 32)), half);
    const __m512i h =
        _mm512_mask_blend_epi32(0xaaaa, _mm512_maskz_srli_epi64(0xff, even, 31), _mm512_maskz_slli_epi64(0xff, odd, 1));
    const __m512i mask = _mm512_sub_epi32(_mm512_maskz_sllv_epi32(all_lanes, one, right), one);
    const __m512i threshold =
        _mm512_add_epi32(_mm512_maskz_srli_epi32(all_lanes, mask, 1), _mm512_maskz_srli_epi32(all_lanes, h, 31));
    const __mmask16 up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(h, mask), threshold);
    const __m512i q = _mm512_maskz_srav_epi32(all_lanes, h, right);
    _mm512_store_si512(y.value + j, _mm512_mask_add_epi32(q, up, q, one));
  }
}

/// The same.
inline std::uint32_t within(Avx512, const Block32& v, const Block32& sum, std::int32_t lo, std::int32_t hi,
                            std::int32_t least) {
  const __m512i low = _mm512_set1_epi32(lo), high = _mm512_set1_epi32(hi), floor = _mm512_set1_epi32(least);
  std::uint32_t word = 0;
  for (int j = 0; j < block_elements; j += 16) {
    const __m512i value = _mm512_load_si512(v.value + j);
    const __mmask16 from = _mm512_cmpge_epi32_mask(value, low);
    const __mmask16 to = _mm512_mask_cmple_epi32_mask(from, value, high);
    word |= std::uint32_t{_mm512_mask_cmpge_epi32_mask(to, _mm512_load_si512(sum.value + j), floor)} << j;
  }
  return word;
}

STET_TARGET_END

#endif

/// double(x[j]) * factor[j], cut to [below, above] (small integers), rounded half away from zero.
inline void double_half_away(const Block32& __restrict x, const double* __restrict factor, double below, double above,
                             Block32& __restrict y) {
  double rounded[block_elements];
  for (int j = 0; j < block_elements; ++j) {
    double v = static_cast<double>(x.value[j]) * factor[j];
    v = v < below ? below : v;
    v = v > above ? above : v;
    const double even = (v + 0x1.8p52) - 0x1.8p52;  // half to even; the clamp keeps product and sum apart
    const double part = v - even;                   // exact
    const double up = ((part == 0.5) & (v > 0.0)) ? 1.0 : 0.0;
    const double down = ((part == -0.5) & (v < 0.0)) ? 1.0 : 0.0;
    rounded[j] = even + up - down;
  }
  for (int j = 0; j < block_elements; ++j) y.value[j] = static_cast<std::int32_t>(rounded[j]);
}

}  // namespace stet::kernel
