#pragma once
// Products with a matrix, added to a graph.

#include <stet/graph/graph.hpp>

namespace stet::graph {

/// Fully connected layer over the last dimension: linear(x, {.units = 10}).
inline Value linear(const Value& x, const op::Linear& options) { return append(options, {x}); }
/// Product of two values, per sample.
inline Value matmul(const Value& a, const Value& b) { return append(op::Matmul{}, {a, b}); }

}  // namespace stet::graph
