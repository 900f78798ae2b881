#pragma once
// Sums and means, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/reduction.hpp>
#include <stet/ops/shape.hpp>

namespace stet::train_op {

namespace detail {
inline std::vector<int> with_batch(std::vector<int> axes) {
  for (int& axis : axes) ++axis;
  return axes;
}
}  // namespace detail

inline Var<Tensor<float>> forward(const graph::op::Sum& o, NodeContext& c) {
  const Var<Tensor<float>> y = sum(c.input(), detail::with_batch(o.axes));
  return o.keep_dims ? reshape(y, c.node().shape.batched(c.batch())) : y;
}
inline Var<Tensor<float>> forward(const graph::op::Mean& o, NodeContext& c) {
  const Var<Tensor<float>> y = mean(c.input(), detail::with_batch(o.axes));
  return o.keep_dims ? reshape(y, c.node().shape.batched(c.batch())) : y;
}

}  // namespace stet::train_op
