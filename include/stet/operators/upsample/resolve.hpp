#pragma once
// Upsampling moves codes: it needs no parameters.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/upsample/graph.hpp>

namespace stet::graph::op {

inline NoParameters resolve(const Upsample&, const Surroundings&) { return {}; }

}  // namespace stet::graph::op
