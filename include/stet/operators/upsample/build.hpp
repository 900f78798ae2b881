#pragma once
// Makes images larger.

#include <stet/graph/graph.hpp>

namespace stet::graph {

/// Nearest neighbour by whole factors.
inline Value upsample(const Value& x, Pair factor) { return append(op::Upsample{factor}, {x}); }

}  // namespace stet::graph
