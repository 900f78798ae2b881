#pragma once
// Convolutions, added to a graph.

#include <stet/graph/graph.hpp>

namespace stet::graph {

/// Convolution: conv2d(x, {.filters = 16, .kernel = 3}).
inline Value conv2d(const Value& x, const op::Conv2D& options) { return append(options, {x}); }
/// Convolution of each channel on its own: depthwise_conv2d(x, {.kernel = 3}).
inline Value depthwise_conv2d(const Value& x, const op::DepthwiseConv2D& options) { return append(options, {x}); }

}  // namespace stet::graph
