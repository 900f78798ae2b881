#pragma once
// What of an IntegerModel cannot be written as .tflite: all of it, found before anything is written.

#include <stet/graph/integer_model.hpp>
#include <stet/integer/elementwise.hpp>
#include <stet/integer/layer.hpp>
#include <stet/integer/reduction.hpp>
#include <stet/io/tflite/int4.hpp>
#include <stet/io/tflite/model_writer.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace stet {

/// How save_tflite writes an IntegerModel.
struct TfliteIntegerOptions {
  bool float_input = false;   ///< real input, which a QUANTIZE operator turns into codes; else codes go in
  bool float_output = false;  ///< DEQUANTIZE at the end; else codes come out
  bool int4_weights = false;  ///< two weights per byte in convolutions and linear layers whose codes all lie in -7..7
  std::int64_t batch = 1;     ///< first dimension of all shapes; runtimes can resize it
  std::string description = "stet";
};

}  // namespace stet

namespace stet::tflite::detail {

/// Whether a layer's weights go into the file with 4 bits.
inline bool writes_int4(const IntegerNode& node, const TfliteIntegerOptions& options) {
  const auto small = [](const auto* layer) { return layer != nullptr && fits_int4(layer->weights.span()); };
  return options.int4_weights &&
         (small(std::get_if<integer_op::Conv2D>(&node.op)) || small(std::get_if<integer_op::Linear>(&node.op)));
}

inline WindowPlan window_of(const Shape& image, Pair size, Pair stride, Pair dilation, const stet::Padding& padding) {
  require(image.rank() == 3, Errc::shape, "reads a value of shape {}, needs [H,W,C]", image);
  return plan_window(make_window("window", image[0], image[1], size, stride, dilation, padding), padding);
}

class IntegerCheck {
 public:
  IntegerCheck(const IntegerModel& model, const TfliteIntegerOptions& options)
      : model_(model), options_(options), made_(model.values.size(), false) {}

  void run() {
    for (const IntegerValue& v : model_.values) check(v);
    bool packed = false;
    if (problems_.empty()) {
      for (const IntegerNode& node : model_.nodes) {
        check(node);
        packed = packed || writes_int4(node, options_);
      }
    }
    if (model_.outputs.empty()) problem("the model", "has no output");
    for (const int out : model_.outputs) {
      if (problems_.empty() && !made(out))
        problem("the model", fmt::format("has value {} as output, which no node makes", out));
    }
    require(problems_.empty(), Errc::unsupported, "save_tflite: cannot be written as int8:{}", problems_);
    if (!options_.int4_weights) return;
    require(packed, Errc::unsupported,
            "save_tflite: int4_weights: no convolution or linear layer has weight codes within -7..7; train with 4-bit "
            "weights and apply int4_weights() to the integer model");
    require(model_.target.convolution == integer::Requantization::double_rounding, Errc::unsupported,
            "save_tflite: int4_weights: LiteRT runs such layers in builtin kernels, which round in another way than "
            "target {}; set the model's target to tflite_reference, whose kernels are exact",
            model_.target.name);
  }

 private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  const IntegerValue& value(int i) const { return model_.values[index(i)]; }
  bool made(int i) const { return i >= 0 && index(i) < made_.size() && made_[index(i)]; }
  void problem(const std::string& name, const std::string& text) { problems_ += "\n  " + name + ": " + text; }

  void check(const IntegerValue& v) {
    if (v.params.scale.size() != 1 || v.params.zero_point.size() != 1) {
      return problem(v.name, "a value needs one scale and zero point");
    }
    if (!v.params.grid.fits_int8()) {
      return problem(v.name, fmt::format("codes {}..{} do not fit int8", v.params.grid.lo, v.params.grid.hi));
    }
    try {
      stet::check("scale", v.params, v.shape);
    } catch (const Error& e) {
      problem(v.name, e.what());
    }
  }

  void check(const IntegerNode& node) {
    namespace op = integer_op;
    const bool quantize = std::holds_alternative<op::Quantize>(node.op);
    const bool two = std::holds_alternative<op::Add>(node.op) || std::holds_alternative<op::Sub>(node.op) ||
                     std::holds_alternative<op::Mul>(node.op);
    bool complete = node.output >= 0 && index(node.output) < made_.size() && !made_[index(node.output)];
    for (const int in : node.inputs) complete = complete && made(in);
    const std::size_t count = node.inputs.size();
    complete = complete && (std::holds_alternative<op::Concat>(node.op) ? count >= 1
                                                                        : count == (quantize ? 0u
                                                                                    : two    ? 2u
                                                                                             : 1u));
    if (!complete) return problem(node.name, "reads or makes a value that is not there");
    made_[index(node.output)] = true;
    try {
      check_arithmetic(model_.target, node);
      // Integers for a runtime of another format must still run in LiteRT.
      if (model_.target != targets::tflite_reference && model_.target != targets::litert_default) {
        check_arithmetic(targets::litert_default, node);
      }
    } catch (const Error& e) {
      problem(node.name, e.what());
    }
  }

  integer::Quantized in(const IntegerNode& node, std::size_t i) const {
    const QParams& p = value(node.inputs[i]).params;
    return {p.scale[0], p.zero_point[0]};
  }
  integer::QuantizedOutput out(const IntegerNode& node, Activation activation) const {
    const QParams& p = value(node.output).params;
    return {p.scale[0], p.zero_point[0], activation, p.grid};
  }

  // The same functions with which the engine prepares the operator: what they refuse, a runtime aborts on.
  void check_arithmetic(const Target& target, const IntegerNode& node) const {
    namespace op = integer_op;
    if (const auto* add = std::get_if<op::Add>(&node.op)) {
      (void)integer::make_add(target, in(node, 0), in(node, 1), out(node, add->activation));
    } else if (const auto* sub = std::get_if<op::Sub>(&node.op)) {
      (void)integer::make_add(target, in(node, 0), in(node, 1), out(node, sub->activation), true);
    } else if (const auto* mul = std::get_if<op::Mul>(&node.op)) {
      (void)integer::make_multiply(target, in(node, 0), in(node, 1), out(node, mul->activation));
    } else if (std::holds_alternative<op::Mean>(node.op)) {
      const Shape& x = value(node.inputs[0]).shape;
      require(x.rank() == 3, Errc::shape, "reads a value of shape {}, needs [H,W,C]", x);
      const auto y = out(node, Activation::none);
      (void)integer::make_mean(target, in(node, 0).scale, in(node, 0).zero_point, y.scale, y.zero_point, x[0] * x[1]);
    } else if (const auto* conv = std::get_if<op::Conv2D>(&node.op)) {
      check_layer(target, node, *conv, integer::LayerKind::convolution, 4, 0);
      window(node, kernel(conv->weights), conv->stride, conv->dilation, conv->padding);
    } else if (const auto* depthwise = std::get_if<op::DepthwiseConv2D>(&node.op)) {
      check_layer(target, node, *depthwise, integer::LayerKind::depthwise, 4, 3);
      window(node, kernel(depthwise->weights), depthwise->stride, depthwise->dilation, depthwise->padding);
    } else if (const auto* linear = std::get_if<op::Linear>(&node.op)) {
      check_layer(target, node, *linear, integer::LayerKind::linear, 2, 0);
    } else if (const auto* max = std::get_if<op::MaxPool>(&node.op)) {
      window(node, max->size, max->stride, 1, max->padding);
    } else if (const auto* average = std::get_if<op::AveragePool>(&node.op)) {
      const WindowPlan p = window(node, average->size, average->stride, 1, average->padding);
      require(!p.explicit_pad, Errc::unsupported,
              "AVERAGE_POOL_2D leaves out the padding of SAME and knows no other; pad as SAME or VALID");
    }
    check_scales(node);
  }

  WindowPlan window(const IntegerNode& node, Pair size, Pair stride, Pair dilation,
                    const stet::Padding& padding) const {
    return window_of(value(node.inputs[0]).shape, size, stride, dilation, padding);
  }
  static Pair kernel(const Tensor<std::int8_t>& w) {
    return {static_cast<int>(w.shape()[1]), static_cast<int>(w.shape()[2])};
  }

  template <class Layer>
  void check_layer(const Target& target, const IntegerNode& node, const Layer& o, integer::LayerKind kind, int rank,
                   int axis) const {
    require(o.weights.shape().rank() == rank, Errc::shape, "has weights {}, needs {} dimensions", o.weights.shape(),
            rank);
    const std::int64_t outputs = o.weights.shape()[axis];
    const auto scales = static_cast<std::int64_t>(o.weight_scale.size());
    require(
        o.bias.size() == outputs && (scales == 1 || scales == outputs) && value(node.output).shape.back() == outputs,
        Errc::shape, "has {} outputs, {} bias codes, {} weight scales and makes {}", outputs, o.bias.size(), scales,
        value(node.output).shape);
    (void)integer::layer_requantizer(target, kind, value(node.inputs[0]).params, o.weight_scale, o.bias.span(),
                                     value(node.output).params, o.activation);
  }

  // Operators that only move codes have one scale.
  void check_scales(const IntegerNode& node) const {
    namespace op = integer_op;
    const bool moves = std::holds_alternative<op::MaxPool>(node.op) ||
                       std::holds_alternative<op::AveragePool>(node.op) ||
                       std::holds_alternative<op::Concat>(node.op) || std::holds_alternative<op::Pad>(node.op) ||
                       std::holds_alternative<op::Reshape>(node.op) || std::holds_alternative<op::Transpose>(node.op) ||
                       std::holds_alternative<op::Clamp>(node.op);
    if (!moves) return;
    for (const int i : node.inputs) {
      require(value(i).params == value(node.output).params, Errc::range,
              "must keep scale and zero point, {} has others", value(i).name);
    }
  }

  const IntegerModel& model_;
  const TfliteIntegerOptions& options_;
  std::vector<bool> made_;
  std::string problems_;
};

/// Errors:    Errc::unsupported listing every node that cannot be written
inline void require_writable(const IntegerModel& model, const TfliteIntegerOptions& options) {
  IntegerCheck(model, options).run();
}

}  // namespace stet::tflite::detail
