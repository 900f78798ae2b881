#pragma once
// Builds softplus.

#include <stet/graph/graph.hpp>

namespace stet::graph {

inline Value softplus(const Value& x) { return append(op::Softplus{}, {x}); }

}  // namespace stet::graph
