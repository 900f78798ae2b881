#pragma once
// Convolutions in .tflite files.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/integer_importer.hpp>
#include <stet/io/tflite/writer.hpp>

#include <utility>

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

namespace detail {

// Attributes for an input without the batch, but for the padding, because an operator before it may pad.
template <class Convolution>
Convolution with_window(Convolution c, const Site& s, const Shape& w) {
  const Options& o = s.options();
  c.kernel = {static_cast<int>(w[1]), static_cast<int>(w[2])};
  c.stride = s.stride();
  s.require(o.dilation_h >= 1 && o.dilation_w >= 1, Errc::format,
            "dilation_h_factor {} and dilation_w_factor {} must be at least 1", o.dilation_h, o.dilation_w);
  c.dilation = {o.dilation_h, o.dilation_w};
  return c;
}
inline op::Conv2D conv2d(const Site& s, const Shape& w, const Shape& in) {
  s.require(in[2] % w[3] == 0 && in[2] > 0, Errc::shape,
            "weights {} read {} channels, which do not divide the {} of the input", w, w[3], in[2]);
  return with_window(op::Conv2D{.filters = static_cast<int>(w[0]), .groups = static_cast<int>(in[2] / w[3])}, s, w);
}
inline op::DepthwiseConv2D depthwise_conv2d(const Site& s, const Shape& w, const Shape& in) {
  const std::int32_t m = s.options().depth_multiplier;
  s.require(m >= 1 && w[0] == 1 && w[3] == in[2] * m, Errc::shape,
            "weights {} with depth_multiplier {} do not fit the {} channels of the input", w, m, in[2]);
  return with_window(op::DepthwiseConv2D{.multiplier = m}, s, w);
}
template <auto attributes, OptionsType type>
void read_convolution(const Site& s, Importer& in) {
  s.expect_inputs(2, 3);
  const WindowSource from = in.source(s);
  s.expect_options(type);
  const Shape w = s.filter(4), x = in.shape(from.from);
  s.require(x.rank() == 3, Errc::shape, "input has shape {} (without the batch), must be an image", x);
  auto conv = attributes(s, w, x);
  conv.padding = from.padding;
  in.finish_layer(s, std::move(conv), from.from);
}

}  // namespace detail

inline constexpr Row convolution_rows[] = {
    {Builtin::conv_2d, reads<detail::read_convolution<detail::conv2d, OptionsType::conv_2d>>, 3, 4,
     "1.5.0 1.14.0 1.14.0 2.3.0 2.4.0 2.9.0 2.11.0 2.15.0", "AddConv2D", detail::convolution_version},
    {Builtin::depthwise_conv_2d,
     reads<detail::read_convolution<detail::depthwise_conv2d, OptionsType::depthwise_conv_2d>>, 3, 5,
     "1.5.0 1.12.0 1.14.0 2.2.0 2.3.0 2.3.0 2.11.0", "AddDepthwiseConv2D", detail::depthwise_version}};

}  // namespace stet::tflite
