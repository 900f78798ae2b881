#pragma once
// Slices move codes: they need no parameters.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/slice/graph.hpp>

namespace stet::graph::op {

inline NoParameters resolve(const Slice&, const Surroundings&) { return {}; }

}  // namespace stet::graph::op
