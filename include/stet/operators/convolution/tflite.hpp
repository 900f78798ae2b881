#pragma once
// Convolutions in .tflite files.

#include <stet/io/tflite/row.hpp>
#include <stet/io/tflite/writer.hpp>

#include <algorithm>

namespace stet::tflite {

namespace detail {

template <class Convolution>
void write_convolution(Builtin code, Options options, const Convolution& o, Writer& w) {
  const WindowPlan p = plan_window(window(o, w.node().in), o.padding);
  const std::int32_t x = p.explicit_pad ? w.padded(p) : w.input();
  options.padding = p.padding;
  options.stride_w = o.stride.width;
  options.stride_h = o.stride.height;
  options.dilation_w = o.dilation.width;
  options.dilation_h = o.dilation.height;
  options.fused_activation = w.node().activation;
  w.emit(code, w.layer(x, Convolution::channel_axis, true), options);
}

inline int convolution_version(const ModelInfo& m, const OperatorInfo& o) {
  const TensorInfo &x = m.input(o, 0), &weights = m.input(o, 1);
  if (o.options.quantized_bias_type != TensorType::float32) return 8;
  if (weights.type == TensorType::int4) return 7;
  if (x.shape[3] != weights.shape[3]) return 6;
  if (x.type != TensorType::float32 || weights.type != TensorType::int8) return 1;
  return weights.quantization.scale.size() > 1 ? 5 : 2;
}
inline int depthwise_version(const ModelInfo& m, const OperatorInfo& o) {
  const TensorInfo& weights = m.input(o, 1);
  if (weights.type == TensorType::int4) return 7;
  if (m.input(o, 0).type == TensorType::float32 && weights.type == TensorType::int8) {
    return weights.quantization.scale.size() > 1 ? 6 : 4;
  }
  return o.options.dilation_w != 1 || o.options.dilation_h != 1 ? 2 : 1;
}

}  // namespace detail

inline void write(const op::Conv2D& o, Writer& w) {
  detail::write_convolution(Builtin::conv_2d, {.type = OptionsType::conv_2d}, o, w);
}
inline void write(const op::DepthwiseConv2D& o, Writer& w) {
  detail::write_convolution(Builtin::depthwise_conv_2d,
                            {.type = OptionsType::depthwise_conv_2d, .depth_multiplier = o.multiplier}, o, w);
}

inline constexpr Row convolution_rows[] = {
    {Builtin::conv_2d, 3, 4, "1.5.0 1.14.0 1.14.0 2.3.0 2.4.0 2.9.0 2.11.0 2.15.0", detail::convolution_version},
    {Builtin::depthwise_conv_2d, 3, 5, "1.5.0 1.12.0 1.14.0 2.2.0 2.3.0 2.3.0 2.11.0", detail::depthwise_version}};

}  // namespace stet::tflite
