#pragma once
// Normalization, added to a graph.

#include <stet/graph/graph.hpp>

namespace stet::graph {

/// Batch normalization over all but the last dimension.
inline Value batch_norm(const Value& x, const op::BatchNorm& options = {}) { return append(options, {x}); }

}  // namespace stet::graph
