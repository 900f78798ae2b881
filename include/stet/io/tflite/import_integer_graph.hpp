#pragma once
// The integer model while it is made from a file: values by tensor with their scale and zero point, nodes, names.

#include <stet/graph/resolve.hpp>
#include <stet/integer/convolution.hpp>
#include <stet/io/int4.hpp>
#include <stet/io/tflite/import_attributes.hpp>
#include <stet/io/tflite/import_constants.hpp>
#include <stet/io/tflite/grids.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::tflite {

/// What IntegerImporter knows so far, and the ways to add to it.
class IntegerGraph {
 public:
  using Activation = integer::Activation;

  IntegerGraph(const ModelInfo& model, const Target& target, Readers readers, const std::string& where)
      : budget_(constant_budget(model, where)), packed_(packed_budget(model, where)), model_(model), readers_(std::move(readers)), value_of_(model.tensors.size(), -1) {
    made_.target = target;
  }

  /// Whether the file asked for more memory than its content justifies.
  [[nodiscard]] bool budget_spent() const { return budget_.spent() || packed_.spent(); }
  [[nodiscard]] const Target& target() const { return made_.target; }
  [[nodiscard]] bool has_value(std::int32_t tensor) const { return value_of_[static_cast<std::size_t>(tensor)] >= 0; }
  [[nodiscard]] int value_of(std::int32_t tensor) const { return value_of_[static_cast<std::size_t>(tensor)]; }
  void set_value(std::int32_t tensor, int value) { value_of_[static_cast<std::size_t>(tensor)] = value; }
  [[nodiscard]] const IntegerValue& value(int v) const { return made_.values[static_cast<std::size_t>(v)]; }
  [[nodiscard]] bool read_once(std::int32_t tensor) const {
    return readers_.of_tensor[static_cast<std::size_t>(tensor)] == 1;
  }
  [[nodiscard]] const OperatorInfo* reader(std::int32_t tensor) const {
    const int at = readers_.last[static_cast<std::size_t>(tensor)];
    return at < 0 ? nullptr : &model_.operators[static_cast<std::size_t>(at)];
  }

  /// Value of an operand.
  /// Errors:    Errc::unsupported if it is a constant
  [[nodiscard]] int operand(const Site& site, std::size_t i) const {
    const std::int32_t t = site.index(i);
    site.require(site.input(i).data.empty(), Errc::unsupported, "{} is a constant; only a value is understood here",
                 tensor_name(model_, t));
    if (has_value(t)) return value_of(t);
    site.require(t != model_.inputs[0], Errc::unsupported,
                 "computes with the {} input {} instead of int8 codes; load_tflite reads float models",
                 type_name(site.input(i).type), tensor_name(model_, t));
    throw Skipped{};
  }

  /// Scale and zero point of a tensor of codes.
  /// Errors:    Errc::unsupported if it is not int8; Errc::format if it has not one scale and a zero point of int8
  static Affine codes(const Site& site, const TensorInfo& t) {
    site.require(t.type == TensorType::int8, Errc::unsupported, "{} has type {}, must be int8{}", t.name,
                 type_name(t.type), t.type == TensorType::float32 ? "; load_tflite reads float models" : "");
    const Quantization& q = t.quantization;
    site.require(q.scale.size() == 1, Errc::format, "{} has {} scales, must have one", t.name, q.scale.size());
    site.require(q.zero_point[0] >= -128 && q.zero_point[0] <= 127, Errc::range, "{} has zero point {}, outside int8",
                 t.name, q.zero_point[0]);
    return {q.scale[0], static_cast<std::int32_t>(q.zero_point[0])};
  }

  /// Adds a value that no tensor of the file is.
  int add_value(std::string name, const Shape& shape, const Affine& codes) {
    made_.values.push_back({std::move(name), shape, codes});
    return static_cast<int>(made_.values.size()) - 1;
  }
  int add_value(const Site& site, std::int32_t tensor, std::string_view kind) {
    const TensorInfo& t = model_.tensors[static_cast<std::size_t>(tensor)];
    const int v = add_value(names_.take(t.name, kind), site.sample(t), codes(site, t));
    set_value(tensor, v);
    return v;
  }
  [[nodiscard]] std::string inner_name(const Site& site, std::string_view kind) {
    return names_.take(Names::clean(site.output().name) + "/" + std::string(kind), kind);
  }
  void add_node(std::string name, graph::Operator op, std::vector<int> inputs, int output,
                Activation activation = Activation::none, LayerConstants constants = {}) {
    made_.nodes.push_back({std::move(name), std::move(op), std::move(inputs), output, activation, std::move(constants)});
  }
  /// Adds an operator whose value is the site's output.
  /// Errors:    Errc::shape if the output has another shape than the operator makes
  void finish(const Site& site, graph::Operator op, std::vector<int> inputs, Activation activation = Activation::none,
              LayerConstants constants = {}) {
    std::vector<Shape> shapes;
    for (const int in : inputs) shapes.push_back(value(in).shape);
    site.require_output(graph::infer(op, shapes));
    const int v = add_value(site, site.output_index(), graph::kind(op));
    add_node(value(v).name, std::move(op), std::move(inputs), v, activation, std::move(constants));
  }
  /// Shape of a graph operator's result on values.
  template <class... Values>
  [[nodiscard]] Shape infer(const graph::Operator& o, Values... values) const {
    return graph::infer(o, std::vector<Shape>{value(values).shape...});
  }

  /// Checks that an operator's output has the scale and zero point of its input.
  void require_same_params(const Site& site, int input) const {
    const Affine out = codes(site, site.output());
    const Affine& in = value(input).codes;
    site.require(out.scale == in.scale && out.zero_point == in.zero_point, Errc::unsupported,
                 "output has scale {} and zero point {}, its input {} has {} and {}; this operator must keep them",
                 out.scale, out.zero_point, value(input).name, in.scale, in.zero_point);
  }
  /// Adds an operator that passes on the codes of its inputs.
  void finish_same(const Site& site, graph::Operator op, std::vector<int> inputs) {
    for (const int in : inputs) require_same_params(site, in);
    finish(site, std::move(op), std::move(inputs));
  }

  /// The operator that makes a value; null for the stand-in of one that could not be made.
  [[nodiscard]] const graph::Operator* maker(int v) const {
    for (std::size_t n = made_.nodes.size(); n-- > 0;) {
      if (made_.nodes[n].output == v) return &made_.nodes[n].op;
    }
    return nullptr;
  }
  /// Cuts the grid of the value of `from`, which nothing else reads, and gives it to the site's output.
  void limit(const Site& site, std::int32_t from, Grid grid) {
    const int v = value_of(from);
    IntegerValue& x = made_.values[static_cast<std::size_t>(v)];
    const std::string name = names_.take(site.output().name, "limited");
    for (IntegerNode& node : made_.nodes) {
      if (node.output == v && node.name == x.name) node.name = name;
    }
    x.name = name;
    x.codes.grid = grid;
    set_value(site.output_index(), v);
  }

  /// Adds a layer with its constants. Its node is named as its weights, if those are called `<node>.weight`.
  /// Errors:    Errc::format, Errc::range or Errc::unsupported if types, zero points or scales are not those of an int8
  ///            layer, or the target cannot run its multipliers
  template <graph::op::LayerOp Op>
  void finish_layer(const Site& site, const Op& op, int input) {
    finish(site, op, {input}, site.activation(), constants(site, op, input));
    const std::string stem = Names::stem_of(site.input(1));
    if (!stem.empty()) made_.nodes.back().name = stem;
  }

  void output(int v) { made_.outputs.push_back(v); }
  /// The model. Problems of grids below 8 bits are added.
  [[nodiscard]] IntegerModel finished(Problems& problems) {
    settle_grids(made_, problems);
    return std::move(made_);
  }

 private:
  template <class Op>
  [[nodiscard]] LayerConstants constants(const Site& site, const Op& op, int input) {
    const TensorInfo& w = site.input(1);
    budget_.take(2 * w.data.size() + (site.has(2) ? site.input(2).data.size() : 0));
    LayerConstants c;
    c.weights = weight_codes(site, w, made_.target);
    if constexpr (!std::is_same_v<Op, graph::op::DepthwiseConv2D>) {
      const std::int64_t groups = value(input).shape.back() / c.weights.shape().back();
      packed_.take(static_cast<std::size_t>(integer::ConvolutionWeights::packed_bytes(c.weights.shape(), groups)));
    }
    constexpr int axis = Op::channel_axis;
    const std::int64_t channels = c.weights.shape()[axis];
    const Quantization& q = w.quantization;
    site.require(!q.scale.empty(), Errc::format, "weights {} have no scale", w.name);
    for (const std::int64_t z : q.zero_point) {
      site.require(z == 0, Errc::unsupported, "weights {} have zero point {}, must be 0", w.name, z);
    }
    site.require(q.scale.size() == 1 || (q.dimension == axis && static_cast<std::int64_t>(q.scale.size()) == channels),
                 Errc::unsupported,
                 "weights {} have {} scales along dimension {}; must be one, or {} along dimension {}", w.name,
                 q.scale.size(), q.dimension, channels, axis);
    c.weight_scale = q.scale;
    const float s_in = value(input).codes.scale;
    if (site.has(2)) {
      const TensorInfo& b = site.input(2);
      c.bias = read_constant<std::int32_t>(site, b, TensorType::int32);
      site.require(c.bias.size() == channels && c.bias.shape().rank() == 1, Errc::shape,
                   "bias {} has shape {}, must be [{}]", b.name, c.bias.shape(), channels);
      check_bias_scale(site, b, s_in, c.weight_scale);
    } else {
      site.require(std::is_same_v<Op, graph::op::Linear>, Errc::format, "has no bias; runtimes refuse an int8 layer of this kind without one");
      c.bias = Tensor<std::int32_t>::zeros(Shape{channels});
    }
    const Operand in{value(input).shape, value(input).codes}, out{site.output_sample(), codes(site, site.output())};
    (void)resolve(op, {made_.target, {&in, 1}, out, site.activation()}, c.weight_scale, c.bias.span());
    return c;
  }
  static Tensor<std::int8_t> weight_codes(const Site& site, const TensorInfo& w, const Target& target) {
    if (w.type != TensorType::int4) return read_constant<std::int8_t>(site, w, TensorType::int8);
    site.require(!w.data.empty(), Errc::unsupported, "{} is computed by the model; only a constant is understood",
                 w.name);
    site.require(
        target != targets::litert_default && site.info().code != Builtin::depthwise_conv_2d, Errc::unsupported,
        "weights {} are int4; LiteRT runs such convolutions and linear layers in builtin kernels, which round as "
        "target tflite_reference does, and no depthwise ones",
        w.name);
    const Shape shape = shape_of(w);
    return {shape, unpacked_int4(w.data, static_cast<std::size_t>(shape.elements()))};
  }

  // Runtimes take s_in * s_w for the scale of the bias, whatever the file says; another number would be another bias.
  static void check_bias_scale(const Site& site, const TensorInfo& b, float s_in, const std::vector<float>& s_w) {
    const Quantization& q = b.quantization;
    site.require(q.scale.size() == s_w.size(), Errc::unsupported, "bias {} has {} scales, the weights have {}", b.name,
                 q.scale.size(), s_w.size());
    for (std::size_t i = 0; i < q.scale.size(); ++i) {
      const double wanted = static_cast<double>(s_in) * static_cast<double>(s_w[i]);
      site.require(q.zero_point[i] == 0, Errc::unsupported, "bias {} has zero point {}, must be 0", b.name,
                   q.zero_point[i]);
      site.require(std::abs(static_cast<double>(q.scale[i]) - wanted) <= 1e-6 * wanted, Errc::unsupported,
                   "bias {} has scale {} in channel {}, must be input scale times weight scale, {}", b.name, q.scale[i],
                   i, wanted);
    }
  }

  Budget budget_, packed_;  // packed_: of the weights as the engine will pack them
  const ModelInfo& model_;
  Readers readers_;
  std::vector<int> value_of_;
  IntegerModel made_;
  Names names_;
};

}  // namespace stet::tflite
