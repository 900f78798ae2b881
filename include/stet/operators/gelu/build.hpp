#pragma once
// Builds the Gaussian error linear unit.

#include <stet/graph/graph.hpp>

namespace stet::graph {

inline Value gelu(const Value& x, const op::Gelu& options = {}) { return append(options, {x}); }

}  // namespace stet::graph
