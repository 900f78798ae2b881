#pragma once
// One bit per element: which elements of an array let their gradient pass. Element i is bit i % 32 of word i / 32.

#include <stet/core/lanes.hpp>
#include <stet/core/vectorized.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace stet {

static_assert(std::endian::native == std::endian::little, "stet: pack_bits expects little-endian memory");

/// Words that hold n bits.
constexpr std::int64_t bit_words(std::int64_t n) { return (n + 31) / 32; }

/// Bit i of packed bits.
inline bool test_bit(const std::uint32_t* words, std::int64_t i) { return ((words[i / 32] >> (i % 32)) & 1u) != 0; }

/// Packs 32 flags, each 0 or 1, into a word; flag j becomes bit j.
inline std::uint32_t pack_bits(const std::uint8_t* flags) {
#if defined(__SSE2__)
  __m128i low, high;
  std::memcpy(&low, flags, 16);
  std::memcpy(&high, flags + 16, 16);
  const auto a = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_slli_epi16(low, 7)));
  const auto b = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_slli_epi16(high, 7)));
  return a | (b << 16);
#else
  std::uint32_t word = 0;
  for (int k = 0; k < 4; ++k) {
    std::uint64_t eight;
    std::memcpy(&eight, flags + 8 * k, 8);
    // The product moves flag j of eight to bit 56 + j; no two terms meet in one bit.
    word |= static_cast<std::uint32_t>((eight * 0x0102040810204080u) >> 56) << (8 * k);
  }
  return word;
#endif
}

/// Packs n flags, each 0 or 1; bits behind the last element are 0.
inline void pack_bits(const std::uint8_t* flags, std::int64_t n, std::uint32_t* words) {
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) words[i / 32] = pack_bits(flags + i);
  if (i < n) {
    std::array<std::uint8_t, 32> rest{};
    std::memcpy(rest.data(), flags + i, static_cast<std::size_t>(n - i));
    words[i / 32] = pack_bits(rest.data());
  }
}

namespace detail {

inline constexpr auto bit_table = [] {
  std::array<std::uint32_t, 32> table{};
  for (std::size_t j = 0; j < 32; ++j) table[j] = 1u << j;
  return table;
}();

template <class T>
void keep_where(const T* __restrict from, const std::uint32_t* __restrict words, std::int64_t n, T* __restrict to) {
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const std::uint32_t word = words[i / 32];
    lanes(32, [&](std::int64_t j) {
      const T value = from[i + j];
      to[i + j] = (word & bit_table[static_cast<std::size_t>(j)]) != 0 ? value : T{0};
    });
  }
  const auto rest = static_cast<int>(n - i);
  for (int j = 0; j < rest; ++j) to[i + j] = test_bit(words, i + j) ? from[i + j] : T{0};
}

}  // namespace detail

/// Copies the n elements whose bit is set and writes 0 for the others: dx = dy where it passes. An element without its
/// bit gives 0 whatever it is, infinities and NaN included.
inline void keep_where(const float* from, const std::uint32_t* words, std::int64_t n, float* to) {
  vectorized([=] { detail::keep_where(from, words, n, to); });
}
inline void keep_where(const double* from, const std::uint32_t* words, std::int64_t n, double* to) {
  vectorized([=] { detail::keep_where(from, words, n, to); });
}

}  // namespace stet
