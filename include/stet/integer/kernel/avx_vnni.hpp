#pragma once
// Int8 product with AVX-VNNI: vpdpbusd on 256-bit vectors, for machines that have it without AVX-512.

#include <stet/core/isa.hpp>
#include <stet/integer/kernel/packed.hpp>
#include <stet/integer/kernel/row_tiles.hpp>

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>
#include <cstring>

STET_TARGET_BEGIN(STET_TARGET_AVX_VNNI)

namespace stet::kernel::implementation::avx_vnni {

namespace detail {

inline __m256i broadcast(const std::uint8_t* x) {
  std::int32_t four;
  std::memcpy(&four, x, 4);
  return _mm256_set1_epi32(four);
}

inline __m256i eight(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }

// Rows [row, row+R) with a panel of 16 outputs.
template <int R>
inline void tile(const Operands& a, std::int64_t row, const std::int8_t* w, const std::int32_t* start, std::int32_t* acc,
                 std::int64_t stride, std::int64_t columns) {
  __m256i sum[static_cast<std::size_t>(R)][2];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
    sum[r][0] = eight(start);
    sum[r][1] = eight(start + 8);
  }
  for (std::int64_t s = 0; s < a.segments; ++s) {
    const std::uint8_t* x[static_cast<std::size_t>(R)];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) x[r] = a.rows[row + r] + a.offsets[s];
    for (std::int64_t g = 0; g < a.groups; ++g, w += panel_outputs * group_taps) {
      const __m256i low = eight(w), high = eight(w + 32);
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        const __m256i operand = broadcast(x[r] + g * group_taps);
        sum[r][0] = _mm256_dpbusd_avx_epi32(sum[r][0], operand, low);
        sum[r][1] = _mm256_dpbusd_avx_epi32(sum[r][1], operand, high);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    std::memcpy(acc + (row + r) * stride, &sum[r], static_cast<std::size_t>(columns) * sizeof(std::int32_t));
  }
}

}  // namespace detail

/// Accumulators of all rows with all panels; see portable::product.
inline void product(const Operands& a, const PackedWeights& w, const std::int32_t* start, std::int32_t* acc,
                    std::int64_t stride) {
  product_by_tiles(a, w, start, acc, stride, {{6, detail::tile<6>}, {2, detail::tile<2>}, {1, detail::tile<1>}});
}

}  // namespace stet::kernel::implementation::avx_vnni

STET_TARGET_END

#endif
