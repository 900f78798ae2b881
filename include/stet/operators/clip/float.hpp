#pragma once
// Clipping, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/activation.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Clip& o, NodeContext& c) {
  return clip(c.input(), o.clamps.lo, o.clamps.hi);
}

}  // namespace stet::train_op
