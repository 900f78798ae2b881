#pragma once
// Sums of codes and of their magnitudes.

#include <stet/core/lanes.hpp>
#include <stet/core/vectorized.hpp>

#include <algorithm>
#include <cstdint>

namespace stet::kernel {

struct CodeSums {
  std::int64_t sum = 0, magnitude = 0;
};

/// Formula:   sum = sum of q[i], magnitude = sum of |q[i]|, i in [0, n), exact
inline CodeSums code_sums(const std::int8_t* q, std::int64_t n) {
  constexpr std::int64_t piece = std::int64_t{1} << 24;  // whose sums fit 32 bits
  CodeSums total;
  for (std::int64_t first = 0; first < n; first += piece) {
    const std::int64_t count = std::min(piece, n - first);
    const std::int8_t* from = q + first;
    if (count < lane_count) {
      for (std::int64_t i = 0; i < count; ++i) {
        total.sum += from[i];
        total.magnitude += from[i] < 0 ? -from[i] : from[i];
      }
      continue;
    }
    const auto plus = [](std::int32_t a, std::int32_t b) { return a + b; };
    const auto code = [=](std::int64_t i) { return std::int32_t{from[i]}; };
    const auto magnitude = [=](std::int64_t i) { return from[i] < 0 ? -from[i] : std::int32_t{from[i]}; };
    vectorized([&] {
      total.sum += lanes_reduce(count, std::int32_t{0}, code, plus);
      total.magnitude += lanes_reduce(count, std::int32_t{0}, magnitude, plus);
    });
  }
  return total;
}

}  // namespace stet::kernel
