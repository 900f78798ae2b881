#pragma once
// Activations, softmax and dropout, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/activation.hpp>
#include <stet/ops/dropout.hpp>
#include <stet/ops/softmax.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Relu&, NodeContext& c) { return relu(c.input()); }
inline Var<Tensor<float>> forward(const graph::op::Relu6&, NodeContext& c) { return relu6(c.input()); }
inline Var<Tensor<float>> forward(const graph::op::LeakyRelu& o, NodeContext& c) {
  return leaky_relu(c.input(), static_cast<double>(o.alpha));
}
inline Var<Tensor<float>> forward(const graph::op::Sigmoid&, NodeContext& c) { return sigmoid(c.input()); }
inline Var<Tensor<float>> forward(const graph::op::Tanh&, NodeContext& c) { return stet::tanh(c.input()); }
inline Var<Tensor<float>> forward(const graph::op::HardSwish&, NodeContext& c) { return hard_swish(c.input()); }
inline Var<Tensor<float>> forward(const graph::op::Softmax&, NodeContext& c) { return softmax(c.input()); }
inline Var<Tensor<float>> forward(const graph::op::LogSoftmax&, NodeContext& c) { return log_softmax(c.input()); }
inline Var<Tensor<float>> forward(const graph::op::Dropout& o, NodeContext& c) {
  if (c.mode() == Mode::evaluation || o.rate == 0.0f) return c.input();
  return dropout(c.input(), static_cast<double>(o.rate), c.rng());
}

}  // namespace stet::train_op
