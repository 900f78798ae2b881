#pragma once
// The transposed convolution: the rule by which a target requantizes its sums.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/conv_transpose/graph.hpp>

namespace stet::graph::op {

inline integer::Requantization requantization(const ConvTranspose&, const Target& t) { return t.convolution; }

}  // namespace stet::graph::op
