#pragma once
// Pass bits: one bit per element that says whether a gradient passes; bit i%32 of word i/32.

#include <array>
#include <cstdint>
#include <cstring>

namespace stet::integer {

/// Words that hold one bit for each of n elements.
constexpr std::int64_t pass_words(std::int64_t n) { return (n + 31) / 32; }

/// Whether element i passes.
constexpr bool passes(const std::uint32_t* words, std::int64_t i) { return ((words[i / 32] >> (i % 32)) & 1u) != 0; }

namespace detail {

// 32 flags, each a byte 0 or 1, as one word. The product moves bit 8k of eight bytes to bit 56+k.
inline std::uint32_t pack_flags(const std::array<std::uint8_t, 32>& flags) {
  std::uint32_t word = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    std::uint64_t bytes;
    std::memcpy(&bytes, flags.data() + 8 * k, 8);
    word |= static_cast<std::uint32_t>((bytes * 0x0102040810204080u) >> 56) << (8 * k);
  }
  return word;
}

}  // namespace detail

}  // namespace stet::integer
