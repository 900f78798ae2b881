#pragma once
// Bilinear interpolation, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/resize_bilinear.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::ResizeBilinear& o, NodeContext& c) {
  return resize_bilinear(c.input(), Interpolation(c.input().shape().unbatched(), o.height, o.width, o.coordinates));
}

}  // namespace stet::train_op
