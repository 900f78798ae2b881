#pragma once
// IntegerWriter: an integer model as ONNX operators between QuantizeLinear and DequantizeLinear, in the form that ONNX
// Runtime fuses into integer operators.

#include <stet/graph/resolve.hpp>
#include <stet/io/int4.hpp>
#include <stet/io/onnx/graph_writer.hpp>

#include <cstdint>
#include <string>
#include <optional>
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
        flat_(model.values.size()) {
    out_.model.opsets = {opset_of(model.nodes, options.int4_weights)};
  }

  /// The nodes, inputs and outputs.
  ModelInfo run() {
    for (const IntegerNode& node : model_.nodes) {
      if (graph::is<graph::op::Input>(node.op)) out_.unique(value(node.output).name);
    }
    for (const IntegerNode& node : model_.nodes) {
      node_ = &node;
      site_.emplace(model_, node);
      graph::match_integer(node.op, [this](const auto& o) { write(o); });
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
    scale_[at(v)] = out_.scalar(x.name + ".scale", x.codes.scale);
    zero_[at(v)] = code(x.name + ".zero_point", x.codes.zero_point);
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

  [[nodiscard]] integer::Bounds grid_bounds() const { return {result().codes.grid.lo, result().codes.grid.hi}; }

  // Weight codes and bias codes of a layer, dequantized. A bias means input scale * weight scale, as ONNX Runtime
  // assumes without looking.
  std::vector<std::string> layer_inputs(Layout layout, Ints dims, std::vector<std::int8_t> weights) {
    const std::string& name = node_->name;
    const std::vector<float>& scale = node_->constants.weight_scale;
    const Tensor<std::int32_t>& bias_codes = node_->constants.bias;
    const bool per_channel = scale.size() > 1;
    const Ints scale_dims = per_channel ? Ints{static_cast<std::int64_t>(scale.size())} : Ints{};
    std::vector<float> bias_scale;
    for (const float s : scale) bias_scale.push_back(value(input()).codes.scale * s);
    const std::vector<AttributeInfo> axis{attribute("axis", std::int64_t{0})};

    const std::string w = weight_codes(name + ".weight", std::move(dims), weights);
    std::vector<std::string> w_inputs{w, out_.constant(name + ".weight_scale", scale_dims, scale)};
    if (!packed(weights)) {
      const std::vector<std::int8_t> zeros(scale.size(), 0);
      w_inputs.push_back(out_.constant(name + ".weight_zero_point", scale_dims, zeros));
    }
    const std::string bias = out_.constant(name + ".bias", {bias_codes.size()}, bias_codes.span());
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
  [[nodiscard]] integer::Bounds layer_bounds() const {
    const Affine& y = result().codes;
    return integer::clamp_bounds(model_.target.weighted_clamp, node_->activation, y.scale, y.zero_point, y.grid);
  }
  [[nodiscard]] std::span<const std::int8_t> weights() const { return node_->constants.weights.span(); }
  template <class Op>
  void convolution(const Op& o, std::int64_t groups, bool depthwise) {
    const Shape& w = node_->constants.weights.shape();
    const Ints dims{result().shape[2], depthwise ? 1 : w[3], o.kernel.height, o.kernel.width};
    emit_real("Conv", layer_inputs(first, dims, weights_first(weights(), w, depthwise)), first, layer_bounds(),
              {attribute("kernel_shape", Ints{o.kernel.height, o.kernel.width}),
               attribute("strides", Ints{o.stride.height, o.stride.width}),
               attribute("dilations", Ints{o.dilation.height, o.dilation.width}),
               attribute("pads", pads_of(window(o, shape_in()), o.padding)), attribute("group", groups)});
  }
  void binary(const std::string& op_type, integer::Bounds bounds) {
    const Layout layout = out_.layout(input(0));
    std::vector<std::string> inputs{real(0, layout), real(1, layout)};
    emit_real(op_type, std::move(inputs), layout, bounds);
  }
  template <class Op>
  std::vector<AttributeInfo> pool_attributes(const Op& o) const {
    const Pair stride = graph::op::pool_stride(o.size, o.stride);
    return {attribute("kernel_shape", Ints{o.size.height, o.size.width}),
            attribute("strides", Ints{stride.height, stride.width}),
            attribute("pads", pads_of(window(o, shape_in()), o.padding))};
  }

  void write(const graph::op::Input&) {
    const IntegerValue& x = result();
    const Layout layout = outer_layout(node_->output);
    out_.model.inputs.push_back(
        {x.name, DataType::float32, true, GraphWriter::dims_of(x.shape, layout, options_.batch)});
    place(quantize(x.name, grid_bounds()), layout);
  }
  void write(const graph::op::Conv2D& o) { convolution(o, o.groups, false); }
  void write(const graph::op::DepthwiseConv2D& o) { convolution(o, shape_in()[2], true); }
  void write(const graph::op::Linear&) {
    const Shape& shape = node_->constants.weights.shape();
    const Shape& image = flat_[at(input())];
    const auto w = weights();
    emit_real("Gemm",
              layer_inputs(last, {shape[0], shape[1]},
                           image.rank() == 3 ? columns_first(w, image) : std::vector<std::int8_t>(w.begin(), w.end())),
              last, layer_bounds(), {attribute("transB", std::int64_t{1})});
  }
  void write(const graph::op::Add& o) { binary("Add", site_->resolve(o).bounds); }
  void write(const graph::op::Sub& o) { binary("Sub", site_->resolve(o).bounds); }
  void write(const graph::op::Mul& o) { binary("Mul", site_->resolve(o).bounds); }
  void write(const graph::op::MaxPool& o) {
    emit_codes("MaxPool", {out_.get(input(), first)}, first, pool_attributes(o));
  }
  void write(const graph::op::AveragePool& o) {
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
  void write(const graph::op::GlobalAveragePool&) {
    const std::string pooled = out_.node("GlobalAveragePool", node_->name, {real(0, first)}, result().name);
    const std::string codes = quantize(pooled, grid_bounds());
    place(out_.node("Flatten", node_->name + "_flat", {codes}, result().name + "_quantized_flat",
                    {attribute("axis", std::int64_t{1})}),
          last);
  }
  void write(const graph::op::Concat& o) {
    const Layout layout = out_.layout(input());
    std::vector<std::string> parts;
    for (const int v : node_->inputs) parts.push_back(out_.get(v, layout));
    emit_codes("Concat", std::move(parts), layout,
               {attribute("axis", position(layout, result().shape.rank(), o.axis))});
  }
  void write(const graph::op::Pad& o) {
    const Ints pads{0, 0, o.top, o.left, 0, 0, o.bottom, o.right};
    emit_codes("Pad",
               {out_.get(input(), first), out_.constant(node_->name + ".pads", {8}, pads),
                code(node_->name + ".value", value(input()).codes.zero_point)},
               first);
  }
  void write(const graph::op::Reshape&) {
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
  void write(const graph::op::Transpose& o) {
    const Layout layout = out_.layout(input());
    const int rank = result().shape.rank();
    Ints perm{0};
    for (const int d : order_of(layout, rank)) perm.push_back(position(layout, rank, o.axes[at(d)]));
    emit_codes("Transpose", {out_.get(input(), layout)}, layout, {attribute("perm", perm)});
  }
  void clamp(integer::Bounds b) {
    const Layout layout = out_.layout(input());
    const std::string& name = result().name;
    flat_[at(node_->output)] = flat_[at(input())];
    emit_codes("Clip", {out_.get(input(), layout), code(name + ".lo", b.lo), code(name + ".hi", b.hi)}, layout);
  }
  void write(const graph::op::Relu& o) { clamp(site_->resolve(o).bounds); }
  void write(const graph::op::Relu6& o) { clamp(site_->resolve(o).bounds); }
  void function(const std::string& op_type, std::vector<AttributeInfo> attributes = {}) {
    const Layout layout = out_.layout(input());
    emit_real(op_type, {real(0, layout)}, layout, grid_bounds(), std::move(attributes));
  }
  void write(const graph::op::LeakyRelu& o) { function("LeakyRelu", {attribute("alpha", o.alpha)}); }
  void write(const graph::op::Sigmoid&) { function("Sigmoid"); }
  void write(const graph::op::Tanh&) { function("Tanh"); }
  void write(const graph::op::HardSwish&) { function("HardSwish"); }
  void write(const graph::op::Custom&) {  // check_integer has seen to it
    fail(Errc::unsupported, "save_onnx: {} has no operator", node_->name);
  }

  [[nodiscard]] bool only_linear_reads(int v) const {
    for (const int out : model_.outputs) {
      if (out == v) return false;
    }
    for (const IntegerNode& node : model_.nodes) {
      for (const int in : node.inputs) {
        if (in != v || graph::is<graph::op::Linear>(node.op)) continue;
        if (graph::clamp_of(node.op) == Activation::none || !only_linear_reads(node.output)) return false;
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
  std::optional<NodeSite> site_;  // of node_
};

}  // namespace stet::onnx
