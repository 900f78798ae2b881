#pragma once
// Whether numbers are finite, at the speed of memory.

#include <stet/core/lanes.hpp>
#include <stet/core/vectorized.hpp>

#include <bit>
#include <cstdint>
#include <span>

namespace stet {

/// Whether no value is NaN or infinite.
[[gnu::noinline]] inline bool all_finite(std::span<const float> x) {
  const float* from = x.data();
  // One more in the exponent carries into the sign where all bits of the exponent are set: sums and ors vectorize
  // everywhere, a maximum of integers does not.
  const auto carried = [from](std::int64_t i) {
    return (std::bit_cast<std::uint32_t>(from[i]) & 0x7fffffffu) + 0x00800000u;
  };
  const auto either = [](std::uint32_t a, std::uint32_t b) { return a | b; };
  std::uint32_t all = 0;
  vectorized([&] { all = lanes_reduce(static_cast<std::int64_t>(x.size()), std::uint32_t{0}, carried, either); });
  return (all & 0x80000000u) == 0;
}

}  // namespace stet
