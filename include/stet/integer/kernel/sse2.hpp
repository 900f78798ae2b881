#pragma once
// Int8 product with SSE2, which every x86-64 has: operands and weights widened to int16, exact pair sums (pmaddwd).

#include <stet/integer/kernel/packed.hpp>

#if defined(__SSE2__)

#include <emmintrin.h>

#include <cstdint>
#include <cstring>

namespace stet::kernel::implementation::sse2 {

namespace detail {

// Four operands as int16, repeated for two outputs.
inline __m128i broadcast(const std::uint8_t* x) {
  std::int32_t four;
  std::memcpy(&four, x, 4);
  return _mm_unpacklo_epi8(_mm_set1_epi32(four), _mm_setzero_si128());
}

// Rows [row, row+R) with eight outputs of a panel. Each sum holds two outputs as pairs: taps 0 and 1, taps 2 and 3.
template <int R>
inline void tile(const Operands& a, std::int64_t row, const std::int8_t* w, const std::int32_t* start,
                 std::int32_t* acc, std::int64_t stride, std::int64_t columns) {
  __m128i sum[static_cast<std::size_t>(R)][4];
  for (auto& row_sums : sum) {
    for (auto& s : row_sums) s = _mm_setzero_si128();
  }
  for (std::int64_t s = 0; s < a.segments; ++s) {
    const std::uint8_t* x[static_cast<std::size_t>(R)];
    for (int r = 0; r < R; ++r) x[r] = a.rows[row + r] + a.offsets[s];
    for (std::int64_t g = 0; g < a.groups; ++g, w += panel_outputs * group_taps) {
      __m128i operand[static_cast<std::size_t>(R)];
      for (int r = 0; r < R; ++r) operand[r] = broadcast(x[r] + g * group_taps);
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 16 * h));
        // A byte in the upper half of a word, shifted down with its sign.
        const __m128i low = _mm_srai_epi16(_mm_unpacklo_epi8(v, v), 8),
                      high = _mm_srai_epi16(_mm_unpackhi_epi8(v, v), 8);
#pragma GCC unroll 2
        for (int r = 0; r < R; ++r) {
          sum[r][2 * h] = _mm_add_epi32(sum[r][2 * h], _mm_madd_epi16(operand[r], low));
          sum[r][2 * h + 1] = _mm_add_epi32(sum[r][2 * h + 1], _mm_madd_epi16(operand[r], high));
        }
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    alignas(16) std::int32_t out[8];
    for (int h = 0; h < 2; ++h) {
      const __m128 low = _mm_castsi128_ps(sum[r][2 * h]), high = _mm_castsi128_ps(sum[r][2 * h + 1]);
      const __m128i even = _mm_castps_si128(_mm_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0)));
      const __m128i odd = _mm_castps_si128(_mm_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 3, 1)));
      const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(start + 4 * h));
      _mm_store_si128(reinterpret_cast<__m128i*>(out + 4 * h), _mm_add_epi32(_mm_add_epi32(even, odd), first));
    }
    std::memcpy(acc + (row + r) * stride, out, static_cast<std::size_t>(columns) * sizeof(std::int32_t));
  }
}

}  // namespace detail

/// Accumulators of all rows with all panels; see portable::product.
inline void product(const Operands& a, const PackedWeights& w, const std::int32_t* start, std::int32_t* acc,
                    std::int64_t stride) {
  for (std::int64_t first = 0; first < w.outputs(); first += 8) {
    const std::int8_t* half = w.panel(first / panel_outputs) + first % panel_outputs * group_taps;
    const std::int64_t columns = w.outputs() - first < 8 ? w.outputs() - first : 8;
    std::int64_t row = 0;
    for (; row + 2 <= a.count; row += 2) detail::tile<2>(a, row, half, start + first, acc + first, stride, columns);
    if (row < a.count) detail::tile<1>(a, row, half, start + first, acc + first, stride, columns);
  }
}

}  // namespace stet::kernel::implementation::sse2

#endif
