#pragma once
// Integer formats: the files that an IntegerModel becomes, and what keeps it out of each. Writers and check() ask the same.

#include <stet/core/entry.hpp>
#include <stet/graph/integer_structure.hpp>

#include <vector>

#if STET_DEFINE_DEPLOYMENT
#include <stet/integer/elementwise_parameters.hpp>
#include <stet/integer/layer.hpp>
#include <stet/integer/reduction.hpp>
#include <stet/io/tflite/window_plan.hpp>

#include <string>
#include <variant>
#endif

namespace stet {

/// Files that save_tflite, save_onnx and save_c_weights make of an IntegerModel.
enum class IntegerFormat { tflite, onnx, c };

inline constexpr IntegerFormat integer_formats[] = {IntegerFormat::tflite, IntegerFormat::onnx, IntegerFormat::c};

/// Name of a format, as in messages.
inline const char* name(IntegerFormat format) {
  switch (format) {
    case IntegerFormat::tflite: return ".tflite";
    case IntegerFormat::onnx: return ".onnx";
    case IntegerFormat::c: return "C";
  }
  return "unknown";
}

/// What of a model is looked at.
enum class FormatQuestion {
  shapes,  ///< operators, attributes and shapes alone: what is known before training
  all      ///< scales and codes too
};

/// Everything that keeps the sound nodes of a model out of a format, by node. Nodes in which check_structure finds a fault
/// are passed over, and with them a model whose nodes cannot be read one by one.
STET_ENTRY std::vector<IntegerFault> format_faults(IntegerFormat format, const IntegerModel& model,
                                                   FormatQuestion question = FormatQuestion::all);

#if STET_DEFINE_DEPLOYMENT

namespace detail {

class FormatCheck {
 public:
  FormatCheck(IntegerFormat format, const IntegerModel& model) : format_(format), model_(model) {}

  std::vector<IntegerFault> run(FormatQuestion question) {
    const IntegerStructure structure = check_structure(model_);
    if (!structure.readable) return {};
    for (std::size_t i = 0; i < model_.nodes.size(); ++i) {
      const int index = static_cast<int>(i);
      const IntegerNode& node = model_.nodes[i];
      if (structure.has_fault(index)) continue;
      try {
        if (format_ == IntegerFormat::tflite) check_tflite(node);
        if (question == FormatQuestion::all) check_numbers(node);
      } catch (const Error& e) {
        faults_.push_back({e.code(), index, node.name, e.what()});
      }
    }
    if (format_ == IntegerFormat::c) check_c();
    return std::move(faults_);
  }

 private:
  const IntegerValue& value(int i) const { return model_.values[static_cast<std::size_t>(i)]; }
  integer::Quantized in(const IntegerNode& node, std::size_t i) const {
    const QParams& p = value(node.inputs[i]).params;
    return {p.scale[0], p.zero_point[0]};
  }
  integer::QuantizedOutput out(const IntegerNode& node, Activation activation) const {
    const QParams& p = value(node.output).params;
    return {p.scale[0], p.zero_point[0], activation, p.grid};
  }
  const Shape& image(const IntegerNode& node) const {
    const Shape& x = value(node.inputs[0]).shape;
    require(x.rank() == 3, Errc::shape, "reads a value of shape {}, needs [H,W,C]", x);
    return x;
  }
  tflite::WindowPlan window(const IntegerNode& node, Pair size, Pair stride, Pair dilation, const Padding& padding) const {
    const Shape& x = image(node);
    return tflite::plan_window(make_window("window", x[0], x[1], size, stride, dilation, padding), padding);
  }
  template <class Layer>
  void layer_window(const IntegerNode& node, const Layer& o) const {
    const Shape& w = o.weights.shape();
    (void)window(node, Pair(static_cast<int>(w[1]), static_cast<int>(w[2])), o.stride, o.dilation, o.padding);
  }

  void check_tflite(const IntegerNode& node) const {
    namespace op = integer_op;
    for (const std::int64_t d : value(node.output).shape.dims()) {
      require(d < std::int64_t{1} << 31, Errc::range, "makes {}, whose dimensions must be below 2^31", value(node.output).shape);
    }
    if (std::holds_alternative<op::Mean>(node.op)) (void)image(node);
    if (const auto* conv = std::get_if<op::Conv2D>(&node.op)) layer_window(node, *conv);
    if (const auto* depthwise = std::get_if<op::DepthwiseConv2D>(&node.op)) layer_window(node, *depthwise);
    if (const auto* max = std::get_if<op::MaxPool>(&node.op)) (void)window(node, max->size, max->stride, 1, max->padding);
    if (const auto* average = std::get_if<op::AveragePool>(&node.op)) {
      require(!window(node, average->size, average->stride, 1, average->padding).explicit_pad, Errc::unsupported,
              "AVERAGE_POOL_2D leaves out the padding of SAME and knows no other; pad as SAME or VALID");
    }
  }

  // Every value has a row in the table, whether a node makes it or not.
  void check_c() {
    for (std::size_t v = 0; v < model_.values.size(); ++v) {
      const Shape& shape = model_.values[v].shape;
      if (shape.rank() >= 1 && shape.rank() <= 3 && shape.elements() < std::int64_t{1} << 31) continue;
      int maker = -1;
      for (std::size_t i = 0; i < model_.nodes.size(); ++i) {
        if (model_.nodes[i].output == static_cast<int>(v)) maker = static_cast<int>(i);
      }
      faults_.push_back({Errc::unsupported, maker, model_.values[v].name,
                         fmt::format("shape {} is not one to three dimensions of fewer than 2^31 elements", shape)});
    }
    if (model_.outputs.size() == 1) return;
    faults_.push_back({Errc::unsupported, -1, "the model",
                       fmt::format("has {} outputs; a table names one", model_.outputs.size())});
  }

  void check_numbers(const IntegerNode& node) const {
    if (format_ == IntegerFormat::c) return check_arithmetic(targets::tflite_micro, node);
    check_arithmetic(model_.target, node);
    // Integers for a runtime of another format must still run in LiteRT.
    if (format_ == IntegerFormat::tflite && model_.target != targets::tflite_reference &&
        model_.target != targets::litert_default) {
      check_arithmetic(targets::litert_default, node);
    }
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
      const Shape& x = image(node);
      const auto y = out(node, Activation::none);
      (void)integer::make_mean(target, in(node, 0).scale, in(node, 0).zero_point, y.scale, y.zero_point, x[0] * x[1]);
    } else if (const auto* conv = std::get_if<op::Conv2D>(&node.op)) {
      check_layer(target, node, *conv, integer::LayerKind::convolution);
    } else if (const auto* depthwise = std::get_if<op::DepthwiseConv2D>(&node.op)) {
      check_layer(target, node, *depthwise, integer::LayerKind::depthwise);
    } else if (const auto* linear = std::get_if<op::Linear>(&node.op)) {
      check_layer(target, node, *linear, integer::LayerKind::linear);
    }
  }
  template <class Layer>
  void check_layer(const Target& target, const IntegerNode& node, const Layer& o, integer::LayerKind kind) const {
    (void)integer::layer_requantizer(target, kind, value(node.inputs[0]).params, o.weight_scale, o.bias.span(),
                                     value(node.output).params, o.activation);
  }

  IntegerFormat format_;
  const IntegerModel& model_;
  std::vector<IntegerFault> faults_{};
};

}  // namespace detail

STET_ENTRY std::vector<IntegerFault> format_faults(IntegerFormat format, const IntegerModel& model,
                                                   FormatQuestion question) {
  return detail::FormatCheck(format, model).run(question);
}

#endif

}  // namespace stet
