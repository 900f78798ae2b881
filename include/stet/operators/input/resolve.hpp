#pragma once
// The input: the parameters with which a target computes them.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/input/graph.hpp>

namespace stet::graph::op {

inline NoParameters resolve(const Input&, const Surroundings&) { return {}; }

}  // namespace stet::graph::op
