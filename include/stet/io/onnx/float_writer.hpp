#pragma once
// FloatWriter: the operators of a float model as ONNX operators.

#include <stet/core/rounding.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/onnx/graph_writer.hpp>
#include <stet/io/onnx/int16_scales.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/quantize.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace stet::onnx {

/// Writes the nodes of a float model, one by one, in the order of the graph. Dropout is left out: a file is for inference.
class FloatWriter {
 public:
  FloatWriter(const Model& model, const OnnxOptions& options)
      : model_(model),
        graph_(model.graph()),
        options_(options),
        out_(graph_.nodes().size()),
        flat_(graph_.nodes().size()) {
    out_.model.opsets = {opset_of(graph_.nodes(), options.format == OnnxFormat::int16x8)};
    if (options.format == OnnxFormat::int16x8) scale_ = int16_scales(graph_, options.ranges);
  }

  /// The nodes, inputs and outputs.
  ModelInfo run() {
    for (const int id : graph_.inputs()) out_.unique(graph_.node(id).name);
    for (id_ = 0; id_ < graph_.size(); ++id_) {
      graph::match(
          graph_.node(id_).op, [](const auto& o, FloatWriter& w) -> decltype(w.write(o)) { w.write(o); }, *this);
    }
    for (const int id : graph_.outputs()) finish(id);
    return std::move(out_.model);
  }

 private:
  static constexpr Layout first = Layout::first;
  static constexpr Layout last = Layout::last;
  using Ints = std::vector<std::int64_t>;

  [[nodiscard]] const graph::Node& node() const { return graph_.node(id_); }
  [[nodiscard]] int input(std::size_t i = 0) const { return node().inputs[i]; }
  [[nodiscard]] const Shape& shape_in() const { return graph_.node(input()).shape; }
  [[nodiscard]] Layout outer_layout(int id) const {
    return options_.layout == OnnxLayout::nchw && graph_.node(id).shape.rank() == 3 ? first : last;
  }
  [[nodiscard]] const Tensor<float>* tensor(graph::Role role) const {
    for (const NamedParameter& p : model_.parameters()) {
      if (p.node == id_ && p.role == role) return &p.parameter.value;
    }
    for (const NamedBuffer& b : model_.buffers()) {
      if (b.node == id_ && b.role == role) return &b.value;
    }
    return nullptr;
  }
  std::string vector(graph::Role role, const char* suffix) {
    const Tensor<float>& t = *tensor(role);
    return out_.constant(node().name + suffix, {t.size()}, t.span());
  }

  // Adds the node's main ONNX operator and places its value.
  void emit(const std::string& op_type, std::vector<std::string> inputs, Layout layout,
            std::vector<AttributeInfo> attributes = {}) {
    place(out_.node(op_type, node().name, std::move(inputs), node().name, std::move(attributes)), layout);
  }
  void place(const std::string& name, Layout layout) {
    out_.place(id_, layout, scale_.empty() || scale_[at(id_)] == 0.0f ? name : as_codes(name), node().shape);
  }
  // A value by way of its 16-bit codes.
  std::string as_codes(const std::string& reals) {
    const std::string& name = node().name;
    const std::string scale = out_.scalar(name + ".scale", scale_[at(id_)]);
    const std::string zero = out_.scalar(name + ".zero_point", std::int16_t{0});
    const std::string codes =
        out_.node("QuantizeLinear", name + "_quantized", {reals, scale, zero}, name + "_quantized");
    return out_.node("DequantizeLinear", name + "_dequantized", {codes, scale, zero}, name + "_dequantized");
  }
  // Scale of the 16-bit codes that the node reads.
  [[nodiscard]] float scale_in() const {
    int id = input();
    while (scale_[at(id)] == 0.0f) id = graph_.node(id).inputs[0];
    return scale_[at(id)];
  }
  // Weights of a layer; as codes of 8 bits per channel, whose scales are at least `least`, if activations are codes.
  std::string weight(Ints dims, const std::vector<float>& values, int axis, const std::vector<float>& least,
                     std::vector<float>* scales = nullptr) {
    const std::string name = node().name + ".weight";
    if (scale_.empty()) return out_.constant(name, std::move(dims), values);
    const Tensor<float> w(Shape(std::span<const std::int64_t>(dims)), values);
    QParams p = weight_qparams(w, Granularity::per_channel(axis), Grid::narrow(8));
    for (std::size_t c = 0; c < least.size(); ++c) p.scale[c] = std::max(p.scale[c], least[c]);
    const QTensor q = quantize(w, p);
    const auto count = static_cast<std::int64_t>(p.scale.size());
    if (scales != nullptr) *scales = p.scale;
    return out_.node(
        "DequantizeLinear", name + "_dequantized",
        {out_.constant(name, std::move(dims), q.codes.span()), out_.constant(name + "_scale", {count}, p.scale),
         out_.constant(name + "_zero_point", {count}, std::vector<std::int8_t>(p.scale.size(), 0))},
        name + "_dequantized", {attribute("axis", std::int64_t{axis})});
  }
  // Weights, one output after the other, and bias of a layer that adds its bias itself. Between 16-bit codes the bias is
  // int32 at input scale * weight scale: ONNX Runtime makes it so anyway, and without looking whether it fits. Where it
  // would not, the weights are tiny beside it and their scale grows.
  void add_layer(std::vector<std::string>& inputs, Ints dims, const std::vector<float>& values) {
    const Tensor<float>* bias = tensor(graph::Role::bias);
    std::vector<float> least, scales;
    for (std::int64_t c = 0; bias != nullptr && !scale_.empty() && c < bias->size(); ++c) {
      least.push_back(std::fabs((*bias)[c]) / (scale_in() * 0x1p30f));
    }
    inputs.push_back(weight(std::move(dims), values, 0, least, &scales));
    if (bias == nullptr) return;
    if (scale_.empty()) return inputs.push_back(vector(graph::Role::bias, ".bias"));
    std::vector<std::int32_t> codes;
    for (std::size_t c = 0; c < scales.size(); ++c) {
      scales[c] *= scale_in();
      const double real = static_cast<double>(bias->span()[c]) / static_cast<double>(scales[c]);
      codes.push_back(static_cast<std::int32_t>(round_half_even(real)));
    }
    const std::string name = node().name + ".bias";
    const auto count = static_cast<std::int64_t>(codes.size());
    inputs.push_back(out_.node("DequantizeLinear", name + "_dequantized",
                               {out_.constant(name, {count}, codes), out_.constant(name + "_scale", {count}, scales)},
                               name + "_dequantized", {attribute("axis", std::int64_t{0})}));
  }

  void unary(const std::string& op_type, std::vector<AttributeInfo> attributes = {}) {
    const Layout layout = out_.layout(input());
    flat_[at(id_)] = flat_[at(input())];
    emit(op_type, {out_.get(input(), layout)}, layout, std::move(attributes));
  }
  void binary(const std::string& op_type) {
    const Layout layout = out_.layout(input(0));
    emit(op_type, {out_.get(input(0), layout), out_.get(input(1), layout)}, layout);
  }
  static std::size_t at(int id) { return static_cast<std::size_t>(id); }

  void convolution(Pair kernel, Pair stride, Pair dilation, const Padding& padding, std::int64_t groups,
                   bool depthwise) {
    const Shape& x = shape_in();
    const Window w = make_window("save_onnx", x[0], x[1], kernel, stride, dilation, padding);
    const Tensor<float>& t = *tensor(graph::Role::weight);
    const std::int64_t filters = node().shape[2];
    std::vector<std::string> inputs{out_.get(input(), first)};
    add_layer(inputs, {filters, depthwise ? 1 : t.shape()[3], kernel.height, kernel.width},
              weights_first(t.span(), t.shape(), depthwise));
    emit("Conv", std::move(inputs), first,
         {attribute("kernel_shape", Ints{kernel.height, kernel.width}),
          attribute("strides", Ints{stride.height, stride.width}),
          attribute("dilations", Ints{dilation.height, dilation.width}), attribute("pads", pads_of(w, padding)),
          attribute("group", groups)});
  }
  void pool(const std::string& op_type, Pair size, Pair stride, const Padding& padding,
            std::vector<AttributeInfo> attributes) {
    const Shape& x = shape_in();
    stride = graph::op::pool_stride(size, stride);
    const Window w = make_window("save_onnx", x[0], x[1], size, stride, 1, padding);
    attributes.push_back(attribute("kernel_shape", Ints{size.height, size.width}));
    attributes.push_back(attribute("strides", Ints{stride.height, stride.width}));
    attributes.push_back(attribute("pads", pads_of(w, padding)));
    emit(op_type, {out_.get(input(), first)}, first, std::move(attributes));
  }
  void softmax(const std::string& op_type) {
    const Layout layout = out_.layout(input());
    const int rank = shape_in().rank();
    emit(op_type, {out_.get(input(), layout)}, layout, {attribute("axis", position(layout, rank, rank - 1))});
  }
  // A reduction keeps the channels where they are, if they remain.
  // Axes are an input since opset 13 (sum) and 18 (mean).
  void reduce(const std::string& op_type, const std::vector<int>& axes, bool keep, bool axes_as_input) {
    const int rank = shape_in().rank();
    Layout layout = out_.layout(input());
    Ints reduced;
    for (const int a : axes) reduced.push_back(position(layout, rank, a));
    const bool channels_gone = !keep && axes.back() == rank - 1;
    std::vector<std::string> inputs{out_.get(input(), layout)};
    std::vector<AttributeInfo> attributes{attribute("keepdims", std::int64_t{keep ? 1 : 0})};
    if (axes_as_input) {
      inputs.push_back(out_.constant(node().name + ".axes", {static_cast<std::int64_t>(reduced.size())}, reduced));
    } else {
      attributes.push_back(attribute("axes", reduced));
    }
    emit(op_type, std::move(inputs), channels_gone ? last : layout, std::move(attributes));
  }
  void to_shape(const std::string& from, const Shape& shape) {
    Ints dims{0};  // 0: as it is
    for (const std::int64_t d : shape.dims()) dims.push_back(d);
    emit("Reshape", {from, out_.constant(node().name + ".shape", {static_cast<std::int64_t>(dims.size())}, dims)},
         last);
  }

  void write(const graph::op::Input& o) {
    const Layout layout = outer_layout(id_);
    out_.model.inputs.push_back(
        {node().name, DataType::float32, true, GraphWriter::dims_of(o.shape, layout, options_.batch)});
    if (options_.layout == OnnxLayout::nhwc && o.shape.rank() == 3) {
      const std::string name = node().name + "_nchw";  // a reader of the file sees by this what the input is
      place(out_.node("Transpose", name, {node().name}, name, {attribute("perm", Ints{0, 3, 1, 2})}), first);
    } else {
      place(node().name, layout);
    }
  }
  void write(const graph::op::Conv2D& o) { convolution(o.kernel, o.stride, o.dilation, o.padding, o.groups, false); }
  void write(const graph::op::DepthwiseConv2D& o) {
    convolution(o.kernel, o.stride, o.dilation, o.padding, shape_in()[2], true);
  }
  void write(const graph::op::Linear& o) {
    const Tensor<float>& w = *tensor(graph::Role::weight);
    const std::int64_t depth = w.shape()[1];
    const Shape& image = flat_[at(input())];
    if (shape_in().rank() == 1) {
      std::vector<std::string> inputs{out_.get(input(), last)};
      const std::vector<float> rows(w.span().begin(), w.span().end());
      add_layer(inputs, {o.units, depth}, image.rank() == 3 ? columns_first(w.span(), image) : rows);
      emit("Gemm", std::move(inputs), last, {attribute("transB", std::int64_t{1})});
      return;
    }
    std::vector<float> turned(static_cast<std::size_t>(w.size()));
    for (std::int64_t n = 0; n < o.units; ++n) {
      for (std::int64_t k = 0; k < depth; ++k) turned[static_cast<std::size_t>(k * o.units + n)] = w[n * depth + k];
    }
    const std::string product = out_.node(
        "MatMul", node().name, {out_.get(input(), last), weight({depth, o.units}, turned, 1, {})}, node().name);
    if (!o.bias) return place(product, last);
    place(out_.node("Add", node().name + "_bias", {product, vector(graph::Role::bias, ".bias")}, node().name), last);
  }
  void write(const graph::op::Matmul&) { emit("MatMul", {out_.get(input(0), last), out_.get(input(1), last)}, last); }
  void write(const graph::op::BatchNorm& o) {
    emit("BatchNormalization",
         {out_.get(input(), first), vector(graph::Role::gamma, ".gamma"), vector(graph::Role::beta, ".beta"),
          vector(graph::Role::mean, ".mean"), vector(graph::Role::variance, ".variance")},
         first, {attribute("epsilon", o.eps), attribute("momentum", 1.0f - o.momentum)});
  }
  void write(const graph::op::Add&) { binary("Add"); }
  void write(const graph::op::Sub&) { binary("Sub"); }
  void write(const graph::op::Mul&) { binary("Mul"); }
  void write(const graph::op::Relu&) { unary("Relu"); }
  void write(const graph::op::Relu6&) {
    const Layout layout = out_.layout(input());
    flat_[at(id_)] = flat_[at(input())];
    emit("Clip",
         {out_.get(input(), layout), out_.scalar(node().name + ".min", 0.0f), out_.scalar(node().name + ".max", 6.0f)},
         layout);
  }
  void write(const graph::op::LeakyRelu& o) { unary("LeakyRelu", {attribute("alpha", o.alpha)}); }
  void write(const graph::op::Sigmoid&) { unary("Sigmoid"); }
  void write(const graph::op::Tanh&) { unary("Tanh"); }
  void write(const graph::op::HardSwish&) { unary("HardSwish"); }
  void write(const graph::op::Softmax&) { softmax("Softmax"); }
  void write(const graph::op::LogSoftmax&) { softmax("LogSoftmax"); }
  void write(const graph::op::Dropout&) {
    flat_[at(id_)] = flat_[at(input())];
    for (const Layout layout : {first, last}) {
      if (out_.has(input(), layout)) out_.place(id_, layout, out_.get(input(), layout), node().shape);
    }
  }
  void write(const graph::op::MaxPool& o) { pool("MaxPool", o.size, o.stride, o.padding, {}); }
  void write(const graph::op::AveragePool& o) {
    pool("AveragePool", o.size, o.stride, o.padding,
         {attribute("count_include_pad", std::int64_t{o.count_padding ? 1 : 0})});
  }
  void write(const graph::op::GlobalAveragePool&) {
    const std::string pooled =
        out_.node("GlobalAveragePool", node().name, {out_.get(input(), first)}, node().name + "_1x1");
    place(out_.node("Flatten", node().name + "_flat", {pooled}, node().name, {attribute("axis", std::int64_t{1})}),
          last);
  }
  void write(const graph::op::Concat& o) {
    const Layout layout = out_.layout(input());
    std::vector<std::string> parts;
    for (const int from : node().inputs) parts.push_back(out_.get(from, layout));
    emit("Concat", std::move(parts), layout, {attribute("axis", position(layout, node().shape.rank(), o.axis))});
  }
  void write(const graph::op::Pad& o) {
    const Ints pads{0, 0, o.top, o.left, 0, 0, o.bottom, o.right};
    emit("Pad", {out_.get(input(), first), out_.constant(node().name + ".pads", {8}, pads)}, first);
  }
  void write(const graph::op::Reshape& o) { to_shape(out_.get(input(), last), o.shape); }
  void write(const graph::op::Flatten&) {
    // The order of an image's elements matters to nobody but a linear layer, whose weights can follow.
    Layout layout = last;
    if (shape_in().rank() == 3 && out_.layout(input()) == first && only_linear_reads(id_)) {
      layout = first;
      flat_[at(id_)] = shape_in();
    }
    emit("Flatten", {out_.get(input(), layout)}, last, {attribute("axis", std::int64_t{1})});
  }
  void write(const graph::op::Transpose& o) {
    const Layout layout = out_.layout(input());
    const int rank = node().shape.rank();
    Ints perm{0};
    for (const int d : order_of(layout, rank)) perm.push_back(position(layout, rank, o.axes[at(d)]));
    emit("Transpose", {out_.get(input(), layout)}, layout, {attribute("perm", perm)});
  }
  void write(const graph::op::Sum& o) { reduce("ReduceSum", o.axes, o.keep_dims, true); }
  void write(const graph::op::Mean& o) { reduce("ReduceMean", o.axes, o.keep_dims, out_.model.opsets[0].version >= 18); }
  void write(const graph::op::Custom&) { fail(Errc::unsupported, "save_onnx: {} cannot be written", node().name); }

  [[nodiscard]] bool only_linear_reads(int id) const {
    if (graph_.is_output(id)) return false;
    for (const int reader : graph_.consumers(id)) {
      const graph::Operator& o = graph_.node(reader).op;
      const bool passes = graph::is<graph::op::Dropout>(o) || graph::is<graph::op::Relu>(o) ||
                          graph::is<graph::op::Relu6>(o) || graph::is<graph::op::LeakyRelu>(o) ||
                          graph::is<graph::op::Sigmoid>(o) || graph::is<graph::op::Tanh>(o) ||
                          graph::is<graph::op::HardSwish>(o);
      if (!(graph::is<graph::op::Linear>(o) || (passes && only_linear_reads(reader)))) return false;
    }
    return true;
  }

  // An output has its node's name, and a value of its own; an input keeps its name for itself.
  void finish(int id) {
    const Layout layout = outer_layout(id);
    const std::string& node = graph_.node(id).name;
    std::string name = out_.get(id, layout);
    std::string wanted = node;
    bool shared = false;
    for (const ValueInfo& v : out_.model.inputs) {
      shared = shared || v.name == name;
      while (v.name == node && graph_.find(wanted) >= 0) wanted += "_output";
    }
    for (const ValueInfo& v : out_.model.outputs) shared = shared || v.name == name;
    if (shared) name = out_.node("Identity", wanted, {name}, wanted);
    out_.rename(name, wanted);
    out_.model.outputs.push_back(
        {wanted, DataType::float32, true, GraphWriter::dims_of(graph_.node(id).shape, layout, options_.batch)});
  }

  const Model& model_;
  const Graph& graph_;
  OnnxOptions options_;
  GraphWriter out_;
  std::vector<float> scale_;  // of 16-bit codes, per node; empty in float files
  std::vector<Shape> flat_;   // of a flattened image whose elements lie channels first: its shape; else rank 0
  int id_ = 0;
};

/// Refuses the nodes of a float model that ONNX has no form for.
/// Errors:    Errc::unsupported listing all of them
inline void check_float(const Graph& graph) {
  std::string refused;
  for (const graph::Node& node : graph.nodes()) {
    if (!graph::is<graph::op::Custom>(node.op)) continue;
    refused += formatted(
        "\n  {}: a {} is an operator of your own, which ONNX does not know; replace it by operators "
        "of the graph builder",
        node.name, kind(node.op));
  }
  require(refused.empty(), Errc::unsupported, "save_onnx: these nodes cannot be written:{}", refused);
}

}  // namespace stet::onnx
