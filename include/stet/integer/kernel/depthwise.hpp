#pragma once
// Depthwise product: elements that lie in a row, each with the weights of its channel. With horizontal stride 1 a whole
// output line is one such row, because tap t of element i lies at i + offset[t].

#include <stet/core/isa.hpp>
#include <stet/integer/kernel/packed.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stet::kernel {

/// Depthwise weights [taps, channels], repeated up to lcm(channels, 64) elements. `plain` is [taps][period]; `packed`
/// is [period/64][taps/4][4][64 bytes] as four interleaved vectors of 64 elements and 4 taps leave their 128-bit lanes.
class PackedDepthwise {
 public:
  static constexpr std::int64_t block = 64;

  PackedDepthwise() = default;
  PackedDepthwise(const std::int8_t* weights, std::int64_t taps, std::int64_t channels)
      : taps_(taps), channels_(channels), period_(std::lcm(channels, block)) {
    plain_.resize(static_cast<std::size_t>(taps * period_));
    packed_.assign(static_cast<std::size_t>(tap_groups() * group_taps * period_), 0);
    for (std::int64_t t = 0; t < taps; ++t) {
      for (std::int64_t i = 0; i < period_; ++i) {
        const std::int8_t w = weights[t * channels + i % channels];
        plain_[static_cast<std::size_t>(t * period_ + i)] = w;
        const std::int64_t lane = i % block / 16;
        const std::int64_t quarter = i % 16 / 4;
        const std::int64_t at = ((i / block * tap_groups() + t / group_taps) * 4 + quarter) * block + lane * 16 +
                                i % 4 * group_taps + t % group_taps;
        packed_[static_cast<std::size_t>(at)] = w;
      }
    }
  }

  [[nodiscard]] std::int64_t taps() const { return taps_; }
  [[nodiscard]] std::int64_t tap_groups() const { return (taps_ + group_taps - 1) / group_taps; }
  [[nodiscard]] std::int64_t channels() const { return channels_; }
  [[nodiscard]] std::int64_t period() const { return period_; }
  [[nodiscard]] const std::int8_t* plain(std::int64_t tap) const { return plain_.data() + tap * period_; }
  [[nodiscard]] const std::int8_t* packed(std::int64_t entry) const {
    return packed_.data() + entry * tap_groups() * group_taps;
  }

 private:
  std::int64_t taps_ = 0, channels_ = 0, period_ = 0;
  std::vector<std::int8_t> plain_, packed_;
};

namespace implementation::portable {

// Vectors of sixteen elements; an extension of g++ and clang that needs no instruction set.
using Bytes16 [[gnu::vector_size(16)]] = std::uint8_t;
using Codes16 [[gnu::vector_size(16)]] = std::int8_t;
using Halves16 [[gnu::vector_size(32)]] = std::int16_t;
using Words16 [[gnu::vector_size(64)]] = std::uint32_t;

/// Accumulators of n elements.
/// Formula:   acc[i] = start[i % period] + sum over t of x[offsets[t] + i] * w[t, i % period]
/// Shapes:    offsets [4 * tap_groups]; up to 63 bytes behind the last operand are read
inline void depthwise(const std::uint8_t* x, const std::int64_t* offsets, const PackedDepthwise& w,
                      const std::int32_t* start, std::int32_t* acc, std::int64_t n) {
  constexpr int width = 16;
  std::int64_t entry = 0;
  for (std::int64_t i = 0; i < n; i += width) {
    Words16 sum;  // modulo 2^32: only the final value needs to fit
    std::memcpy(&sum, start + entry, sizeof(sum));
    for (std::int64_t t = 0; t < w.taps(); ++t) {
      Bytes16 from;
      Codes16 v;
      std::memcpy(&from, x + offsets[t] + i, sizeof(from));
      std::memcpy(&v, w.plain(t) + entry, sizeof(v));
      // 255 * -128 fits 16 bits.
      const Halves16 products = __builtin_convertvector(from, Halves16) * __builtin_convertvector(v, Halves16);
      sum += __builtin_convertvector(products, Words16);
    }
    std::memcpy(acc + i, &sum, static_cast<std::size_t>(std::min<std::int64_t>(width, n - i)) * sizeof(std::int32_t));
    entry += width;
    if (entry == w.period()) entry = 0;
  }
}

}  // namespace implementation::portable

#if defined(__x86_64__)

STET_TARGET_BEGIN(STET_TARGET_AVX2)

namespace implementation::avx2 {

/// Accumulators of n elements; see portable::depthwise. Two taps of an element side by side as int16, whose pair sums
/// (vpmaddwd) are exact.
inline void depthwise(const std::uint8_t* x, const std::int64_t* offsets, const PackedDepthwise& w,
                      const std::int32_t* start, std::int32_t* acc, std::int64_t n) {
  constexpr std::int64_t width = 16;
  const std::int64_t taps = w.taps();
  std::int64_t entry = 0;
  for (std::int64_t i = 0; i < n; i += width) {
    __m256i low = _mm256_setzero_si256(), high = low;  // elements 0-3 and 8-11, 4-7 and 12-15
    for (std::int64_t t = 0; t < taps; t += 2) {
      const std::int64_t u = t + 1 < taps ? t + 1 : t;
      const __m256i x0 = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + offsets[t] + i)));
      const __m256i x1 = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + offsets[u] + i)));
      const __m256i w0 = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w.plain(t) + entry)));
      __m256i w1 = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w.plain(u) + entry)));
      if (u == t) w1 = _mm256_setzero_si256();
      low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(x0, x1), _mm256_unpacklo_epi16(w0, w1)));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(x0, x1), _mm256_unpackhi_epi16(w0, w1)));
    }
    alignas(32) std::int32_t sums[width];
    const __m256i front = _mm256_permute2x128_si256(low, high, 0x20), back = _mm256_permute2x128_si256(low, high, 0x31);
    const __m256i s0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(start + entry));
    const __m256i s1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(start + entry + 8));
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums), _mm256_add_epi32(front, s0));
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums + 8), _mm256_add_epi32(back, s1));
    std::memcpy(acc + i, sums, static_cast<std::size_t>(std::min<std::int64_t>(width, n - i)) * sizeof(std::int32_t));
    entry += width;
    if (entry == w.period()) entry = 0;
  }
}

}  // namespace implementation::avx2

STET_TARGET_END

STET_TARGET_BEGIN(STET_TARGET_AVX512_VNNI)

namespace implementation::avx512vnni {

/// Accumulators of n elements; see portable::depthwise.
inline void depthwise(const std::uint8_t* x, const std::int64_t* offsets, const PackedDepthwise& w,
                      const std::int32_t* start, std::int32_t* acc, std::int64_t n) {
  const __m512i front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  const __m512i lower = _mm512_setr_epi64(0, 1, 2, 3, 8, 9, 10, 11),
                upper = _mm512_setr_epi64(4, 5, 6, 7, 12, 13, 14, 15);
  std::int64_t entry = 0;
  for (std::int64_t i = 0; i < n; i += PackedDepthwise::block) {
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
    const std::int8_t* v = w.packed(entry);
    for (std::int64_t g = 0; g < w.tap_groups(); ++g, v += 4 * PackedDepthwise::block) {
      const std::int64_t* tap = offsets + g * group_taps;
      const __m512i a = _mm512_loadu_si512(x + tap[0] + i), b = _mm512_loadu_si512(x + tap[1] + i);
      const __m512i c = _mm512_loadu_si512(x + tap[2] + i), d = _mm512_loadu_si512(x + tap[3] + i);
      // Bytes a b a b ..., then a b c d ...: four taps of one element side by side, within 128-bit lanes.
      const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
      const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
      s0 = _mm512_dpbusd_epi32(s0, _mm512_unpacklo_epi16(ab_low, cd_low), _mm512_loadu_si512(v));
      s1 = _mm512_dpbusd_epi32(s1, _mm512_unpackhi_epi16(ab_low, cd_low), _mm512_loadu_si512(v + 64));
      s2 = _mm512_dpbusd_epi32(s2, _mm512_unpacklo_epi16(ab_high, cd_high), _mm512_loadu_si512(v + 128));
      s3 = _mm512_dpbusd_epi32(s3, _mm512_unpackhi_epi16(ab_high, cd_high), _mm512_loadu_si512(v + 192));
    }
    // Lane L of sum q holds elements 16L+4q..16L+4q+3: transpose the 4x4 lanes.
    const __m512i low_a = _mm512_permutex2var_epi64(s0, front, s1), high_a = _mm512_permutex2var_epi64(s0, back, s1);
    const __m512i low_b = _mm512_permutex2var_epi64(s2, front, s3), high_b = _mm512_permutex2var_epi64(s2, back, s3);
    const __m512i ordered[4] = {
        _mm512_permutex2var_epi64(low_a, lower, low_b), _mm512_permutex2var_epi64(low_a, upper, low_b),
        _mm512_permutex2var_epi64(high_a, lower, high_b), _mm512_permutex2var_epi64(high_a, upper, high_b)};
    for (std::int64_t q = 0; q < 4; ++q) {
      const std::int64_t count = std::clamp<std::int64_t>(n - i - 16 * q, 0, 16);
      const __m512i sum = _mm512_add_epi32(ordered[q], _mm512_loadu_si512(start + entry + 16 * q));
      _mm512_mask_storeu_epi32(acc + i + 16 * q, static_cast<__mmask16>((1u << count) - 1u), sum);
    }
    entry += PackedDepthwise::block;
    if (entry == w.period()) entry = 0;
  }
}

}  // namespace implementation::avx512vnni

STET_TARGET_END

#endif

/// A kernel: accumulators of n elements; see implementation::portable::depthwise.
using DepthwiseKernel = void (*)(const std::uint8_t* x, const std::int64_t* offsets, const PackedDepthwise& w,
                                 const std::int32_t* start, std::int32_t* acc, std::int64_t n);

/// The kernel for an instruction set.
inline DepthwiseKernel depthwise_kernel(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::baseline: return implementation::portable::depthwise;
    case Isa::avx2:
    case Isa::avx_vnni:
    case Isa::avx512: return implementation::avx2::depthwise;
    case Isa::avx512_vnni: return implementation::avx512vnni::depthwise;
    case Isa::dotprod:
    case Isa::i8mm: break;
  }
#endif
  static_cast<void>(isa);
  return implementation::portable::depthwise;
}

/// Depthwise product by the kernel of this machine; see implementation::portable::depthwise.
inline void depthwise(const std::uint8_t* x, const std::int64_t* offsets, const PackedDepthwise& w,
                      const std::int32_t* start, std::int32_t* acc, std::int64_t n) {
  static const DepthwiseKernel kernel = depthwise_kernel(isa());
  kernel(x, offsets, w, start, acc, n);
}

}  // namespace stet::kernel
