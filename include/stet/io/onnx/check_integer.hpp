#pragma once
// check_integer: what an IntegerModel must be before a byte of it is written.

#include <stet/graph/integer_model.hpp>
#include <stet/io/onnx/options.hpp>
#include <stet/io/tflite/int4.hpp>

#include <string>
#include <variant>
#include <vector>

namespace stet::onnx {

namespace detail {

// Collects what is wrong with the nodes of a model.
class IntegerCheck {
 public:
  IntegerCheck(const IntegerModel& model, const OnnxIntegerOptions& options) : model_(model), options_(options) {}

  [[nodiscard]] std::string run() {
    std::vector<bool> made(model_.values.size(), false);
    const auto known = [&](int v) { return v >= 0 && v < static_cast<int>(model_.values.size()); };
    for (const IntegerValue& v : model_.values) {
      if (v.params.scale.size() != 1 || v.params.zero_point.size() != 1 || !v.params.grid.fits_int8()) {
        problem(v.name, "its value must have one scale and zero point, and codes that fit int8");
      }
    }
    int inputs = 0;
    for (const IntegerNode& node : model_.nodes) {
      const bool fresh = known(node.output) && !made[static_cast<std::size_t>(node.output)];
      bool fits = fresh && (node.inputs.empty() == std::holds_alternative<integer_op::Quantize>(node.op));
      for (const int in : node.inputs) fits = fits && known(in) && made[static_cast<std::size_t>(in)];
      if (fresh) made[static_cast<std::size_t>(node.output)] = true;  // else every node behind it would be named
      if (!fits) problem(node.name, "its inputs must be made before it, and its output by no other node");
      inputs += std::holds_alternative<integer_op::Quantize>(node.op) ? 1 : 0;
      if (const auto* conv = std::get_if<integer_op::Conv2D>(&node.op)) layer(node, *conv, 4, 0);
      if (const auto* depthwise = std::get_if<integer_op::DepthwiseConv2D>(&node.op)) layer(node, *depthwise, 4, 3);
      if (const auto* linear = std::get_if<integer_op::Linear>(&node.op)) layer(node, *linear, 2, 0);
    }
    for (const int out : model_.outputs) {
      if (!known(out) || !made[static_cast<std::size_t>(out)]) problem("output", "no node makes it");
    }
    if (inputs != 1 || model_.outputs.empty()) problem("model", "it must have one input and an output");
    if (options_.int4_weights && !packed_) {
      problem("int4_weights",
              "no layer has weight codes within -7..7; train with weights of 4 bits and apply "
              "int4_weights() to the integer model");
    }
    return problems_;
  }

 private:
  void problem(const std::string& node, const std::string& what) { problems_ += "\n  " + node + ": " + what; }

  template <class Op>
  void layer(const IntegerNode& node, const Op& o, int rank, int axis) {
    const Shape& w = o.weights.shape();
    if (w.rank() != rank || w.elements() == 0 || o.bias.size() != w[axis] ||
        (o.weight_scale.size() != 1 && static_cast<std::int64_t>(o.weight_scale.size()) != w[axis])) {
      problem(node.name, fmt::format("weights {}, {} scales and {} bias codes do not belong together", w,
                                     o.weight_scale.size(), o.bias.size()));
      return;
    }
    packed_ = packed_ || tflite::fits_int4(o.weights.span());
  }

  const IntegerModel& model_;
  OnnxIntegerOptions options_;
  std::string problems_;
  bool packed_ = false;
};

}  // namespace detail

/// Checks that a model can be written as ONNX.
/// Errors:    Errc::unsupported listing every node that cannot
inline void check_integer(const IntegerModel& model, const OnnxIntegerOptions& options) {
  const std::string problems = detail::IntegerCheck(model, options).run();
  require(problems.empty(), Errc::unsupported, "save_onnx: this model cannot be written:{}", problems);
}

}  // namespace stet::onnx
