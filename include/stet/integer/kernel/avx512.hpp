#pragma once
// Int8 product with AVX-512 where VNNI is missing: operands and weights widened to int16, whose pair sums (vpmaddwd) are
// exact in int32.

#include <stet/core/isa.hpp>
#include <stet/integer/kernel/packed.hpp>
#include <stet/integer/kernel/row_tiles.hpp>

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>
#include <cstring>

STET_TARGET_BEGIN(STET_TARGET_AVX512)

namespace stet::kernel::implementation::avx512 {

namespace detail {

inline constexpr __mmask32 all_words = 0xffffffff;

// Four operands as int16, repeated for eight outputs.
inline __m512i broadcast(const std::uint8_t* x) {
  std::int32_t four;
  std::memcpy(&four, x, 4);
  return _mm512_maskz_broadcastq_epi64(0xff, _mm_cvtepu8_epi16(_mm_cvtsi32_si128(four)));
}

// Rows [row, row+R) with a panel of 16 outputs. Each sum holds eight outputs as pairs: taps 0 and 1, taps 2 and 3.
template <int R>
inline void tile(const Operands& a, std::int64_t row, const std::int8_t* w, const std::int32_t* start, std::int32_t* acc,
                 std::int64_t stride, std::int64_t columns) {
  __m512i sum[static_cast<std::size_t>(R)][2];
  for (auto& row_sums : sum) row_sums[0] = row_sums[1] = _mm512_setzero_si512();
  for (std::int64_t s = 0; s < a.segments; ++s) {
    const std::uint8_t* x[static_cast<std::size_t>(R)];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) x[r] = a.rows[row + r] + a.offsets[s];
    for (std::int64_t g = 0; g < a.groups; ++g, w += panel_outputs * group_taps) {
      __m512i v[2];
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        v[h] = _mm512_maskz_cvtepi8_epi16(all_words, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + 32 * h)));
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const __m512i operand = broadcast(x[r] + g * group_taps);
        sum[r][0] = _mm512_add_epi32(sum[r][0], _mm512_madd_epi16(operand, v[0]));
        sum[r][1] = _mm512_add_epi32(sum[r][1], _mm512_madd_epi16(operand, v[1]));
      }
    }
  }
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  const __m512i first = _mm512_loadu_si512(start);
  const auto mask = static_cast<__mmask16>((1u << columns) - 1u);
  for (int r = 0; r < R; ++r) {
    const __m512i pairs = _mm512_add_epi32(_mm512_permutex2var_epi32(sum[r][0], even, sum[r][1]),
                                           _mm512_permutex2var_epi32(sum[r][0], odd, sum[r][1]));
    _mm512_mask_storeu_epi32(acc + (row + r) * stride, mask, _mm512_add_epi32(pairs, first));
  }
}

}  // namespace detail

/// Accumulators of all rows with all panels; see portable::product.
inline void product(const Operands& a, const PackedWeights& w, const std::int32_t* start, std::int32_t* acc,
                    std::int64_t stride) {
  product_by_tiles(a, w, start, acc, stride, {{8, detail::tile<8>}, {2, detail::tile<2>}, {1, detail::tile<1>}});
}

}  // namespace stet::kernel::implementation::avx512

STET_TARGET_END

#endif
