#pragma once
// Maxima and minima choose codes: they need no parameters.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/extremum/graph.hpp>

namespace stet::graph::op {

inline NoParameters resolve(const Extremum&, const Surroundings&) { return {}; }

}  // namespace stet::graph::op
