#pragma once
// The transposed convolution, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/conv_transpose.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::ConvTranspose& o, NodeContext& c) {
  const ConvTransposeOptions options{.stride = o.stride, .padding = o.padding};
  if (!o.bias) return conv_transpose(c.input(), c.parameter("weight"), options);
  return conv_transpose(c.input(), c.parameter("weight"), c.parameter("bias"), options);
}

}  // namespace stet::train_op
