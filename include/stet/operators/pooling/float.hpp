#pragma once
// Pooling, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/pooling.hpp>
#include <stet/ops/shape.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::MaxPool& o, NodeContext& c) {
  return max_pool(c.input(), {.size = o.size, .stride = o.stride, .padding = o.padding});
}
inline Var<Tensor<float>> forward(const graph::op::AveragePool& o, NodeContext& c) {
  return avg_pool(c.input(), {.size = o.size,
                              .stride = o.stride,
                              .padding = o.padding,
                              .count_include_pad = o.count_padding});
}
inline Var<Tensor<float>> forward(const graph::op::GlobalAveragePool& o, NodeContext& c) {
  const Var<Tensor<float>> y = global_average_pool(c.input());
  return o.keep_dims ? reshape(y, c.node().shape.batched(c.batch())) : y;
}

}  // namespace stet::train_op
