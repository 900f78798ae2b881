#pragma once
// Layer normalization, added to a graph.

#include <stet/graph/graph.hpp>

namespace stet::graph {

/// Normalizes every row of the last dimension by its own mean and variance; with a scale and a bias per element of a row.
inline Value layer_norm(const Value& x, const op::LayerNorm& options = {}) { return append(options, {x}); }

}  // namespace stet::graph
