#pragma once
// An IntegerModel as a .tflite description: every code, scale and zero point as it is.

#include <stet/core/entry.hpp>
#include <stet/io/tflite/integer_check.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace stet::tflite {

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

  WindowPlan window(const IntegerNode& node, Pair size, Pair stride, Pair dilation,
                    const stet::Padding& padding) const {
    return window_of(value(node.inputs[0]).shape, size, stride, dilation, padding);
  }
  static Quantization quantization(const QParams& p) { return {{p.scale[0]}, {p.zero_point[0]}, 0}; }

  std::int32_t make(const IntegerValue& v, const std::string& suffix = "") {
    return writer_.activation(v.name + suffix, v.shape, TensorType::int8, quantization(v.params));
  }
  std::int32_t input(const IntegerNode& node, std::size_t i) const { return tensor_of_[index(node.inputs[i])]; }

  void write(const IntegerNode& node) {
    namespace op = integer_op;
    if (std::holds_alternative<op::Quantize>(node.op)) return write_quantize(node);
    const IntegerValue& out = value(node.output);
    const bool limits = computes(node) && !bounded(node);
    // A value whose name goes to the real output keeps another one as codes.
    const std::string suffix = options_.float_output && is_output(node.output) ? ":codes" : "";
    const std::int32_t y = make(out, suffix + (limits ? ":wide" : ""));
    tensor_of_[index(node.output)] = y;
    const std::int32_t x = input(node, 0);
    if (const auto* conv = std::get_if<op::Conv2D>(&node.op)) {
      write_conv(node, *conv, x, y);
    } else if (const auto* depthwise = std::get_if<op::DepthwiseConv2D>(&node.op)) {
      write_depthwise(node, *depthwise, x, y);
    } else if (const auto* linear = std::get_if<op::Linear>(&node.op)) {
      write_linear(node, *linear, x, y);
    } else if (const auto* add = std::get_if<op::Add>(&node.op)) {
      binary(Builtin::add, OptionsType::add, node, y, add->activation);
    } else if (const auto* sub = std::get_if<op::Sub>(&node.op)) {
      binary(Builtin::sub, OptionsType::sub, node, y, sub->activation);
    } else if (const auto* mul = std::get_if<op::Mul>(&node.op)) {
      binary(Builtin::mul, OptionsType::mul, node, y, mul->activation);
    } else if (const auto* max = std::get_if<op::MaxPool>(&node.op)) {
      const WindowPlan p = window(node, max->size, max->stride, 1, max->padding);
      writer_.pool(Builtin::max_pool_2d, p.explicit_pad ? pad_lowest(node, x, p) : x, y, max->size, max->stride,
                   p.padding, FusedActivation::none);
    } else if (const auto* average = std::get_if<op::AveragePool>(&node.op)) {
      const WindowPlan p = window(node, average->size, average->stride, 1, average->padding);
      writer_.pool(Builtin::average_pool_2d, x, y, average->size, average->stride, p.padding, FusedActivation::none);
    } else if (std::holds_alternative<op::Mean>(node.op)) {
      // Without the reduced dimensions: with them LiteRT's optimized kernel rounds in another way.
      writer_.reduce(Builtin::mean, x, y, node.name, {0, 1}, false);
    } else if (const auto* concat = std::get_if<op::Concat>(&node.op)) {
      std::vector<std::int32_t> inputs;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(input(node, i));
      writer_.concat(std::move(inputs), y, concat->axis);
    } else if (const auto* pad = std::get_if<op::Pad>(&node.op)) {
      const WindowPlan p{Padding::valid, true, pad->top, pad->bottom, pad->left, pad->right};
      writer_.operation(Builtin::pad, {x, writer_.paddings(node.name, p)}, y, {.type = OptionsType::pad});
    } else if (std::holds_alternative<op::Reshape>(node.op)) {
      writer_.reshape(x, y, node.name, out.shape);
    } else if (const auto* transpose = std::get_if<op::Transpose>(&node.op)) {
      writer_.transpose(x, y, node.name, transpose->axes);
    } else if (const auto* clamp = std::get_if<op::Clamp>(&node.op)) {
      writer_.operation(clamp->activation == Activation::relu6 ? Builtin::relu6 : Builtin::relu, {x}, y);
    } else if (const auto* lookup = std::get_if<op::Lookup>(&node.op)) {
      write_lookup(*lookup, x, y);
    }
    if (limits) tensor_of_[index(node.output)] = limit(node, y, suffix);
  }

  void write_lookup(const integer_op::Lookup& o, std::int32_t x, std::int32_t y) {
    switch (o.function) {
      case integer::Function::leaky_relu:
        return writer_.operation(Builtin::leaky_relu, {x}, y, {.type = OptionsType::leaky_relu, .alpha = o.alpha});
      case integer::Function::sigmoid:
        return writer_.operation(Builtin::logistic, {x}, y);
      case integer::Function::tanh:
        return writer_.operation(Builtin::tanh, {x}, y);
      case integer::Function::hard_swish:
        return writer_.operation(Builtin::hard_swish, {x}, y, {.type = OptionsType::hard_swish});
    }
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
    const bool limits = v.params.grid != Grid::int8();
    const std::int32_t codes = make(v, limits ? ":codes:wide" : ":codes");
    writer_.operation(Builtin::quantize, {real}, codes, {.type = OptionsType::quantize});
    tensor_of_[index(node.output)] = limits ? limit(node, codes, ":codes") : codes;
  }

  bool is_output(int v) const {
    return std::find(model_.outputs.begin(), model_.outputs.end(), v) != model_.outputs.end();
  }

  // Whether an operator makes new codes; the others pass on those of their inputs, which lie in the grid already.
  static bool computes(const IntegerNode& node) {
    namespace op = integer_op;
    return !(std::holds_alternative<op::MaxPool>(node.op) || std::holds_alternative<op::AveragePool>(node.op) ||
             std::holds_alternative<op::Concat>(node.op) || std::holds_alternative<op::Pad>(node.op) ||
             std::holds_alternative<op::Reshape>(node.op) || std::holds_alternative<op::Transpose>(node.op) ||
             std::holds_alternative<op::Clamp>(node.op));
  }

  static Activation activation_of(const IntegerNode& node) {
    Activation a = Activation::none;
    const auto take = [&](const auto* op) {
      if (op != nullptr) a = op->activation;
    };
    take(std::get_if<integer_op::Conv2D>(&node.op));
    take(std::get_if<integer_op::DepthwiseConv2D>(&node.op));
    take(std::get_if<integer_op::Linear>(&node.op));
    take(std::get_if<integer_op::Add>(&node.op));
    take(std::get_if<integer_op::Sub>(&node.op));
    take(std::get_if<integer_op::Mul>(&node.op));
    return a;
  }

  // Whether int8 and the fused activation bound the codes to the grid already, whichever way a runtime rounds bounds.
  bool bounded(const IntegerNode& node) const {
    const QParams& p = value(node.output).params;
    if (p.grid == Grid::int8()) return true;
    bool inside = true;
    for (const auto rule : {integer::ClampRule::half_away, integer::ClampRule::half_even}) {
      const integer::Bounds b = integer::clamp_bounds(rule, activation_of(node), p.scale[0], p.zero_point[0]);
      inside = inside && b.lo >= p.grid.lo && b.hi <= p.grid.hi;
    }
    return inside;
  }

  // MINIMUM and MAXIMUM with the ends of a grid below 8 bits.
  std::int32_t limit(const IntegerNode& node, std::int32_t x, const std::string& suffix) {
    const IntegerValue& v = value(node.output);
    const Grid grid = v.params.grid;
    const bool two = grid.lo > -128 && grid.hi < 127;
    const auto bound = [&](Builtin code, std::int32_t end, const std::string& name, const std::string& tensor) {
      const std::int8_t code_of_end[] = {static_cast<std::int8_t>(end)};
      const std::int32_t constant =
          writer_.constant<std::int8_t>(node.name + name, TensorType::int8, {1}, code_of_end, quantization(v.params));
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
    const std::int8_t lowest[] = {static_cast<std::int8_t>(v.params.grid.lo)};
    const std::int32_t constant =
        writer_.constant<std::int8_t>(node.name + ":lowest", TensorType::int8, {1}, lowest, quantization(v.params));
    const Shape padded{v.shape[0] + p.top + p.bottom, v.shape[1] + p.left + p.right, v.shape[2]};
    const std::int32_t y = writer_.like(x, node.name + ":pad", padded);
    writer_.operation(Builtin::padv2, {x, writer_.paddings(node.name, p), constant}, y, {.type = OptionsType::pad_v2});
    return y;
  }

  void binary(Builtin code, OptionsType type, const IntegerNode& node, std::int32_t y, Activation activation) {
    writer_.operation(code, {input(node, 0), input(node, 1)}, y, {.type = type, .fused_activation = fused(activation)});
  }

  // Weights and bias of a layer; scales of both are those with which the engine computes.
  template <class Layer>
  std::vector<std::int32_t> layer(const IntegerNode& node, const Layer& o, std::int32_t x, int axis) {
    const std::vector<std::int64_t> zeros(o.weight_scale.size(), 0);
    const Quantization q{o.weight_scale, zeros, o.weight_scale.size() > 1 ? axis : 0};
    const auto shape = ModelWriter::dimensions(o.weights.shape());
    std::int32_t weights = -1;
    if (writes_int4(node, options_)) {
      const auto bytes = packed_int4(o.weights.span());
      weights = writer_.constant<std::uint8_t>(node.name + ".weight", TensorType::int4, shape, bytes, q);
    } else {
      weights = writer_.constant<std::int8_t>(node.name + ".weight", TensorType::int8, shape, o.weights.span(), q);
    }
    Quantization b{{}, zeros, 0};
    for (const float s : o.weight_scale) b.scale.push_back(value(node.inputs[0]).params.scale[0] * s);
    const std::int32_t bias = writer_.constant<std::int32_t>(node.name + ".bias", TensorType::int32,
                                                             ModelWriter::dimensions(o.bias.shape()), o.bias.span(), b);
    return {x, weights, bias};
  }

  void write_conv(const IntegerNode& node, const integer_op::Conv2D& o, std::int32_t x, std::int32_t y) {
    const Shape& w = o.weights.shape();
    const WindowPlan p =
        window(node, Pair(static_cast<int>(w[1]), static_cast<int>(w[2])), o.stride, o.dilation, o.padding);
    if (p.explicit_pad) x = writer_.pad(x, node.name, value(node.inputs[0]).shape, p);
    writer_.operation(Builtin::conv_2d, layer(node, o, x, 0), y,
                      {.type = OptionsType::conv_2d,
                       .padding = p.padding,
                       .stride_w = o.stride.width,
                       .stride_h = o.stride.height,
                       .dilation_w = o.dilation.width,
                       .dilation_h = o.dilation.height,
                       .fused_activation = fused(o.activation)});
  }

  void write_depthwise(const IntegerNode& node, const integer_op::DepthwiseConv2D& o, std::int32_t x, std::int32_t y) {
    const Shape& w = o.weights.shape();
    const WindowPlan p =
        window(node, Pair(static_cast<int>(w[1]), static_cast<int>(w[2])), o.stride, o.dilation, o.padding);
    if (p.explicit_pad) x = writer_.pad(x, node.name, value(node.inputs[0]).shape, p);
    writer_.operation(Builtin::depthwise_conv_2d, layer(node, o, x, 3), y,
                      {.type = OptionsType::depthwise_conv_2d,
                       .padding = p.padding,
                       .stride_w = o.stride.width,
                       .stride_h = o.stride.height,
                       .dilation_w = o.dilation.width,
                       .dilation_h = o.dilation.height,
                       .depth_multiplier = o.multiplier,
                       .fused_activation = fused(o.activation)});
  }

  void write_linear(const IntegerNode& node, const integer_op::Linear& o, std::int32_t x, std::int32_t y) {
    writer_.operation(Builtin::fully_connected, layer(node, o, x, 0), y,
                      {.type = OptionsType::fully_connected,
                       .fused_activation = fused(o.activation),
                       .keep_num_dims = value(node.output).shape.rank() > 1});
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
#if STET_DEFINE_DEPLOYMENT
STET_ENTRY ModelInfo describe(const IntegerModel& model, const TfliteIntegerOptions& options) {
  return detail::IntegerExporter(model, options).run();
}
#endif

}  // namespace stet::tflite
