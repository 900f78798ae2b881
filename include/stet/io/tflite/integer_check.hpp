#pragma once
// What of an IntegerModel cannot be written as .tflite: all of it, found before anything is written.

#include <stet/graph/integer_structure.hpp>
#include <stet/integer/elementwise.hpp>
#include <stet/integer/layer.hpp>
#include <stet/integer/reduction.hpp>
#include <stet/io/int4.hpp>
#include <stet/io/tflite/model_writer.hpp>

#include <cstdint>
#include <string>
#include <variant>

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
      : model_(model), options_(options) {}

  void run() {
    const IntegerStructure structure = check_structure(model_);
    problems_ = structure.text();
    bool packed = false;
    for (std::size_t i = 0; structure.readable && i < model_.nodes.size(); ++i) {
      const IntegerNode& node = model_.nodes[i];
      packed = packed || writes_int4(node, options_);
      if (!structure.has_fault(static_cast<int>(i))) check(node);
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
  void problem(const std::string& name, const std::string& text) { problems_ += "\n  " + name + ": " + text; }

  void check(const IntegerNode& node) {
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
      check_layer(target, node, *conv, integer::LayerKind::convolution);
      window(node, kernel(conv->weights), conv->stride, conv->dilation, conv->padding);
    } else if (const auto* depthwise = std::get_if<op::DepthwiseConv2D>(&node.op)) {
      check_layer(target, node, *depthwise, integer::LayerKind::depthwise);
      window(node, kernel(depthwise->weights), depthwise->stride, depthwise->dilation, depthwise->padding);
    } else if (const auto* linear = std::get_if<op::Linear>(&node.op)) {
      check_layer(target, node, *linear, integer::LayerKind::linear);
    } else if (const auto* max = std::get_if<op::MaxPool>(&node.op)) {
      window(node, max->size, max->stride, 1, max->padding);
    } else if (const auto* average = std::get_if<op::AveragePool>(&node.op)) {
      const WindowPlan p = window(node, average->size, average->stride, 1, average->padding);
      require(!p.explicit_pad, Errc::unsupported,
              "AVERAGE_POOL_2D leaves out the padding of SAME and knows no other; pad as SAME or VALID");
    }
  }

  WindowPlan window(const IntegerNode& node, Pair size, Pair stride, Pair dilation,
                    const stet::Padding& padding) const {
    return window_of(value(node.inputs[0]).shape, size, stride, dilation, padding);
  }
  static Pair kernel(const Tensor<std::int8_t>& w) {
    return {static_cast<int>(w.shape()[1]), static_cast<int>(w.shape()[2])};
  }

  template <class Layer>
  void check_layer(const Target& target, const IntegerNode& node, const Layer& o, integer::LayerKind kind) const {
    (void)integer::layer_requantizer(target, kind, value(node.inputs[0]).params, o.weight_scale, o.bias.span(),
                                     value(node.output).params, o.activation);
  }

  const IntegerModel& model_;
  const TfliteIntegerOptions& options_;
  std::string problems_;
};

/// Errors:    Errc::unsupported listing every node that cannot be written
inline void require_writable(const IntegerModel& model, const TfliteIntegerOptions& options) {
  IntegerCheck(model, options).run();
}

}  // namespace stet::tflite::detail
