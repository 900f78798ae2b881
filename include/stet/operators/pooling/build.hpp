#pragma once
// Pooling, added to a graph.

#include <stet/graph/graph.hpp>

namespace stet::graph {

inline Value max_pool(const Value& x, const op::MaxPool& options = {}) { return append(options, {x}); }
inline Value average_pool(const Value& x, const op::AveragePool& options = {}) { return append(options, {x}); }
inline Value global_average_pool(const Value& x, bool keep_dims = false) {
  return append(op::GlobalAveragePool{keep_dims}, {x});
}

}  // namespace stet::graph
