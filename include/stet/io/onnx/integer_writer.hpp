#pragma once
// IntegerWriter: an integer model as ONNX operators between QuantizeLinear and DequantizeLinear, in the form that ONNX
// Runtime fuses into integer operators.

#include <stet/graph/integer_model.hpp>
#include <stet/integer/elementwise_parameters.hpp>
#include <stet/io/int4.hpp>
#include <stet/io/onnx/graph_writer.hpp>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace stet::onnx {

/// Writes the nodes of an integer model. Codes are called "<value>_quantized". Operators that only move codes stand on
/// the codes themselves; all others read one DequantizeLinear per input and end in one QuantizeLinear. Where an
/// activation or a grid of fewer bits bounds the codes inside of their 8 bits, a Clip on codes follows.
class IntegerWriter {
 public:
  IntegerWriter(const IntegerModel& model, const OnnxIntegerOptions& options)
      : model_(model),
        options_(options),
        out_(model.values.size()),
        scale_(model.values.size()),
        zero_(model.values.size()),
        flat_(model.values.size()) {}

  /// The nodes, inputs and outputs.
  ModelInfo run() {
    for (const IntegerNode& node : model_.nodes) {
      if (std::holds_alternative<integer_op::Quantize>(node.op)) out_.unique(value(node.output).name);
    }
    for (const IntegerNode& node : model_.nodes) {
      node_ = &node;
      std::visit([this](const auto& o) { write(o); }, node.op);
    }
    for (const int v : model_.outputs) finish(v);
    return std::move(out_.model);
  }

 private:
  static constexpr Layout first = Layout::first;
  static constexpr Layout last = Layout::last;
  using Ints = std::vector<std::int64_t>;

  [[nodiscard]] const IntegerValue& value(int v) const { return model_.values[at(v)]; }
  [[nodiscard]] int input(std::size_t i = 0) const { return node_->inputs[i]; }
  [[nodiscard]] const Shape& shape_in() const { return value(input()).shape; }
  [[nodiscard]] const IntegerValue& result() const { return value(node_->output); }
  [[nodiscard]] bool uint8() const { return options_.activations == OnnxActivations::uint8; }
  [[nodiscard]] std::int32_t offset() const { return uint8() ? 128 : 0; }
  [[nodiscard]] DataType code_type() const { return uint8() ? DataType::uint8 : DataType::int8; }
  [[nodiscard]] Layout outer_layout(int v) const {
    return options_.layout == OnnxLayout::nchw && value(v).shape.rank() == 3 ? first : last;
  }
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  // A scalar of the type of the activations that stands for an int8 code.
  std::string code(const std::string& name, std::int32_t q) {
    if (uint8()) return out_.scalar(name, static_cast<std::uint8_t>(q + 128));
    return out_.scalar(name, static_cast<std::int8_t>(q));
  }
  void make_params(int v) {
    if (!scale_[at(v)].empty()) return;
    const IntegerValue& x = value(v);
    scale_[at(v)] = out_.scalar(x.name + ".scale", x.params.scale[0]);
    zero_[at(v)] = code(x.name + ".zero_point", x.params.zero_point[0]);
  }
  std::string dequantize(int v, const std::string& codes) {
    make_params(v);
    const std::string name = value(v).name + "_dequantized";
    return out_.node("DequantizeLinear", name, {codes, scale_[at(v)], zero_[at(v)]}, name);
  }
  std::string real(std::size_t i, Layout layout) { return dequantize(input(i), out_.get(input(i), layout)); }

  void place(const std::string& codes, Layout layout) { out_.place(node_->output, layout, codes, result().shape); }
  // Real values to the output's codes, between bounds.
  std::string quantize(const std::string& reals, integer::Bounds b) {
    const int v = node_->output;
    make_params(v);
    const bool cut = b.lo > -128 || b.hi < 127;
    const std::string name = result().name + (cut ? "_saturated" : "_quantized");
    const std::string codes = out_.node("QuantizeLinear", name, {reals, scale_[at(v)], zero_[at(v)]}, name);
    return cut ? clip(codes, b) : codes;
  }
  std::string clip(const std::string& codes, integer::Bounds b) {
    const std::string& name = result().name;
    return out_.node("Clip", name + "_clip", {codes, code(name + ".lo", b.lo), code(name + ".hi", b.hi)},
                     name + "_quantized");
  }
  // An operator on real values.
  void emit_real(const std::string& op_type, std::vector<std::string> inputs, Layout layout, integer::Bounds bounds,
                 std::vector<AttributeInfo> attributes = {}) {
    place(quantize(out_.node(op_type, node_->name, std::move(inputs), result().name, std::move(attributes)), bounds),
          layout);
  }
  // An operator on codes.
  void emit_codes(const std::string& op_type, std::vector<std::string> inputs, Layout layout,
                  std::vector<AttributeInfo> attributes = {}) {
    place(out_.node(op_type, node_->name, std::move(inputs), result().name + "_quantized", std::move(attributes)),
          layout);
  }

  [[nodiscard]] integer::QuantizedOutput output(Activation activation) const {
    const QParams& p = result().params;
    return {p.scale[0], p.zero_point[0], activation, p.grid};
  }
  [[nodiscard]] integer::Quantized quantized(std::size_t i) const {
    const QParams& p = value(input(i)).params;
    return {p.scale[0], p.zero_point[0]};
  }
  [[nodiscard]] integer::Bounds grid_bounds() const { return {result().params.grid.lo, result().params.grid.hi}; }

  // Weight codes and bias codes of a layer, dequantized. A bias means input scale * weight scale, as ONNX Runtime
  // assumes without looking.
  template <class Op>
  std::vector<std::string> layer_inputs(const Op& o, Layout layout, Ints dims, std::vector<std::int8_t> weights) {
    const std::string& name = node_->name;
    const bool per_channel = o.weight_scale.size() > 1;
    const auto count = static_cast<std::int64_t>(o.weight_scale.size());
    const Ints scale_dims = per_channel ? Ints{count} : Ints{};
    std::vector<float> bias_scale;
    for (const float s : o.weight_scale) bias_scale.push_back(value(input()).params.scale[0] * s);
    const std::vector<AttributeInfo> axis{attribute("axis", std::int64_t{0})};

    const std::string w = weight_codes(name + ".weight", std::move(dims), weights);
    std::vector<std::string> w_inputs{w, out_.constant(name + ".weight_scale", scale_dims, o.weight_scale)};
    if (!packed(weights)) {
      const std::vector<std::int8_t> zeros(o.weight_scale.size(), 0);
      w_inputs.push_back(out_.constant(name + ".weight_zero_point", scale_dims, zeros));
    }
    const std::string bias = out_.constant(name + ".bias", {o.bias.size()}, o.bias.span());
    const std::string bias_scales = out_.constant(name + ".bias_scale", scale_dims, bias_scale);
    return {real(0, layout),
            out_.node("DequantizeLinear", name + ".weight_dequantized", std::move(w_inputs),
                      name + ".weight_dequantized", per_channel ? axis : std::vector<AttributeInfo>{}),
            out_.node("DequantizeLinear", name + ".bias_dequantized", {bias, bias_scales}, name + ".bias_dequantized",
                      per_channel ? axis : std::vector<AttributeInfo>{})};
  }
  std::string weight_codes(const std::string& name, Ints dims, const std::vector<std::int8_t>& codes) {
    if (!packed(codes)) return out_.constant(name, std::move(dims), codes);
    out_.model.initializers.push_back({out_.unique(name), DataType::int4, std::move(dims), packed_int4(codes)});
    return out_.model.initializers.back().name;
  }
  [[nodiscard]] bool packed(const std::vector<std::int8_t>& codes) const {
    return options_.int4_weights && fits_int4(codes);
  }
  [[nodiscard]] integer::Bounds layer_bounds(Activation activation) const {
    const QParams& p = result().params;
    return integer::clamp_bounds(model_.target.weighted_clamp, activation, p.scale[0], p.zero_point[0], p.grid);
  }
  template <class Op>
  void convolution(const Op& o, Pair kernel, std::int64_t groups, bool depthwise) {
    const Shape& x = shape_in();
    const Window w = make_window("save_onnx", x[0], x[1], kernel, o.stride, o.dilation, o.padding);
    const Ints dims{result().shape[2], depthwise ? 1 : o.weights.shape()[3], kernel.height, kernel.width};
    emit_real("Conv", layer_inputs(o, first, dims, weights_first(o.weights.span(), o.weights.shape(), depthwise)),
              first, layer_bounds(o.activation),
              {attribute("kernel_shape", Ints{kernel.height, kernel.width}),
               attribute("strides", Ints{o.stride.height, o.stride.width}),
               attribute("dilations", Ints{o.dilation.height, o.dilation.width}),
               attribute("pads", pads_of(w, o.padding)), attribute("group", groups)});
  }
  template <class Op>
  static Pair kernel_of(const Op& o) {
    return {static_cast<int>(o.weights.shape()[1]), static_cast<int>(o.weights.shape()[2])};
  }
  void binary(const std::string& op_type, integer::Bounds bounds) {
    const Layout layout = out_.layout(input(0));
    std::vector<std::string> inputs{real(0, layout), real(1, layout)};
    emit_real(op_type, std::move(inputs), layout, bounds);
  }
  template <class Op>
  std::vector<AttributeInfo> pool_attributes(const Op& o) const {
    const Shape& x = shape_in();
    const Window w = make_window("save_onnx", x[0], x[1], o.size, o.stride, 1, o.padding);
    return {attribute("kernel_shape", Ints{o.size.height, o.size.width}),
            attribute("strides", Ints{o.stride.height, o.stride.width}), attribute("pads", pads_of(w, o.padding))};
  }

  void write(const integer_op::Quantize&) {
    const IntegerValue& x = result();
    const Layout layout = outer_layout(node_->output);
    out_.model.inputs.push_back(
        {x.name, DataType::float32, true, GraphWriter::dims_of(x.shape, layout, options_.batch)});
    place(quantize(x.name, grid_bounds()), layout);
  }
  void write(const integer_op::Conv2D& o) { convolution(o, kernel_of(o), o.groups, false); }
  void write(const integer_op::DepthwiseConv2D& o) { convolution(o, kernel_of(o), shape_in()[2], true); }
  void write(const integer_op::Linear& o) {
    const Ints dims{o.weights.shape()[0], o.weights.shape()[1]};
    const Shape& image = flat_[at(input())];
    const auto w = o.weights.span();
    emit_real("Gemm",
              layer_inputs(o, last, dims,
                           image.rank() == 3 ? columns_first(w, image) : std::vector<std::int8_t>(w.begin(), w.end())),
              last, layer_bounds(o.activation), {attribute("transB", std::int64_t{1})});
  }
  void write(const integer_op::Add& o) {
    binary("Add", integer::make_add(model_.target, quantized(0), quantized(1), output(o.activation)).bounds);
  }
  void write(const integer_op::Sub& o) {
    binary("Sub", integer::make_add(model_.target, quantized(0), quantized(1), output(o.activation), true).bounds);
  }
  void write(const integer_op::Mul& o) {
    binary("Mul", integer::make_multiply(model_.target, quantized(0), quantized(1), output(o.activation)).bounds);
  }
  void write(const integer_op::MaxPool& o) {
    emit_codes("MaxPool", {out_.get(input(), first)}, first, pool_attributes(o));
  }
  void write(const integer_op::AveragePool& o) {
    std::vector<AttributeInfo> attributes = pool_attributes(o);
    // ONNX Runtime runs a window of the whole image as a global pool, which rounds in another way. A column or row of
    // padding behind it, which no window counts, keeps it from that.
    const Shape& x = shape_in();
    const bool whole = o.size == Pair(static_cast<int>(x[0]), static_cast<int>(x[1]));
    if (whole && attributes[2].integers == Ints{0, 0, 0, 0} && x[0] * x[1] > 1) {
      attributes[1].integers = {2, 2};
      attributes[2].integers[x[1] > 1 ? 3 : 2] = 1;
    }
    emit_real("AveragePool", {real(0, first)}, first, grid_bounds(), std::move(attributes));
  }
  void write(const integer_op::Mean&) {
    const std::string pooled = out_.node("GlobalAveragePool", node_->name, {real(0, first)}, result().name);
    const std::string codes = quantize(pooled, grid_bounds());
    place(out_.node("Flatten", node_->name + "_flat", {codes}, result().name + "_quantized_flat",
                    {attribute("axis", std::int64_t{1})}),
          last);
  }
  void write(const integer_op::Concat& o) {
    const Layout layout = out_.layout(input());
    std::vector<std::string> parts;
    for (const int v : node_->inputs) parts.push_back(out_.get(v, layout));
    emit_codes("Concat", std::move(parts), layout,
               {attribute("axis", position(layout, result().shape.rank(), o.axis))});
  }
  void write(const integer_op::Pad& o) {
    const Ints pads{0, 0, o.top, o.left, 0, 0, o.bottom, o.right};
    emit_codes("Pad",
               {out_.get(input(), first), out_.constant(node_->name + ".pads", {8}, pads),
                code(node_->name + ".value", value(input()).params.zero_point[0])},
               first);
  }
  void write(const integer_op::Reshape&) {
    const Shape& shape = result().shape;
    if (shape.rank() != 1) {
      Ints dims{0};  // 0: as it is
      for (const std::int64_t d : shape.dims()) dims.push_back(d);
      const auto rank = static_cast<std::int64_t>(dims.size());
      emit_codes("Reshape", {out_.get(input(), last), out_.constant(node_->name + ".shape", {rank}, dims)}, last);
      return;
    }
    // The order of an image's elements matters to nobody but a linear layer, whose weights can follow.
    Layout layout = last;
    if (shape_in().rank() == 3 && out_.layout(input()) == first && only_linear_reads(node_->output)) {
      layout = first;
      flat_[at(node_->output)] = shape_in();
    }
    emit_codes("Flatten", {out_.get(input(), layout)}, last, {attribute("axis", std::int64_t{1})});
  }
  void write(const integer_op::Transpose& o) {
    const Layout layout = out_.layout(input());
    const int rank = result().shape.rank();
    Ints perm{0};
    for (const int d : order_of(layout, rank)) perm.push_back(position(layout, rank, o.axes[at(d)]));
    emit_codes("Transpose", {out_.get(input(), layout)}, layout, {attribute("perm", perm)});
  }
  void write(const integer_op::Clamp& o) {
    const Layout layout = out_.layout(input());
    const integer::Bounds b = integer::make_clamp(model_.target, output(o.activation)).bounds;
    const std::string& name = result().name;
    flat_[at(node_->output)] = flat_[at(input())];
    emit_codes("Clip", {out_.get(input(), layout), code(name + ".lo", b.lo), code(name + ".hi", b.hi)}, layout);
  }

  void write(const integer_op::Lookup& o) {
    using integer::Function;
    const Layout layout = out_.layout(input());
    const bool leaky = o.function == Function::leaky_relu;
    const char* op_type = leaky                             ? "LeakyRelu"
                          : o.function == Function::sigmoid ? "Sigmoid"
                          : o.function == Function::tanh    ? "Tanh"
                                                            : "HardSwish";
    emit_real(op_type, {real(0, layout)}, layout, grid_bounds(),
              leaky ? std::vector<AttributeInfo>{attribute("alpha", o.alpha)} : std::vector<AttributeInfo>{});
  }

  [[nodiscard]] bool only_linear_reads(int v) const {
    for (const int out : model_.outputs) {
      if (out == v) return false;
    }
    for (const IntegerNode& node : model_.nodes) {
      for (const int in : node.inputs) {
        if (in != v || std::holds_alternative<integer_op::Linear>(node.op)) continue;
        if (!std::holds_alternative<integer_op::Clamp>(node.op) || !only_linear_reads(node.output)) return false;
      }
    }
    return true;
  }

  // Whether a value has this name, which its output then needs.
  [[nodiscard]] bool taken(const std::string& name) const {
    for (const IntegerValue& x : model_.values) {
      if (x.name == name) return true;
    }
    return false;
  }

  void finish(int v) {
    const IntegerValue& x = value(v);
    const Layout layout = outer_layout(v);
    const std::string codes = out_.get(v, layout);
    std::string wanted = x.name + (options_.output_codes ? "_quantized" : "_output");
    while (taken(wanted)) wanted += "_output";
    std::string name;
    if (options_.output_codes) {
      out_.rename(codes, wanted);
      name = wanted;
    } else {
      make_params(v);
      name = out_.node("DequantizeLinear", wanted, {codes, scale_[at(v)], zero_[at(v)]}, wanted);
      bool entry = false;
      for (const ValueInfo& in : out_.model.inputs) entry = entry || in.name == x.name;
      if (!entry) {
        out_.rename(name, x.name);
        name = x.name;
      }
    }
    out_.model.outputs.push_back({name, options_.output_codes ? code_type() : DataType::float32, true,
                                  GraphWriter::dims_of(x.shape, layout, options_.batch)});
  }

  const IntegerModel& model_;
  OnnxIntegerOptions options_;
  GraphWriter out_;
  std::vector<std::string> scale_, zero_;  // names of the constants of each value
  std::vector<Shape> flat_;  // of a flattened image whose elements lie channels first: its shape; else rank 0
  const IntegerNode* node_ = nullptr;
};

}  // namespace stet::onnx
