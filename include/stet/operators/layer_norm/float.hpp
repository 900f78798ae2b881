#pragma once
// Layer normalization, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/layer_norm.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::LayerNorm& o, NodeContext& c) {
  return layer_norm(c.input(), c.parameter("gamma"), c.parameter("beta"), static_cast<double>(o.eps));
}

}  // namespace stet::train_op
