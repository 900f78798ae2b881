#pragma once
// Cuts values of a graph into parts.

#include <stet/graph/graph.hpp>

#include <cstdint>
#include <vector>

namespace stet::graph {

/// Elements first, first + step, ... before last along an axis, which counts without the batch and from the back if negative.
inline Value slice(const Value& x, int axis, std::int64_t first, std::int64_t last, std::int64_t step = 1) {
  return append(op::Slice{axes_from_front({axis}, x)[0], first, last, step}, {x});
}
/// All elements of an axis, the last one first.
inline Value flip(const Value& x, int axis) {
  const int at = axes_from_front({axis}, x)[0];
  return append(op::Slice{at, at < x.shape().rank() ? x.shape()[at] - 1 : 0, -1, -1}, {x});
}
/// Parts of these sizes, one behind the other.
/// Errors:    Errc::range if they are not the whole
inline std::vector<Value> split(const Value& x, const std::vector<std::int64_t>& sizes, int axis) {
  const int at = axes_from_front({axis}, x)[0];
  std::int64_t whole = 0;
  for (const std::int64_t size : sizes) whole += size;
  require(at >= 0 && at < x.shape().rank() && whole == x.shape()[at], Errc::range, "split: {} elements of axis {} are not all of {}", whole, axis,
          x.shape());
  std::vector<Value> parts;
  std::int64_t first = 0;
  for (const std::int64_t size : sizes) {
    parts.push_back(slice(x, at, first, first + size));
    first += size;
  }
  return parts;
}

}  // namespace stet::graph
