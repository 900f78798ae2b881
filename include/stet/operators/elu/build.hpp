#pragma once
// Builds the exponential linear unit.

#include <stet/graph/graph.hpp>

namespace stet::graph {

inline Value elu(const Value& x, const op::Elu& options = {}) { return append(options, {x}); }

}  // namespace stet::graph
