#pragma once
// Progression: the elements of an axis that a slice takes.

#include <stet/core/error.hpp>
#include <stet/core/shape.hpp>

#include <algorithm>
#include <cstdint>

namespace stet {

/// Elements first, first + step, ..., `count` of them; backwards where step is negative.
struct Progression {
  std::int64_t first = 0, count = 1, step = 1;
};

/// Errors:    Errc::range if the axis does not exist or elements lie outside of it
inline void require_part(const Progression& p, int axis, const Shape& s) {
  require(axis >= 0 && axis < s.rank(), Errc::range, "slice: axis {} does not exist in {}", axis, s);
  const std::int64_t size = s[axis];
  const bool bounded = p.count >= 0 && p.count <= size && p.step >= -size && p.step <= size && p.first >= 0 && p.first <= size;
  const std::int64_t last = bounded ? p.first + (p.count - 1) * p.step : -1;
  require(bounded && (p.count == 0 || (p.first < size && last >= 0 && last < size)), Errc::range,
          "slice: {} elements from {} with step {} are no part of axis {} of {}", p.count, p.first, p.step, axis, s);
}

/// Copies the elements that a slice takes.
/// Shapes:    x of shape s -> y, with p.count along the axis
template <class T>
void take_part(const T* x, const Shape& s, int axis, const Progression& p, T* y) {
  const std::int64_t inner = s.product(axis + 1, s.rank()), size = s[axis];
  for (std::int64_t o = 0; o < s.product(0, axis); ++o) {
    const T* const from = x + (o * size + p.first) * inner;
    if (p.step == 1) {
      y = std::copy_n(from, p.count * inner, y);
      continue;
    }
    for (std::int64_t i = 0; i < p.count; ++i) y = std::copy_n(from + i * p.step * inner, inner, y);
  }
}
/// Puts elements back to where a slice took them from.
/// Shapes:    y, with p.count along the axis -> x of shape s, whose other elements are left alone
template <class T>
void put_part(const T* y, const Shape& s, int axis, const Progression& p, T* x) {
  const std::int64_t inner = s.product(axis + 1, s.rank()), size = s[axis];
  for (std::int64_t o = 0; o < s.product(0, axis); ++o) {
    for (std::int64_t i = 0; i < p.count; ++i, y += inner) std::copy_n(y, inner, x + (o * size + p.first + i * p.step) * inner);
  }
}

}  // namespace stet
