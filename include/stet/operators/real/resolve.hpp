#pragma once
// Operators that are kept in float have no parameters of integers.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/real/graph.hpp>

namespace stet::graph::op {

inline NoParameters resolve(const Real&, const Surroundings&) { return {}; }

}  // namespace stet::graph::op
