#pragma once
// Int8 product with AVX-512 VNNI: vpdpbusd multiplies unsigned operands by signed weights and sums four products
// exactly.

#include <stet/core/isa.hpp>
#include <stet/integer/kernel/blocks.hpp>
#include <stet/integer/kernel/codes_tail.hpp>
#include <stet/integer/kernel/packed.hpp>

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>
#include <cstring>

STET_TARGET_BEGIN(STET_TARGET_AVX512_VNNI)

namespace stet::kernel::implementation::avx512vnni {

namespace detail {

inline __m512i broadcast(const std::uint8_t* x) {
  std::int32_t four;
  std::memcpy(&four, x, 4);
  return _mm512_set1_epi32(four);
}

// Where sums go as they are.
struct Sums {
  std::int32_t* acc;
  std::int64_t stride;
  [[nodiscard]] Sums from(std::int64_t output) const { return {acc + output, stride}; }
  void store(std::int64_t row, std::int64_t output, __mmask16 mask, __m512i sum) const {
    _mm512_mask_storeu_epi32(acc + row * stride + output, mask, sum);
  }
};
// Where they go as codes.
struct Codes {
  CodesTail tail;
  [[nodiscard]] Codes from(std::int64_t output) const {
    CodesTail t = tail;
    t.scale += output;
    t.out += output;
    return {t};
  }
  void store(std::int64_t row, std::int64_t output, __mmask16 mask, __m512i sum) const {
    const __m512i q = half_even(sum, tail.scale + output, _mm512_set1_ps(tail.below), _mm512_set1_ps(tail.above));
    _mm_mask_storeu_epi8(tail.out + row * tail.stride + output, mask, codes_of(q, _mm512_set1_epi32(tail.zero_point)));
  }
};

// Rows [row, row+R) with P panels, the last of which has `columns` outputs.
template <int R, int P, class To>
[[gnu::noinline]] inline void tile(const Operands& a, std::int64_t row, const std::int8_t* w, std::int64_t panel_bytes,
                                   const std::int32_t* start, const To& to, std::int64_t columns) {
  __m512i sum[static_cast<std::size_t>(R)][static_cast<std::size_t>(P)];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) sum[r][p] = _mm512_loadu_si512(start + p * panel_outputs);
  }
  for (std::int64_t s = 0; s < a.segments; ++s) {
    const std::uint8_t* x[static_cast<std::size_t>(R)];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) x[r] = a.rows[row + r] + a.offsets[s];
    for (std::int64_t g = 0; g < a.groups; ++g, w += panel_outputs * group_taps) {
      __m512i v[static_cast<std::size_t>(P)];
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) v[p] = _mm512_loadu_si512(w + p * panel_bytes);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const __m512i operand = broadcast(x[r] + g * group_taps);
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], operand, v[p]);
      }
    }
  }
  const auto mask = static_cast<__mmask16>((1u << columns) - 1u);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p + 1 < P; ++p) to.store(row + r, p * panel_outputs, all_lanes, sum[r][p]);
    to.store(row + r, (P - 1) * panel_outputs, mask, sum[r][P - 1]);
  }
}

template <int P, class To>
inline void rows(const Operands& a, const std::int8_t* w, std::int64_t panel_bytes, const std::int32_t* start, const To& to,
                 std::int64_t columns) {
  constexpr int R = P == 1 ? 12 : 8;
  std::int64_t row = 0;
  for (; row + R <= a.count; row += R) tile<R, P>(a, row, w, panel_bytes, start, to, columns);
  for (; row + 4 <= a.count; row += 4) tile<4, P>(a, row, w, panel_bytes, start, to, columns);
  for (; row < a.count; ++row) tile<1, P>(a, row, w, panel_bytes, start, to, columns);
}

template <class To>
inline void panels(const Operands& a, const PackedWeights& w, const std::int32_t* start, const To& to) {
  for (std::int64_t p = 0; p < w.panels(); p += 2) {
    const std::int64_t first = p * panel_outputs;
    const std::int64_t left = w.outputs() - first;
    if (left > panel_outputs) {
      const std::int64_t columns = left < 2 * panel_outputs ? left - panel_outputs : panel_outputs;
      rows<2>(a, w.panel(p), w.panel_bytes(), start + first, to.from(first), columns);
    } else {
      rows<1>(a, w.panel(p), w.panel_bytes(), start + first, to.from(first), left);
    }
  }
}

}  // namespace detail

/// Accumulators of all rows with all panels; see portable::product.
inline void product(const Operands& a, const PackedWeights& w, const std::int32_t* start, std::int32_t* acc,
                    std::int64_t stride) {
  detail::panels(a, w, start, detail::Sums{acc, stride});
}
/// Their codes; see product_to_codes.
inline void product_to_codes(const Operands& a, const PackedWeights& w, const std::int32_t* start, const CodesTail& tail) {
  detail::panels(a, w, start, detail::Codes{tail});
}

}  // namespace stet::kernel::implementation::avx512vnni

STET_TARGET_END

#endif
