#pragma once
// Int8 product with AVX2: operands and weights widened to int16, whose pair sums (vpmaddwd) are exact in int32.

#include <stet/core/isa.hpp>
#include <stet/integer/kernel/packed.hpp>
#include <stet/integer/kernel/row_tiles.hpp>

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>
#include <cstring>

STET_TARGET_BEGIN(STET_TARGET_AVX2)

namespace stet::kernel::implementation::avx2 {

namespace detail {

// Four operands as int16, repeated for four outputs.
inline __m256i broadcast(const std::uint8_t* x) {
  std::int32_t four;
  std::memcpy(&four, x, 4);
  return _mm256_cvtepu8_epi16(_mm_set1_epi32(four));
}

// Rows [0, R) with a panel of 16 outputs. Each sum holds four outputs as pairs: taps 0 and 1, taps 2 and 3.
template <int R>
inline void tile(const Operands& a, std::int64_t row, const std::int8_t* w, const std::int32_t* start,
                 std::int32_t* acc, std::int64_t stride, std::int64_t columns) {
  __m256i sum[static_cast<std::size_t>(R)][4];
  for (auto& row_sums : sum) {
    for (auto& s : row_sums) s = _mm256_setzero_si256();
  }
  for (std::int64_t s = 0; s < a.segments; ++s) {
    const std::uint8_t* x[static_cast<std::size_t>(R)];
    for (int r = 0; r < R; ++r) x[r] = a.rows[row + r] + a.offsets[s];
    for (std::int64_t g = 0; g < a.groups; ++g, w += panel_outputs * group_taps) {
      __m256i operand[static_cast<std::size_t>(R)];
      for (int r = 0; r < R; ++r) operand[r] = broadcast(x[r] + g * group_taps);
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) {
        const __m256i v = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 16 * q)));
#pragma GCC unroll 3
        for (int r = 0; r < R; ++r) sum[r][q] = _mm256_add_epi32(sum[r][q], _mm256_madd_epi16(operand[r], v));
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    // hadd works within 128-bit lanes: outputs come as 0 1 4 5 2 3 6 7.
    alignas(32) std::int32_t out[panel_outputs];
    for (int h = 0; h < 2; ++h) {
      const __m256i eight = _mm256_permute4x64_epi64(_mm256_hadd_epi32(sum[r][2 * h], sum[r][2 * h + 1]), 0b11011000);
      const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(start + 8 * h));
      _mm256_store_si256(reinterpret_cast<__m256i*>(out + 8 * h), _mm256_add_epi32(eight, first));
    }
    std::memcpy(acc + (row + r) * stride, out, static_cast<std::size_t>(columns) * sizeof(std::int32_t));
  }
}

}  // namespace detail

/// Accumulators of all rows with all panels; see portable::product.
inline void product(const Operands& a, const PackedWeights& w, const std::int32_t* start, std::int32_t* acc,
                    std::int64_t stride) {
  product_by_tiles(a, w, start, acc, stride, {{3, detail::tile<3>}, {1, detail::tile<1>}});
}

}  // namespace stet::kernel::implementation::avx2

STET_TARGET_END

#endif
