#pragma once
// An IntegerModel as a .tflite description: every code, scale and zero point as it is.

#include <stet/core/entry.hpp>
#include <stet/io/tflite/integer_check.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace stet::tflite {

namespace op = graph::op;

namespace detail {

inline FusedActivation fused(Activation a) {
  return a == Activation::relu    ? FusedActivation::relu
         : a == Activation::relu6 ? FusedActivation::relu6
                                  : FusedActivation::none;
}

class IntegerExporter {
 public:
  IntegerExporter(const IntegerModel& model, const TfliteIntegerOptions& options)
      : model_(model), options_(options), writer_(options.batch), tensor_of_(model.values.size(), -1) {
    require_writable(model, options);
  }

  ModelInfo run() {
    for (const IntegerNode& node : model_.nodes) write(node);
    for (const int out : model_.outputs) {
      const IntegerValue& v = value(out);
      std::int32_t t = tensor_of_[index(out)];
      if (options_.float_output) {
        const std::int32_t real = writer_.activation(v.name, v.shape, TensorType::float32);
        writer_.operation(Builtin::dequantize, {t}, real, {.type = OptionsType::dequantize});
        t = real;
      }
      writer_.output(t, v.name, v.shape);
    }
    return std::move(writer_).finish(options_.description);
  }

 private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  const IntegerValue& value(int i) const { return model_.values[index(i)]; }

  static Quantization quantization(const Affine& c) { return {{c.scale}, {c.zero_point}, 0}; }

  std::int32_t make(const IntegerValue& v, const std::string& suffix = "") {
    return writer_.activation(v.name + suffix, v.shape, TensorType::int8, quantization(v.codes));
  }
  std::int32_t input(const IntegerNode& node, std::size_t i) const { return tensor_of_[index(node.inputs[i])]; }

  void write(const IntegerNode& node) {
    if (graph::is<op::Input>(node.op)) return write_quantize(node);
    const bool limits = !graph::moves_codes(node.op) && !bounded(node);
    // A value whose name goes to the real output keeps another one as codes.
    const std::string suffix = options_.float_output && is_output(node.output) ? ":codes" : "";
    const std::int32_t y = make(value(node.output), suffix + (limits ? ":wide" : ""));
    tensor_of_[index(node.output)] = y;
    graph::match_integer(node.op, [&](const auto& o) { operation(o, node, input(node, 0), y); });
    if (limits) tensor_of_[index(node.output)] = limit(node, y, suffix);
  }

  void operation(const op::Input&, const IntegerNode&, std::int32_t, std::int32_t) {}
  void operation(const op::Conv2D& o, const IntegerNode& node, std::int32_t x, std::int32_t y) {
    convolution(Builtin::conv_2d, {.type = OptionsType::conv_2d}, o, node, x, y);
  }
  void operation(const op::DepthwiseConv2D& o, const IntegerNode& node, std::int32_t x, std::int32_t y) {
    convolution(Builtin::depthwise_conv_2d, {.type = OptionsType::depthwise_conv_2d, .depth_multiplier = o.multiplier}, o,
                node, x, y);
  }
  void operation(const op::Linear&, const IntegerNode& node, std::int32_t x, std::int32_t y) {
    writer_.operation(Builtin::fully_connected, layer(node, x), y,
                      {.type = OptionsType::fully_connected,
                       .fused_activation = fused(node.activation),
                       .keep_num_dims = value(node.output).shape.rank() > 1});
  }
  void operation(const op::Add&, const IntegerNode& node, std::int32_t, std::int32_t y) {
    binary(Builtin::add, OptionsType::add, node, y);
  }
  void operation(const op::Sub&, const IntegerNode& node, std::int32_t, std::int32_t y) {
    binary(Builtin::sub, OptionsType::sub, node, y);
  }
  void operation(const op::Mul&, const IntegerNode& node, std::int32_t, std::int32_t y) {
    binary(Builtin::mul, OptionsType::mul, node, y);
  }
  void operation(const op::MaxPool& o, const IntegerNode& node, std::int32_t x, std::int32_t y) {
    const WindowPlan p = window_plan(o, node);
    writer_.pool(Builtin::max_pool_2d, p.explicit_pad ? pad_lowest(node, x, p) : x, y, o.size, op::pool_stride(o.size, o.stride),
                 p.padding, FusedActivation::none);
  }
  void operation(const op::AveragePool& o, const IntegerNode& node, std::int32_t x, std::int32_t y) {
    writer_.pool(Builtin::average_pool_2d, x, y, o.size, op::pool_stride(o.size, o.stride), window_plan(o, node).padding,
                 FusedActivation::none);
  }
  void operation(const op::GlobalAveragePool&, const IntegerNode& node, std::int32_t x, std::int32_t y) {
    // Without the reduced dimensions: with them LiteRT's optimized kernel rounds in another way.
    writer_.reduce(Builtin::mean, x, y, node.name, {0, 1}, false);
  }
  void operation(const op::Concat& o, const IntegerNode& node, std::int32_t, std::int32_t y) {
    std::vector<std::int32_t> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(input(node, i));
    writer_.concat(std::move(inputs), y, o.axis);
  }
  void operation(const op::Pad& o, const IntegerNode& node, std::int32_t x, std::int32_t y) {
    const WindowPlan p{Padding::valid, true, o.top, o.bottom, o.left, o.right};
    writer_.operation(Builtin::pad, {x, writer_.paddings(node.name, p)}, y, {.type = OptionsType::pad});
  }
  void operation(const op::Reshape& o, const IntegerNode& node, std::int32_t x, std::int32_t y) {
    writer_.reshape(x, y, node.name, o.shape);
  }
  void operation(const op::Transpose& o, const IntegerNode& node, std::int32_t x, std::int32_t y) {
    writer_.transpose(x, y, node.name, o.axes);
  }
  void operation(const op::Relu&, const IntegerNode&, std::int32_t x, std::int32_t y) {
    writer_.operation(Builtin::relu, {x}, y);
  }
  void operation(const op::Relu6&, const IntegerNode&, std::int32_t x, std::int32_t y) {
    writer_.operation(Builtin::relu6, {x}, y);
  }
  void operation(const op::LeakyRelu& o, const IntegerNode&, std::int32_t x, std::int32_t y) {
    writer_.operation(Builtin::leaky_relu, {x}, y, {.type = OptionsType::leaky_relu, .alpha = o.alpha});
  }
  void operation(const op::Sigmoid&, const IntegerNode&, std::int32_t x, std::int32_t y) {
    writer_.operation(Builtin::logistic, {x}, y);
  }
  void operation(const op::Tanh&, const IntegerNode&, std::int32_t x, std::int32_t y) {
    writer_.operation(Builtin::tanh, {x}, y);
  }
  void operation(const op::Custom&, const IntegerNode& node, std::int32_t, std::int32_t) {
    fail(Errc::unsupported, "save_tflite: {} has no operator", node.name);  // require_writable has seen to it
  }
  void operation(const op::HardSwish&, const IntegerNode&, std::int32_t x, std::int32_t y) {
    writer_.operation(Builtin::hard_swish, {x}, y, {.type = OptionsType::hard_swish});
  }

  void write_quantize(const IntegerNode& node) {
    const IntegerValue& v = value(node.output);
    const bool both = options_.float_output && is_output(node.output);
    if (!options_.float_input) {
      const std::int32_t codes = make(v, both ? ":codes" : "");
      writer_.input(codes, v.name);
      tensor_of_[index(node.output)] = codes;
      return;
    }
    const std::int32_t real = writer_.activation(v.name + (both ? ":input" : ""), v.shape, TensorType::float32);
    writer_.input(real, v.name);
    const bool limits = v.codes.grid != Grid::int8();
    const std::int32_t codes = make(v, limits ? ":codes:wide" : ":codes");
    writer_.operation(Builtin::quantize, {real}, codes, {.type = OptionsType::quantize});
    tensor_of_[index(node.output)] = limits ? limit(node, codes, ":codes") : codes;
  }

  bool is_output(int v) const {
    return std::find(model_.outputs.begin(), model_.outputs.end(), v) != model_.outputs.end();
  }

  // Whether int8 and the fused activation bound the codes to the grid already, whichever way a runtime rounds bounds.
  bool bounded(const IntegerNode& node) const {
    const Affine& p = value(node.output).codes;
    if (p.grid == Grid::int8()) return true;
    bool inside = true;
    for (const auto rule : {integer::ClampRule::half_away, integer::ClampRule::half_even}) {
      const integer::Bounds b = integer::clamp_bounds(rule, node.activation, p.scale, p.zero_point);
      inside = inside && b.lo >= p.grid.lo && b.hi <= p.grid.hi;
    }
    return inside;
  }

  // MINIMUM and MAXIMUM with the ends of a grid below 8 bits.
  std::int32_t limit(const IntegerNode& node, std::int32_t x, const std::string& suffix) {
    const IntegerValue& v = value(node.output);
    const Grid grid = v.codes.grid;
    const bool two = grid.lo > -128 && grid.hi < 127;
    const auto bound = [&](Builtin code, std::int32_t end, const std::string& name, const std::string& tensor) {
      const std::int8_t code_of_end[] = {static_cast<std::int8_t>(end)};
      const std::int32_t constant =
          writer_.constant<std::int8_t>(node.name + name, TensorType::int8, {1}, code_of_end, quantization(v.codes));
      const std::int32_t y = make(v, tensor);
      writer_.operation(code, {x, constant}, y, {.type = OptionsType::maximum_minimum});
      return y;
    };
    if (grid.hi < 127) x = bound(Builtin::minimum, grid.hi, ":highest", two ? suffix + ":high" : suffix);
    if (grid.lo > -128) x = bound(Builtin::maximum, grid.lo, ":lowest", suffix);
    return x;
  }

  // Padding that never wins a maximum.
  std::int32_t pad_lowest(const IntegerNode& node, std::int32_t x, const WindowPlan& p) {
    const IntegerValue& v = value(node.inputs[0]);
    const std::int8_t lowest[] = {static_cast<std::int8_t>(v.codes.grid.lo)};
    const std::int32_t constant =
        writer_.constant<std::int8_t>(node.name + ":lowest", TensorType::int8, {1}, lowest, quantization(v.codes));
    const Shape padded{v.shape[0] + p.top + p.bottom, v.shape[1] + p.left + p.right, v.shape[2]};
    const std::int32_t y = writer_.like(x, node.name + ":pad", padded);
    writer_.operation(Builtin::padv2, {x, writer_.paddings(node.name, p), constant}, y, {.type = OptionsType::pad_v2});
    return y;
  }

  void binary(Builtin code, OptionsType type, const IntegerNode& node, std::int32_t y) {
    writer_.operation(code, {input(node, 0), input(node, 1)}, y, {.type = type, .fused_activation = fused(node.activation)});
  }

  // Weights and bias of a layer; scales of both are those with which the engine computes.
  std::vector<std::int32_t> layer(const IntegerNode& node, std::int32_t x) {
    const LayerConstants& c = node.constants;
    const std::vector<std::int64_t> zeros(c.weight_scale.size(), 0);
    const Quantization q{c.weight_scale, zeros, c.weight_scale.size() > 1 ? graph::channel_axis(node.op) : 0};
    const auto shape = ModelWriter::dimensions(c.weights.shape());
    std::int32_t weights = -1;
    if (writes_int4(node, options_)) {
      const auto bytes = packed_int4(c.weights.span());
      weights = writer_.constant<std::uint8_t>(node.name + ".weight", TensorType::int4, shape, bytes, q);
    } else {
      weights = writer_.constant<std::int8_t>(node.name + ".weight", TensorType::int8, shape, c.weights.span(), q);
    }
    Quantization b{{}, zeros, 0};
    for (const float s : c.weight_scale) b.scale.push_back(value(node.inputs[0]).codes.scale * s);
    const std::int32_t bias = writer_.constant<std::int32_t>(node.name + ".bias", TensorType::int32,
                                                             ModelWriter::dimensions(c.bias.shape()), c.bias.span(), b);
    return {x, weights, bias};
  }

  template <class Op>
  WindowPlan window_plan(const Op& o, const IntegerNode& node) const {
    return plan_window(window(o, value(node.inputs[0]).shape), o.padding);
  }
  template <class Op>
  void convolution(Builtin code, Options options, const Op& o, const IntegerNode& node, std::int32_t x,
                   std::int32_t y) {
    const WindowPlan p = window_plan(o, node);
    if (p.explicit_pad) x = writer_.pad(x, node.name, value(node.inputs[0]).shape, p);
    options.padding = p.padding;
    options.stride_w = o.stride.width;
    options.stride_h = o.stride.height;
    options.dilation_w = o.dilation.width;
    options.dilation_h = o.dilation.height;
    options.fused_activation = fused(node.activation);
    writer_.operation(code, layer(node, x), y, options);
  }

  const IntegerModel& model_;
  const TfliteIntegerOptions& options_;
  ModelWriter writer_;
  std::vector<std::int32_t> tensor_of_;
};

}  // namespace detail

/// Describes an IntegerModel as a .tflite file.
/// Errors:    as save_tflite
STET_ENTRY ModelInfo describe(const IntegerModel& model, const TfliteIntegerOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY ModelInfo describe(const IntegerModel& model, const TfliteIntegerOptions& options) {
  return detail::IntegerExporter(model, options).run();
}
#endif

}  // namespace stet::tflite
