#pragma once
// The transposed convolution, added to a graph.

#include <stet/graph/graph.hpp>

namespace stet::graph {

inline Value conv_transpose(const Value& x, const op::ConvTranspose& options) { return append(options, {x}); }

}  // namespace stet::graph
