#pragma once
// Clips values of a graph.

#include <stet/graph/graph.hpp>

namespace stet::graph {

inline Value clip(const Value& x, float lo, float hi) { return append(op::Clip{{lo, hi}}, {x}); }

}  // namespace stet::graph
