#pragma once
// Constant codes have no parameters.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/constant/graph.hpp>

namespace stet::graph::op {

inline NoParameters resolve(const Constant&, const Surroundings&) { return {}; }

}  // namespace stet::graph::op
