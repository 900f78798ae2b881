#pragma once
// Element loops that vectorize at -O2 too: the inner loop has a constant trip count, which the compilers' cautious
// cost model accepts.

#include <stet/core/requirements.hpp>

#include <array>
#include <cstdint>

namespace stet {

/// Elements of one block of an element loop.
inline constexpr int lane_count = 32;

/// Calls f(i) for i in [0, n), in blocks of lane_count. The elements must be independent: f may read and write
/// position i of arrays only, and arrays that are written must not overlap others.
template <class F>
[[gnu::always_inline]] inline void lanes(std::int64_t n, F&& f) {
  std::int64_t i = 0;
  for (; i + lane_count <= n; i += lane_count) {
#if defined(__clang__)
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#endif
    for (int j = 0; j < lane_count; ++j) f(i + j);
  }
  for (; i < n; ++i) f(i);
}

/// Folds the values f(i), i in [0, n), lane by lane and then across lanes in order: combine(combine(...), ...).
/// The result depends on n alone, not on the instruction set (for + and double as for min and max).
template <class T, class F, class Combine>
[[gnu::always_inline]] inline T lanes_reduce(std::int64_t n, T start, F&& f, Combine&& combine) {
  std::array<T, lane_count> part;
  part.fill(start);
  std::int64_t i = 0;
  for (; i + lane_count <= n; i += lane_count) {
#if defined(__clang__)
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#endif
    for (int j = 0; j < lane_count; ++j) {
      part[static_cast<std::size_t>(j)] = combine(part[static_cast<std::size_t>(j)], f(i + j));
    }
  }
  for (int j = 0; i < n; ++i, ++j) {
    part[static_cast<std::size_t>(j)] = combine(part[static_cast<std::size_t>(j)], f(i));
  }
  T result = part[0];
  for (std::size_t j = 1; j < part.size(); ++j) result = combine(result, part[j]);
  return result;
}

}  // namespace stet
