#pragma once
// Sums and means over dimensions, added to a graph.

#include <stet/graph/graph.hpp>

#include <utility>
#include <vector>

namespace stet::graph {

/// Over axes that count without the batch and from the back if negative; ascending.
inline Value mean(const Value& x, std::vector<int> axes, bool keep_dims = false) {
  return append(op::Mean{axes_from_front(std::move(axes), x), keep_dims}, {x});
}
inline Value sum(const Value& x, std::vector<int> axes, bool keep_dims = false) {
  return append(op::Sum{axes_from_front(std::move(axes), x), keep_dims}, {x});
}

}  // namespace stet::graph
