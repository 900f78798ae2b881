#pragma once
// Operators that move values, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/shape.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Concat& o, NodeContext& c) {
  return concat(c.input_list(), o.axis + 1);
}
inline Var<Tensor<float>> forward(const graph::op::Pad& o, NodeContext& c) {
  return pad(c.input(), {Margin{}, Margin{o.top, o.bottom}, Margin{o.left, o.right}, Margin{}});
}
inline Var<Tensor<float>> forward(const graph::op::Reshape& o, NodeContext& c) {
  return reshape(c.input(), o.shape.batched(c.batch()));
}
inline Var<Tensor<float>> forward(const graph::op::Flatten&, NodeContext& c) {
  return reshape(c.input(), c.node().shape.batched(c.batch()));
}
inline Var<Tensor<float>> forward(const graph::op::Transpose& o, NodeContext& c) {
  std::vector<int> order{0};
  for (const int axis : o.axes) order.push_back(axis + 1);
  return transpose(c.input(), std::move(order));
}

}  // namespace stet::train_op
