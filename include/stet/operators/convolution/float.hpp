#pragma once
// Convolutions, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>

namespace stet::train_op {

inline Tensor<float> prepared_weights(const graph::op::Conv2D& o, const Tensor<float>& weight) {
  return pack_filters(weight, o.groups);
}
inline Tensor<float> prepared_weights(const graph::op::DepthwiseConv2D&, const Tensor<float>& weight) { return weight; }

inline Var<Tensor<float>> forward(const graph::op::Conv2D& o, NodeContext& c) {
  const ConvOptions options{.stride = o.stride, .padding = o.padding, .dilation = o.dilation, .groups = o.groups};
  const Var<Tensor<float>> weight = c.parameter("weight");
  if (const PreparedLayer* layer = c.prepared()) {
    const Tensor<float> bias = o.bias ? c.parameter("bias").value() : Tensor<float>();
    const Window window = conv2d_window(c.input().shape(), weight.shape(), o.bias ? &bias.shape() : nullptr, options);
    return c.tape().constant(conv2d_packed(c.input().value(), layer->weights, o.filters, o.bias ? &bias : nullptr,
                                           window, o.groups, layer->tail));
  }
  if (!o.bias) return conv2d(c.input(), weight, options);
  return conv2d(c.input(), weight, c.parameter("bias"), options);
}

inline Var<Tensor<float>> forward(const graph::op::DepthwiseConv2D& o, NodeContext& c) {
  const DepthwiseConvOptions options{.stride = o.stride, .padding = o.padding, .dilation = o.dilation};
  const Var<Tensor<float>> weight = c.parameter("weight");
  if (const PreparedLayer* layer = c.prepared()) {
    const Tensor<float> bias = o.bias ? c.parameter("bias").value() : Tensor<float>();
    const Window window =
        depthwise_conv2d_window(c.input().shape(), weight.shape(), o.bias ? &bias.shape() : nullptr, options);
    return c.tape().constant(
        depthwise_conv2d_forward(c.input().value(), weight.value(), o.bias ? &bias : nullptr, window, layer->tail));
  }
  if (!o.bias) return depthwise_conv2d(c.input(), weight, options);
  return depthwise_conv2d(c.input(), weight, c.parameter("bias"), options);
}

}  // namespace stet::train_op
