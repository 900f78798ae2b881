#pragma once
// Convolutions: the parameters with which a target computes them.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/convolution/graph.hpp>

namespace stet::graph::op {

/// The rule by which a target requantizes the sums of a layer.
inline integer::Requantization requantization(const Conv2D&, const Target& t) { return t.convolution; }
inline integer::Requantization requantization(const DepthwiseConv2D&, const Target& t) { return t.depthwise; }

}  // namespace stet::graph::op
