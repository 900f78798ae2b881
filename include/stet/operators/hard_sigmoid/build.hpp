#pragma once
// Builds the hard sigmoid.

#include <stet/graph/graph.hpp>

namespace stet::graph {

inline Value hard_sigmoid(const Value& x, const op::HardSigmoid& options = {}) { return append(options, {x}); }

}  // namespace stet::graph
