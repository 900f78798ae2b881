#pragma once
// Linear layers: the parameters with which a target computes them.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/linear/graph.hpp>

namespace stet::graph::op {

inline integer::Requantization requantization(const Linear&, const Target& t) { return t.linear; }

}  // namespace stet::graph::op
