#pragma once
// Puts channels of zeros beside those of a value.

#include <stet/graph/graph.hpp>

namespace stet::graph {

inline Value pad_channels(const Value& x, int before, int after) { return append(op::PadChannels{before, after}, {x}); }

}  // namespace stet::graph
