// The register tile of the products of aarch64, for the instructions of the region that includes it; see neon.hpp. Without a
// guard.

#include <stet/core/requirements.hpp>

#if defined(STET_NEON_DOT)

// Rows [row, row+R) with a panel of 16 outputs; STET_NEON_DOT(sum, operands, weights) adds four products to each of four sums.
template <int R>
inline void tile(const Operands& a, std::int64_t row, const std::int8_t* w, const std::int32_t* start, std::int32_t* acc, std::int64_t stride,
                 std::int64_t columns) {
  int32x4_t sum[static_cast<std::size_t>(R)][4];
#pragma GCC unroll 4
  for (auto& row_sums : sum) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) row_sums[v] = vld1q_s32(start + 4 * v);
  }
  for (std::int64_t s = 0; s < a.segments; ++s) {
    const std::uint8_t* x[static_cast<std::size_t>(R)];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) x[r] = a.rows[row + r] + a.offsets[s];
    for (std::int64_t g = 0; g < a.groups; ++g, w += panel_outputs * group_taps) {
      int8x16_t weights[4];
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) weights[v] = vld1q_s8(w + 16 * v);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        std::uint32_t four;
        std::memcpy(&four, x[r] + g * group_taps, 4);
        const uint8x16_t operand = vreinterpretq_u8_u32(vdupq_n_u32(four));
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) sum[r][v] = STET_NEON_DOT(sum[r][v], operand, weights[v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    std::memcpy(acc + (row + r) * stride, &sum[r], static_cast<std::size_t>(columns) * sizeof(std::int32_t));
  }
}

#endif
