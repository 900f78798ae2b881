#pragma once
// Pass bits: one bit per element that says whether a gradient passes; bit i%32 of word i/32.

#include <cstdint>

namespace stet::integer {

/// Words that hold one bit for each of n elements.
constexpr std::int64_t pass_words(std::int64_t n) { return (n + 31) / 32; }

/// Whether element i passes.
constexpr bool passes(const std::uint32_t* words, std::int64_t i) { return ((words[i / 32] >> (i % 32)) & 1u) != 0; }

}  // namespace stet::integer
