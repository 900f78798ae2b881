#pragma once
// Builds maxima and minima of two graph values.

#include <stet/graph/graph.hpp>

namespace stet::graph {

inline Value maximum(const Value& a, const Value& b) { return append(op::Extremum{true}, {a, b}); }
inline Value minimum(const Value& a, const Value& b) { return append(op::Extremum{false}, {a, b}); }

}  // namespace stet::graph
