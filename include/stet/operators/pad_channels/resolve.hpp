#pragma once
// Padding of channels moves codes: it needs no parameters.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/pad_channels/graph.hpp>

namespace stet::graph::op {

inline NoParameters resolve(const PadChannels&, const Surroundings&) { return {}; }

}  // namespace stet::graph::op
