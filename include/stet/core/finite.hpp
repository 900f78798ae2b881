#pragma once
// Whether numbers are finite, at the speed of memory.

#include <stet/core/lanes.hpp>

#include <bit>
#include <cstdint>
#include <span>

namespace stet {

/// Whether no value is NaN or infinite.
inline bool all_finite(std::span<const float> x) {
  const float* from = x.data();
  const auto magnitude = [from](std::int64_t i) {
    return static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(from[i]) & 0x7fffffffu);
  };
  const auto larger = [](std::int32_t a, std::int32_t b) { return a > b ? a : b; };
  return lanes_reduce(static_cast<std::int64_t>(x.size()), std::int32_t{0}, magnitude, larger) < 0x7f800000;
}

}  // namespace stet
