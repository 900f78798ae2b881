#pragma once
// IntegerWriter: how the operators of an integer model become ONNX operators between QuantizeLinear and DequantizeLinear, in
// the form that ONNX Runtime fuses into integer operators; each operator's function says which.

#include <stet/graph/resolve.hpp>
#include <stet/io/int4.hpp>
#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/graph_writer.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace stet::onnx {

/// Codes, called "<value>_quantized". Operators that only move codes stand on the codes themselves; all others read one
/// DequantizeLinear per input and end in one QuantizeLinear. Where an activation or a grid of fewer bits bounds the codes
/// inside of their 8 bits, a Clip on codes follows.
class IntegerWriter : public GraphWriter {
 public:
  /// What writes an operator of a float model.
  using WriteReal = void (*)(const graph::Operator&, FloatWriter&);

  IntegerWriter(const IntegerModel& from, const OnnxIntegerOptions& options, WriteReal write_real)
      : GraphWriter(from, options.layout, options.batch, options.int4_weights),
        model_(from),
        options_(options),
        write_real_(write_real),
        scale_(from.values.size()),
        zero_(from.values.size()) {}

  [[nodiscard]] const Affine& codes_in() const { return codes(input()); }
  [[nodiscard]] const Tensor<std::int8_t>& weights() const { return node().constants.weights; }
  /// The parameters of the node's operator.
  template <class Op>
  [[nodiscard]] auto resolve(const Op& o) const {
    return NodeSite(model_, node()).resolve(o);
  }

  /// A scalar of the type of the activations that stands for an int8 code.
  std::string code(const std::string& name, std::int32_t q) {
    if (uint8()) return scalar(name, static_cast<std::uint8_t>(q + 128));
    return scalar(name, static_cast<std::int8_t>(q));
  }
  /// An input as real values.
  std::string real(std::size_t i, Layout layout) { return dequantize(input(i), layout); }
  /// The output's codes from whole numbers in float, which are their values in the type of the activations.
  std::string code_cast(const std::string& numbers) {
    const DataType type = uint8() ? DataType::uint8 : DataType::int8;
    return add("Cast", name() + "_codes", {numbers}, value_name(output()) + "_quantized", {attribute("to", static_cast<int>(type))});
  }
  /// Real values to the output's codes, between bounds.
  std::string quantize(const std::string& reals, integer::Bounds b) {
    const int v = output();
    make_params(v);
    const bool cut = b.lo > -128 || b.hi < 127;
    const std::string& of = value_name(v);
    const std::string made =
        add("QuantizeLinear", of + (cut ? "_saturated" : "_quantized"), {reals, scale_[at(v)], zero_[at(v)]});
    return cut ? clip(of + "_clip", made, b) : made;
  }
  std::string quantize(const std::string& reals) {
    return quantize(reals, {codes(output()).grid.lo, codes(output()).grid.hi});
  }
  /// Codes cut to bounds: the output's.
  std::string clip(const std::string& node_name, const std::string& from, integer::Bounds b) {
    const std::string& of = value_name(output());
    return add("Clip", node_name, {from, code(of + ".lo", b.lo), code(of + ".hi", b.hi)}, of + "_quantized");
  }

  /// Adds the node's operator as in a float model, on the real values of its inputs; where others read codes of what it makes,
  /// they are quantized.
  /// Source:    ONNX Runtime core/optimizer/qdq_transformer/weight_bias_quantization.cc
  void emit_real(const graph::RealFunction& function) {
    std::map<int, LayoutNames> codes_of;  // by input, while their names are those of reals
    for (const int v : site().inputs) {
      if (model_.values[at(v)].real || codes_of.contains(v)) continue;
      const Layout in = layout(v);
      // Between a DequantizeLinear and a QuantizeLinear ONNX Runtime takes an operator for one of integers, and quantizes its
      // weights itself. A sum of one value keeps them apart.
      const std::string made = add("Sum", value_name(v) + "_real", {dequantize(v, in)});
      LayoutNames& names = codes_of[v];
      exchange_names(v, names);
      place(v, made, in);
    }
    FloatWriter reals(std::move(static_cast<GraphWriter&>(*this)), *function.model());
    write_real_(function.graph().nodes().back().op, reals);
    static_cast<GraphWriter&>(*this) = std::move(static_cast<GraphWriter&>(reals));
    for (auto& [v, names] : codes_of) exchange_names(v, names);
    if (model_.values[at(output())].real) return;
    LayoutNames names;
    const Layout in = layout(output());
    const std::string made = get(output(), in);
    exchange_names(output(), names);
    place(quantize(made), in);
  }

  /// Adds the node's operator on real values and returns what it makes.
  std::string add_reals(const std::string& op_type, Names inputs, AttributeList attributes = {}) {
    return add(op_type, name(), std::move(inputs), value_name(output()), std::move(attributes));
  }
  /// Adds the node's operator, which moves codes, and places what it makes.
  void emit_moved(const std::string& op_type, Names inputs, Layout layout, AttributeList attributes = {}) {
    place(add(op_type, name(), std::move(inputs), value_name(output()) + "_quantized", std::move(attributes)), layout);
  }
  /// The same of one that computes with all its inputs in the layout of the first.
  template <class Op>
  void emit_computed(const Op& o, const std::string& op_type, AttributeList attributes = {}) {
    const Layout in = layout(input());
    Names inputs;
    for (std::size_t i = 0; i < site().inputs.size(); ++i) inputs.push_back(real(i, in));
    const std::string made = add_reals(op_type, std::move(inputs), std::move(attributes));
    if constexpr (requires { resolve(o).bounds; }) {
      place(quantize(made, resolve(o).bounds), in);
    } else {
      place(quantize(made), in);
    }
  }
  /// Codes that the node holds: one sample, which runtimes repeat over the batch.
  void place_constant(const Tensor<std::int8_t>& codes) {
    Ints dims(codes.shape().dims().begin(), codes.shape().dims().end());
    dims.insert(dims.begin(), 1);
    const std::string of = value_name(output()) + "_quantized";
    const std::vector<std::int8_t> own(codes.span().begin(), codes.span().end());
    place(uint8() ? constant(of, std::move(dims), uint8_codes(codes.span())) : constant(of, std::move(dims), own), Layout::last);
  }
  /// The same of a function of one number that the runtime would round otherwise, or has no operator of: codes are gathered
  /// from its table.
  void emit_lookup(const integer::Table& table) {
    const Layout in = layout(input());
    std::string index = add("Cast", name() + "_wide", {get(input(), in)}, {attribute("to", static_cast<int>(DataType::int32))});
    if (!uint8()) index = add("Add", name() + "_index", {index, scalar(name() + ".middle", std::int32_t{128})});
    Names inputs{uint8() ? list(name() + ".table", uint8_codes(table)) : list(name() + ".table", std::span<const std::int8_t>(table)),
                 index};
    place(add("Gather", name(), std::move(inputs), value_name(output()) + "_quantized", {attribute("axis", 0)}), in);
  }
  /// The same of a layer: weight codes, one output after the other, and bias codes, dequantized. A bias means input scale *
  /// weight scale, as ONNX Runtime assumes without looking.
  void emit_layer(const std::string& op_type, Layout layout, Ints dims, const std::vector<std::int8_t>& weight_codes,
                  AttributeList attributes, int weight_axis = 0) {
    const std::vector<float>& scale = node().constants.weight_scale;
    const bool per_channel = scale.size() > 1, packed = options_.int4_weights && fits_int4(weight_codes);
    const Ints scale_dims = per_channel ? Ints{static_cast<std::int64_t>(scale.size())} : Ints{};
    const auto axis = [&](int of) { return per_channel ? AttributeList{attribute("axis", of)} : AttributeList{}; };
    std::vector<float> bias_scale;
    for (const float s : scale) bias_scale.push_back(codes_in().scale * s);

    const std::string weight = name() + ".weight", bias = name() + ".bias";
    Names weight_inputs{packed ? constant({weight, DataType::int4, std::move(dims), packed_int4(weight_codes)})
                               : constant(weight, std::move(dims), weight_codes),
                        constant(weight + "_scale", scale_dims, scale)};
    if (!packed) {
      weight_inputs.push_back(constant(weight + "_zero_point", scale_dims, std::vector<std::int8_t>(scale.size(), 0)));
    }
    Names bias_inputs{list(bias, node().constants.bias.span()), constant(bias + "_scale", scale_dims, bias_scale)};
    Names inputs{real(0, layout), add("DequantizeLinear", weight + "_dequantized", std::move(weight_inputs), axis(weight_axis)),
                 add("DequantizeLinear", bias + "_dequantized", std::move(bias_inputs), axis(0))};
    const Affine& y = codes(output());
    const integer::Bounds bounds =
        integer::clamp_bounds(model_.target.weighted_clamp, node().activation, y.scale, y.zero_point, y.grid);
    place(quantize(add_reals(op_type, std::move(inputs), std::move(attributes)), bounds), layout);
  }

  /// An output leaves as real numbers under its value's name, or as codes.
  void finish(int v) {
    const std::string from = get(v, outer_layout(v));
    const std::string& of = value_name(v);
    std::string wanted = of + (options_.output_codes ? "_quantized" : "_output");
    while (is_value(wanted)) wanted += "_output";
    if (options_.output_codes) {
      rename(from, wanted);
      model.outputs.push_back(outer(v, wanted, uint8() ? DataType::uint8 : DataType::int8));
      return;
    }
    make_params(v);
    std::string made = add("DequantizeLinear", wanted, {from, scale_[at(v)], zero_[at(v)]});
    bool entry = false;
    for (const ValueInfo& in : model.inputs) entry = entry || in.name == of;
    if (!entry) rename(std::exchange(made, of), of);
    model.outputs.push_back(outer(v, made));
  }

 private:
  std::string dequantize(int v, Layout layout) {
    const std::string from = get(v, layout);
    make_params(v);
    return add("DequantizeLinear", value_name(v) + "_dequantized", {from, scale_[at(v)], zero_[at(v)]});
  }
  [[nodiscard]] const IntegerNode& node() const { return model_.nodes[index()]; }
  [[nodiscard]] const Affine& codes(int v) const { return model_.values[at(v)].codes; }
  [[nodiscard]] bool uint8() const { return options_.activations == OnnxActivations::uint8; }
  static std::vector<std::uint8_t> uint8_codes(std::span<const std::int8_t> codes) {
    std::vector<std::uint8_t> shifted;
    for (const std::int8_t q : codes) shifted.push_back(static_cast<std::uint8_t>(q + 128));
    return shifted;
  }
  void make_params(int v) {
    if (!scale_[at(v)].empty()) return;
    scale_[at(v)] = scalar(value_name(v) + ".scale", codes(v).scale);
    zero_[at(v)] = code(value_name(v) + ".zero_point", codes(v).zero_point);
  }

  const IntegerModel& model_;
  OnnxIntegerOptions options_;
  WriteReal write_real_;
  std::vector<std::string> scale_, zero_;  // names of the constants of each value
};

}  // namespace stet::onnx
