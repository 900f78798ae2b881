#pragma once
// Operators that move codes: the parameters with which a target computes them.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/shape/graph.hpp>

namespace stet::graph::op {

inline NoParameters resolve(const Concat&, const Surroundings&) { return {}; }
inline NoParameters resolve(const Pad&, const Surroundings&) { return {}; }
inline NoParameters resolve(const Reshape&, const Surroundings&) { return {}; }
inline NoParameters resolve(const Transpose&, const Surroundings&) { return {}; }

}  // namespace stet::graph::op
