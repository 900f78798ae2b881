#pragma once
// Recurrent layers, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/recurrent.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Lstm& o, NodeContext& c) {
  return lstm(c.input(), c.parameter("weight"), c.parameter("bias"), o.reverse);
}
inline Var<Tensor<float>> forward(const graph::op::Gru& o, NodeContext& c) {
  return gru(c.input(), c.parameter("weight"), c.parameter("bias"), o.reverse);
}

}  // namespace stet::train_op
