#pragma once
// Operators that move values, added to a graph.

#include <stet/graph/graph.hpp>

#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

namespace stet::graph {

/// Values side by side along an axis, which counts without the batch and from the back if negative.
inline Value concat(std::initializer_list<Value> values, int axis = -1) {
  require(values.size() > 0, Errc::shape, "concat: wants at least one input");
  return append(op::Concat{axis_from_front(axis, *values.begin())}, values);
}
inline Value concat(std::span<const Value> values, int axis = -1) {
  require(!values.empty(), Errc::shape, "concat: wants at least one input");
  return append(op::Concat{axis_from_front(axis, values[0])}, values);
}
/// Zeros around an image: pad(x, {.top = 1, .left = 1}).
inline Value pad(const Value& x, const op::Pad& options) { return append(options, {x}); }
/// To a shape without the batch.
inline Value reshape(const Value& x, const Shape& shape) { return append(op::Reshape{shape}, {x}); }
inline Value flatten(const Value& x) { return append(op::Flatten{}, {x}); }
/// Output dimension i is input dimension axes[i], without the batch.
inline Value transpose(const Value& x, std::vector<int> axes) {
  return append(op::Transpose{axes_from_front(std::move(axes), x)}, {x});
}

}  // namespace stet::graph

namespace stet {
using graph::concat;  // concat({x, y}): a braced list has no namespace to look into
}  // namespace stet
