#pragma once
// Convolutions, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Conv2D& o, NodeContext& c) {
  const ConvOptions options{.stride = o.stride, .padding = o.padding, .dilation = o.dilation, .groups = o.groups};
  if (!o.bias) return conv2d(c.input(), c.parameter("weight"), options);
  return conv2d(c.input(), c.parameter("weight"), c.parameter("bias"), options);
}

inline Var<Tensor<float>> forward(const graph::op::DepthwiseConv2D& o, NodeContext& c) {
  const DepthwiseConvOptions options{.stride = o.stride, .padding = o.padding, .dilation = o.dilation};
  if (!o.bias) return depthwise_conv2d(c.input(), c.parameter("weight"), options);
  return depthwise_conv2d(c.input(), c.parameter("weight"), c.parameter("bias"), options);
}

}  // namespace stet::train_op
