#pragma once
// FloatWriter: how the operators of a float model become ONNX operators; each operator's function says which.

#include <stet/core/rounding.hpp>
#include <stet/graph/activation_ranges.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/onnx/graph_writer.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/quantize.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

/// Real values, or 16-bit codes of them between operators that compute in float.
class FloatWriter : public GraphWriter {
 public:
  FloatWriter(const Model& from, const OnnxOptions& options)
      : GraphWriter(from.graph(), options.layout, options.batch, options.format == OnnxFormat::int16x8), model_(from) {
    if (options.format != OnnxFormat::int16x8) return;
    check("save_onnx: int16x8", options.ranges, from.graph());
    for (const Site& s : sites()) scale_.push_back(code_scale(s, options.ranges.of_node[at(s.output)]));
  }

  /// For a file of codes that has come to an operator of reals: the last node of a model. Who moves the file in takes it back.
  FloatWriter(GraphWriter&& file, const Model& from) : GraphWriter(std::move(file)), model_(from), node_(from.graph().size() - 1) {}

  /// Whether activations are 16-bit codes.
  [[nodiscard]] bool coded() const { return !scale_.empty(); }

  [[nodiscard]] const Tensor<float>* tensor(graph::Role role) const {
    const int node = node_ < 0 ? output() : node_;
    for (const NamedParameter& p : model_.parameters()) {
      if (p.node == node && p.role == role) return &p.parameter.value;
    }
    for (const NamedBuffer& b : model_.buffers()) {
      if (b.node == node && b.role == role) return &b.value;
    }
    return nullptr;
  }
  [[nodiscard]] const Tensor<float>& weights() const { return *tensor(graph::Role::weight); }
  /// One number per channel, as a constant of its own.
  std::string vector(graph::Role role, const char* suffix) { return list(name() + suffix, tensor(role)->span()); }

  /// Adds the node's operator and places what it makes.
  void emit(const std::string& op_type, Names inputs, Layout layout, AttributeList attributes = {}) {
    place_reals(add(op_type, name(), std::move(inputs), std::move(attributes)), layout);
  }
  /// The same of one that moves its inputs' elements.
  void emit_moved(const std::string& op_type, Names inputs, Layout layout, AttributeList attributes = {}) {
    emit(op_type, std::move(inputs), layout, std::move(attributes));
  }
  /// The same of one that computes with all its inputs in their layout.
  template <class Op>
  void emit_computed(const Op&, const std::string& op_type, AttributeList attributes = {}) {
    const Layout in = layout(input());
    emit(op_type, get_inputs(in), in, std::move(attributes));
  }
  /// The same of a layer that adds its bias itself; `axis` of the weights counts outputs. Between 16-bit codes the
  /// bias is int32 at input scale * weight scale: ONNX Runtime makes it so anyway, and without looking whether it fits.
  /// Where it would not, the weights are tiny beside it and their scale grows.
  void emit_layer(const std::string& op_type, Layout layout, Ints dims, const std::vector<float>& values,
                  AttributeList attributes, int axis = 0) {
    Names inputs{get(input(), layout)};
    const Tensor<float>* bias = tensor(graph::Role::bias);
    std::vector<float> least, scales;
    for (std::int64_t c = 0; bias != nullptr && coded() && c < bias->size(); ++c) {
      least.push_back(std::fabs((*bias)[c]) / (scale_in() * 0x1p30f));
    }
    inputs.push_back(weight(std::move(dims), values, axis, least, &scales));
    if (bias != nullptr) inputs.push_back(coded() ? bias_codes(*bias, scales) : vector(graph::Role::bias, ".bias"));
    emit(op_type, std::move(inputs), layout, std::move(attributes));
  }

  /// Places a value as the node's output, by way of its 16-bit codes if it has any.
  void place_reals(const std::string& reals, Layout layout) {
    const float s = coded() ? scale_[at(output())] : 0.0f;
    if (s == 0.0f) return place(reals, layout);
    const std::string scale = scalar(name() + ".scale", s);
    const std::string zero = scalar(name() + ".zero_point", std::int16_t{0});
    const std::string codes = add("QuantizeLinear", name() + "_quantized", {reals, scale, zero});
    place(add("DequantizeLinear", name() + "_dequantized", {codes, scale, zero}), layout);
  }
  /// Weights of a layer; as codes of 8 bits per channel, whose scales are at least `least`, if activations are codes.
  std::string weight(Ints dims, const std::vector<float>& values, int axis, const std::vector<float>& least = {},
                     std::vector<float>* scales = nullptr) {
    const std::string of = name() + ".weight";
    if (!coded()) return constant(of, std::move(dims), values);
    const Tensor<float> w(Shape(std::span<const std::int64_t>(dims)), values);
    QParams p = weight_qparams(w, Granularity::per_channel(axis), Grid::narrow(8));
    for (std::size_t c = 0; c < least.size(); ++c) p.scale[c] = std::max(p.scale[c], least[c]);
    const QTensor q = quantize(w, p);
    if (scales != nullptr) *scales = p.scale;
    return add("DequantizeLinear", of + "_dequantized",
               {constant(make_tensor(of, std::move(dims), q.codes.span())), list(of + "_scale", p.scale),
                list(of + "_zero_point", std::vector<std::int8_t>(p.scale.size(), 0))},
               {attribute("axis", axis)});
  }

  /// An output has its node's name, and a value of its own; an input keeps its name for itself.
  void finish(int id) {
    std::string found = get(id, outer_layout(id)), wanted = value_name(id);
    bool shared = false;
    for (const ValueInfo& v : model.inputs) {
      shared = shared || v.name == found;
      while (v.name == value_name(id) && is_value(wanted)) wanted += "_output";
    }
    for (const ValueInfo& v : model.outputs) shared = shared || v.name == found;
    if (shared) found = add("Identity", wanted, {found});
    rename(found, wanted);
    model.outputs.push_back(outer(id, wanted));
  }

 private:
  // Scale of codes -32767..32767 that reach to the larger end of a range; 0 for a value that stays as it is, because it
  // only moves codes or because the activation behind it decides.
  // Formula:   s = max(|lo|, |hi|) / 32767, or 1/32767 if that is 0
  [[nodiscard]] float code_scale(const Site& s, const Range& r) const {
    if (graph::keeps_values(s.op)) return 0.0f;
    if (readers(s.output).size() == 1 && !is_output(s.output)) {
      const graph::Operator& next = sites()[readers(s.output)[0]].op;
      if (graph::clamp_of(next) != Activation::none || graph::is<graph::op::BatchNorm>(next)) return 0.0f;
    }
    const float scale = std::max(std::fabs(r.lo), std::fabs(r.hi)) / 32767.0f;
    return scale > 0.0f && std::isfinite(1.0f / scale) ? scale : 1.0f / 32767.0f;
  }
  // Scale of the 16-bit codes that the node reads.
  [[nodiscard]] float scale_in() const {
    int id = input();
    while (scale_[at(id)] == 0.0f) id = sites()[at(id)].inputs[0];
    return scale_[at(id)];
  }
  std::string bias_codes(const Tensor<float>& bias, std::vector<float> scales) {
    std::vector<std::int32_t> codes;
    for (std::size_t c = 0; c < scales.size(); ++c) {
      scales[c] *= scale_in();
      const double real = static_cast<double>(bias.span()[c]) / static_cast<double>(scales[c]);
      codes.push_back(static_cast<std::int32_t>(round_half_even(real)));
    }
    const std::string of = name() + ".bias";
    return add("DequantizeLinear", of + "_dequantized", {list(of, codes), list(of + "_scale", scales)},
               {attribute("axis", 0)});
  }

  const Model& model_;
  int node_ = -1;               // the only one that is written; -1: all are
  std::vector<float> scale_{};  // of 16-bit codes, per node; empty in float files
};

}  // namespace stet::onnx
