#pragma once
// The transposed convolution, added to a graph.

#include <stet/graph/graph.hpp>

namespace stet::graph {

/// Transposed convolution: conv_transpose(x, {.filters = 8, .kernel = 2}) doubles height and width.
inline Value conv_transpose(const Value& x, const op::ConvTranspose& options) { return append(options, {x}); }

}  // namespace stet::graph
