#pragma once
// IntegerWriter: an IntegerModel as a .tflite description, every code, scale and zero point as it is.

#include <stet/graph/int4_weights.hpp>
#include <stet/graph/model.hpp>
#include <stet/graph/resolve.hpp>
#include <stet/io/tflite/grids.hpp>
#include <stet/io/tflite/save_options.hpp>
#include <stet/io/tflite/writer.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

class IntegerWriter final : public Writer {
 public:
  /// What writes the operators that are kept in float.
  using DescribeReal = ModelInfo (*)(const Model&, const TfliteOptions&);

  /// Of a model in which format_faults finds nothing.
  /// Errors:    Errc::unsupported if there are no layers of 4 bits, or none that the target computes
  IntegerWriter(const IntegerModel& model, const TfliteIntegerOptions& options, DescribeReal describe_real)
      : Writer(options.batch, model.values.size(),
               {.type = TensorType::int8, .real_input = options.float_input, .real_output = options.float_output}),
        model_(model),
        options_(options),
        describe_real_(describe_real),
        real_of_(model.values.size(), -1) {
    if (!options.int4_weights) return;
    require(std::ranges::any_of(model.nodes, [&](const IntegerNode& n) { return has_four_bits(n); }), Errc::unsupported,
            "save_tflite: int4_weights: no convolution or linear layer has weight codes within -7..7; train with 4-bit "
            "weights and apply int4_weights() to the integer model");
    require(model.target.convolution == integer::Requantization::double_rounding, Errc::unsupported,
            "save_tflite: int4_weights: LiteRT runs such layers in builtin kernels, which round in another way than "
            "target {}; set the model's target to tflite_reference, whose kernels are exact",
            model.target.name);
  }

  /// Turns to a node.
  void begin(const IntegerNode& node) {
    node_ = &node;
    const IntegerValue& v = value_of(node.output);
    const bool input = node.inputs.empty();
    // Bounds that runtimes do not know as an activation are bounds of the codes.
    const bool known = integer::is_of_runtimes(node.activation);
    bounds_ = integer::clamp_bounds({}, known ? Activation::none : node.activation, v.codes.scale, v.codes.zero_point, v.codes.grid);
    limits_ = !v.real && (!input || (kind().real_input && graph::form(node.op) == graph::IntegerForm::input)) && !graph::moves_codes(node.op) &&
              !stays_within(known ? node.activation : Activation::none, {v.codes.scale, v.codes.zero_point}, {bounds_.lo, bounds_.hi});
    Writer::begin({.name = node.name,
                   .value_name = v.name,
                   .inputs = node.inputs,
                   .output = node.output,
                   .in = input ? Shape() : value_of(node.inputs[0]).shape,
                   .out = v.shape,
                   .activation = fused(node.activation),
                   .quantization = quantization(v.codes),
                   .twin = kind().real_output && std::ranges::count(model_.outputs, node.output) > 0,
                   .suffix = limits_ ? ":wide" : ""});
    if (!input && !v.real) (void)output();
  }
  /// Ends it: MINIMUM and MAXIMUM with the ends of a grid below 8 bits, or of bounds that are no ReLU, unless the fused activation ends there already.
  void end() {
    if (!limits_) return;
    std::string name = at(output()).name;
    name.resize(name.size() - node().suffix.size());
    clamp(output(), bounds_, name);
  }
  /// MINIMUM and MAXIMUM of a value of codes as the node's output, which gets the name; the value itself where no code is cut.
  void clamp(std::int32_t x, integer::Bounds b, const std::string& name) {
    const IntegerValue& v = value_of(node_->output);
    const auto bound = [&](Builtin code, std::int32_t end, const char* constant_name, const std::string& made) {
      const std::int32_t y = like(x, made, v.shape);
      operation(code, {x, code_constant(constant_name, end, v.codes)}, y, {.type = OptionsType::maximum_minimum});
      x = y;
    };
    if (b.hi < 127) bound(Builtin::minimum, b.hi, ":highest", b.lo > -128 ? name + ":high" : name);
    if (b.lo > -128) bound(Builtin::maximum, b.lo, ":lowest", name);
    set_output(x);
  }
  ModelInfo finish() && {
    for (const int v : model_.outputs) file_output(v, value_of(v).name, value_of(v).shape);
    return std::move(static_cast<Writer&>(*this)).finish(options_.description);
  }

  /// The parameters of the node's operator.
  template <class Op>
  [[nodiscard]] auto resolve(const Op& o) const {
    return NodeSite(model_, *node_).resolve(o);
  }
  /// A function of one number that the format has no operator of: output codes are gathered from its table.
  void lookup(const integer::Table& table) {
    const std::string& name = node().name;
    const std::int32_t wide = value(name + ":wide", node().out, TensorType::int32);
    operation(Builtin::cast, {input()}, wide, {.type = OptionsType::cast});
    const std::int32_t index = value(name + ":index", node().out, TensorType::int32), middle[] = {128};
    operation(Builtin::add, {wide, constant<std::int32_t>(name + ":middle", TensorType::int32, {1}, middle)}, index,
              {.type = OptionsType::add});
    const auto codes = constant<std::int8_t>(name + ":table", TensorType::int8, {256}, table, node().quantization);
    emit(Builtin::gather, {codes, index}, {.type = OptionsType::gather});
  }

  /// Codes that the node holds, as a tensor with data: one sample, which runtimes repeat over the batch.
  void constant_codes() {
    std::vector<std::int32_t> dims = dimensions(node().out);
    dims.insert(dims.begin(), 1);
    set_output(constant<std::int8_t>(node().value_name, TensorType::int8, std::move(dims), node_->constants.weights.span(), node().quantization));
  }
  /// An operator that is kept in float: DEQUANTIZE of what it reads as codes, its float operators, QUANTIZE of what is read as
  /// codes.
  void emit_real(const graph::RealFunction& function) {
    std::vector<std::int32_t> reals;
    for (const int v : node_->inputs) reals.push_back(real(v));
    const IntegerValue& y = value_of(node_->output);
    const ModelInfo part = describe_real_(*function.model(), {.batch = options_.batch});
    const std::int32_t made = append(part, reals, y.real ? y.name : y.name + ":real");
    if (y.real) return set_output(made);
    emit(Builtin::quantize, {made}, {.type = OptionsType::quantize});
  }

  // The scales of weights and bias are those with which the engine computes.
  std::vector<std::int32_t> layer(std::int32_t x, int axis, bool) override {
    const LayerConstants& c = node_->constants;
    const std::int32_t w = weights(c.weights, c.weight_scale, axis, options_.int4_weights && has_four_bits(*node_));
    const float input_scale = value_of(node_->inputs[0]).codes.scale;
    return {x, w, bias<std::int32_t>(TensorType::int32, c.bias.span(), input_scale, c.weight_scale)};
  }
  std::int32_t lowest() override {
    const Affine& codes = value_of(node_->inputs[0]).codes;
    return code_constant(":lowest", codes.grid.lo, codes);
  }

 private:
  static bool has_four_bits(const IntegerNode& node) {
    return has_int4_kernel(node.op) && fits_int4(node.constants.weights.span());
  }
  static Quantization quantization(const Affine& c) { return {{c.scale}, {c.zero_point}, 0}; }
  [[nodiscard]] const IntegerValue& value_of(int v) const { return model_.values[static_cast<std::size_t>(v)]; }
  // A value as real numbers; one DEQUANTIZE serves all that read it so.
  std::int32_t real(int v) {
    if (value_of(v).real) return tensor(v);
    std::int32_t& made = real_of_[static_cast<std::size_t>(v)];
    if (made < 0) {
      made = value(value_of(v).name + ":dequantized", value_of(v).shape, TensorType::float32);
      operation(Builtin::dequantize, {tensor(v)}, made, {.type = OptionsType::dequantize});
    }
    return made;
  }
  std::int32_t code_constant(const char* name, std::int32_t code, const Affine& codes) {
    const std::int8_t values[] = {static_cast<std::int8_t>(code)};
    return constant<std::int8_t>(node_->name + name, TensorType::int8, {1}, values, quantization(codes));
  }

  const IntegerModel& model_;
  const TfliteIntegerOptions& options_;
  DescribeReal describe_real_;
  std::vector<std::int32_t> real_of_;  // by value of codes: the tensor of its real numbers, -1 before there is one
  const IntegerNode* node_ = nullptr;
  bool limits_ = false;
  integer::Bounds bounds_{};
};

}  // namespace stet::tflite
