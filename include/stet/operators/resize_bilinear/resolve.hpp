#pragma once
// Bilinear interpolation: the weights of a target.

#include <stet/graph/surroundings.hpp>
#include <stet/operators/resize_bilinear/graph.hpp>

namespace stet::graph::op {

inline integer::ResizeParameters resolve(const ResizeBilinear& o, const Surroundings& s) {
  return integer::make_resize(s.target, s.in[0].shape, o.height, o.width, o.coordinates);
}

}  // namespace stet::graph::op
