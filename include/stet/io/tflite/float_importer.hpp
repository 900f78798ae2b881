#pragma once
// FloatImporter: a float32 description becomes a Model. The constants of layers stay open while it is made.

#include <stet/graph/builder.hpp>
#include <stet/graph/fold_batch_norm.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/channel_line.hpp>
#include <stet/io/shared_constants.hpp>
#include <stet/io/tflite/importer.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::tflite {

class FloatImporter final : public Importer {
 public:
  FloatImporter(const ModelInfo& model, const ImportOptions& options, const std::string& where)
      : Importer(model, options, where), options_(options), budget_(constant_budget(model, where)) {}

  /// Errors:    as load_tflite
  Model run(const Row* (*row_of)(Builtin)) {
    walk(row_of);
    try {
      return finished();
    } catch (const Error& e) {
      const std::string text = e.what();
      throw Error(e.code(), text.starts_with(where_) ? text : where_ + ": " + text);
    }
  }

  [[nodiscard]] bool on_codes() const override { return false; }
  [[nodiscard]] const Shape& shape(int node) const override { return graph_.node(node).shape; }
  [[nodiscard]] int value(const Site& site, std::size_t i) const override {
    const std::int32_t t = site.index(i);
    site.require(!is_constant(t), Errc::unsupported, "{} is a constant; only a value is understood here",
                 tensor_name(model_, t));
    if (value_of(t) < 0) throw Skipped{};
    return value_of(t);
  }

  /// Whether a tensor is a float constant of the file or behind a DEQUANTIZE of one.
  [[nodiscard]] bool is_constant(std::int32_t t) const { return !tensor(t).data.empty() || constants_.count(t) > 0; }
  /// Gives the site's output the value that DEQUANTIZE makes of its input.
  void set_constant(const Site& site, Tensor<float> value) {
    require_finite(site, site.input(0), value);
    take(value);
    constants_.insert_or_assign(site.output_index(), std::move(value));
    source_.insert_or_assign(site.output_index(), site.index(0));
  }
  /// A float constant. It is read once, however many operators use it.
  /// Errors:    Errc::unsupported if it is computed or of another type; Errc::range if it has NaN or infinite elements
  [[nodiscard]] Tensor<float> constant(const Site& site, std::size_t i) const {
    const std::int32_t t = site.index(i);
    if (const auto found = constants_.find(t); found != constants_.end()) return found->second;
    const TensorInfo& info = site.input(i);
    site.require(info.type != TensorType::int8 && info.type != TensorType::int4, Errc::unsupported,
                 "{} is {} under a float operator (dynamic range quantization); load the file with float weights",
                 info.name, type_name(info.type));
    Tensor<float> values = site.constant<float>(info, TensorType::float32);
    require_finite(site, info, values);
    constants_.emplace(t, values);
    return values;
  }
  [[nodiscard]] bool is_lowest(const Site& site, std::size_t i, int) const override {
    const Tensor<float> c = site.constant<float>(site.input(i), TensorType::float32);
    return c.size() == 1 && c[0] <= std::numeric_limits<float>::lowest();
  }

  int add(const Site& site, graph::Operator op, std::vector<int> inputs, std::string_view kind) override {
    return add(std::move(op), std::move(inputs), inner_name(site, kind));
  }
  void finish(const Site& site, graph::Operator op, std::vector<int> inputs, Activation activation) override {
    const std::string kind(graph::kind(op));
    end(site, add(std::move(op), std::move(inputs), name(site, kind, activation == Activation::none)), activation);
  }
  void finish_layer(const Site& site, graph::Operator op, int input) override {
    Tensor<float> bias;
    if (site.has(2)) {
      bias = constant(site, 2);
      const std::int64_t channels = shape_of(site.input(1))[graph::channel_axis(op)];
      site.require(bias.size() == channels && bias.shape().rank() == 1, Errc::shape,
                   "bias {} has shape {}, must be [{}]", site.input(2).name, bias.shape(), channels);
    }
    finish_layer(site, op, input, constant(site, 1), std::move(bias), site.activation());
  }
  /// The same for weights that are not as they lie in the file. A constant factor or summand behind the layer can still be
  /// folded in.
  void finish_layer(const Site& site, const graph::Operator& op, int input, Tensor<float> weights, Tensor<float> bias,
                    Activation activation) {
    const std::string kind(graph::kind(op));
    const bool plain = activation == Activation::none;
    const int node = add(stet::detail::with_bias(op, !bias.empty()), {input},
                         plain ? name(site, kind, true) : names_.layer(site.input(1), site.output().name, kind));
    uses_.add(source(site.index(1)), node, graph::Role::weight, weights.span());
    if (!bias.empty()) uses_.add(source(site.index(2)), node, graph::Role::bias, bias.span());
    take(weights);
    take(bias);
    layers_[node] = {std::move(weights), std::move(bias)};
    if (plain) open_[site.output_index()] = node;
    end(site, node, activation);
  }

  /// Adds an operator whose weights and bias are made of several constants of the file, as the value of the site's output.
  void finish_made(const Site& site, graph::Operator op, int input, Tensor<float> weights, Tensor<float> bias) {
    const std::string kind(graph::kind(op));
    const int node = add(std::move(op), {input}, name(site, kind, true));
    uses_.add(source(site.index(1)), node, graph::Role::weight, weights.span());
    take(weights);
    layers_[node] = {std::move(weights), std::move(bias)};
    end(site, node, Activation::none);
  }

  /// y = factor*x + summand per channel: into the layer that makes x if nothing else reads x, else as a depthwise 1x1
  /// convolution. factor and summand have one element or one per channel.
  /// Formula:   W' = factor*W, b' = factor*b + summand, in double, then rounded to float
  void affine(const Site& site, std::int32_t x, const std::vector<float>& factor, const std::vector<float>& summand,
              Activation activation) {
    const int from = value_of(x);
    const Shape in = shape(from);
    const bool plain = activation == Activation::none;
    const auto found = open_.find(x);
    if (found != open_.end() && read_once(x)) {
      const int node = found->second;
      fold(node, {{factor.begin(), factor.end()}, {summand.begin(), summand.end()}});
      if (plain) open_[site.output_index()] = node;
      return end(site, from, activation);
    }
    budget_.take(2 * sizeof(float) * static_cast<std::size_t>(in.back()));
    const bool image = in.rank() == 3;
    int node = from;
    if (!image) node = add(site, op::Reshape{as_image(in)}, {node}, "image");
    node = depthwise(node, factor, summand, name(site, "scale", image && plain));
    if (plain) open_[site.output_index()] = node;
    if (!image) node = add(op::Reshape{in}, {node}, name(site, "reshape", plain));
    end(site, node, activation);
  }
  /// The same of any value, as one that is no tensor of the file.
  int affine(const Site& site, int from, const std::vector<float>& factor, const std::vector<float>& summand, std::string_view kind) {
    const Shape in = shape(from);
    budget_.take(2 * sizeof(float) * static_cast<std::size_t>(in.back()));
    if (in.rank() == 3) return depthwise(from, factor, summand, inner_name(site, kind));
    const int image = add(site, op::Reshape{as_image(in)}, {from}, "image");
    return add(site, op::Reshape{in}, {depthwise(image, factor, summand, inner_name(site, kind))}, "reshape");
  }

  /// Means over the image alone need no MUL behind them that corrects means over zeros around it.
  void set_corrected(std::int32_t mean) { corrected_.insert(mean); }
  [[nodiscard]] bool is_corrected(std::int32_t mean) const { return corrected_.count(mean) > 0; }
  /// Gives the value of `from` to the site's output, under its name.
  void take_over(const Site& site, std::int32_t from, Activation activation) {
    const int node = value_of(from);
    if (activation == Activation::none) (void)graph_.value(node).named(name(site, "value", true));
    end(site, node, activation);
  }

 private:
  struct Layer {
    Tensor<float> weights, bias;  ///< the bias is empty if there is none
  };

  void begin() override {
    for (std::size_t i = 0; i < model_.inputs.size(); ++i) {
      const std::int32_t t = model_.inputs[i];
      if (!takes(t)) continue;
      attempt(nullptr, [&] {
        const TensorInfo& info = tensor(t);
        const Shape shape = shape_of(info);
        if (batch_ < 0) batch_ = shape.rank() > 0 ? shape[0] : 0;
        require(batch_ > 0 && shape.rank() > 0 && shape[0] == batch_, Errc::shape,
                "input {} has shape {}; all inputs must have the same batch in front", info.name, shape);
        const Shape given = options_.asked(i, model_.inputs.size());
        require(given.rank() == 0 || given == shape.unbatched(), Errc::unsupported,
                "input {} has shape {} (without the batch), {{.input = ...}} says {}; the shapes of a .tflite file are fixed", info.name,
                shape.unbatched(), given);
        require(info.type == TensorType::float32, Errc::unsupported, "input {} has type {}, must be float32{}",
                info.name, type_name(info.type), hint(info.type));
        set_value(t, add(op::Input{shape.unbatched()}, {}, names_.take(info.name, "input")));
      });
    }
  }
  void read(const Site& site, const Row* row) override {
    // Operands that are constants are looked at where they are used.
    if (row == nullptr || !row->any_type) {
      for (const std::int32_t t : site.info().outputs) {
        site.require(tensor(t).type == TensorType::float32, Errc::unsupported, "output has type {}, must be float32{}",
                     type_name(tensor(t).type), hint(tensor(t).type));
      }
    }
    site.require(site.info().custom_code.empty(), Errc::unsupported, "custom operators are not understood");
    site.require(row != nullptr && row->reads.real != nullptr, Errc::unsupported,
                 "this operator is not understood; docs/export.md lists those that are");
    row->reads.real(site, *this);
  }
  static const char* hint(TensorType type) {
    return type == TensorType::int8 ? "; load_tflite_integer reads int8 models" : "";
  }
  void stand_in(const Site& site, std::int32_t t) override {
    set_value(t, add(op::Input{site.sample(tensor(t))}, {}, names_.take(tensor(t).name, "stand_in")));
  }
  void add_output(int node) override { graph_.output(node); }
  [[nodiscard]] bool budget_spent() const override { return budget_.spent(); }

  // Errors:    Errc::unsupported if layers share constants and the options refuse that
  [[nodiscard]] Model finished() {
    uses_.settle(graph_, options_, where_);
    constants_.clear();
    return Model(std::move(graph_), [&](int node, const graph::ParameterSpec& spec) {
      const auto found = layers_.find(node);
      require(found != layers_.end(), Errc::shape, "load_tflite: {} has no constants", spec.suffix);
      return std::move(spec.role == graph::Role::weight ? found->second.weights : found->second.bias);
    });
  }

  // y = factor*x + summand per channel of an image.
  int depthwise(int image, const std::vector<float>& factor, const std::vector<float>& summand, const std::string& node_name) {
    const std::int64_t channels = shape(image).back();
    const int node = add(op::DepthwiseConv2D{.kernel = 1, .padding = stet::Padding::valid()}, {image}, node_name);
    layers_[node] = {repeated(factor, Shape{1, 1, 1, channels}), repeated(summand, Shape{channels})};
    return node;
  }
  int add(graph::Operator op, std::vector<int> inputs, const std::string& name) {
    return graph_.add(std::move(op), std::move(inputs), name).id();
  }
  // Name of the node that makes the site's output, or of one before it.
  std::string name(const Site& site, std::string_view kind, bool last) {
    return last ? names_.take(site.output().name, kind) : inner_name(site, kind);
  }
  void end(const Site& site, int node, Activation activation) {
    if (activation == Activation::relu) node = add(op::Relu{}, {node}, name(site, "relu", true));
    if (activation == Activation::relu6) node = add(op::Relu6{}, {node}, name(site, "relu6", true));
    site.require_output(shape(node));
    set_value(site.output_index(), node);
  }

  // Name of the constant in the file that a tensor's bytes are.
  [[nodiscard]] std::string source(std::int32_t t) const {
    if (const auto found = source_.find(t); found != source_.end()) t = found->second;
    if (tensor(t).same_buffer >= 0) t = tensor(t).same_buffer;
    return formatted("{} (tensor {})", tensor(t).name, t);
  }
  void take(const Tensor<float>& values) { budget_.take(values.span().size_bytes()); }
  static void require_finite(const Site& site, const TensorInfo& t, const Tensor<float>& values) {
    for (std::int64_t i = 0; i < values.size(); ++i) {
      site.require(std::isfinite(values[i]), Errc::range, "{} has the value {} at index {}", t.name, values[i], i);
    }
  }

  static float at(const std::vector<float>& v, std::int64_t c) {
    return v.size() == 1 ? v[0] : v[static_cast<std::size_t>(c)];
  }
  static Tensor<float> repeated(const std::vector<float>& v, const Shape& shape) {
    std::vector<float> all;
    for (std::int64_t c = 0; c < shape.elements(); ++c) all.push_back(at(v, c));
    return {shape, all};
  }
  void fold(int node, const ChannelLine& line) {
    Layer& layer = layers_.at(node);
    const Shape w = layer.weights.shape();
    const int axis = graph::channel_axis(graph_.node(node).op);
    if (layer.bias.empty()) {
      layer.bias = Tensor<float>::zeros(Shape{w[axis]});
      graph_.replace(node, stet::detail::with_bias(graph_.node(node).op));
    }
    take_in(line, w[axis], w.product(axis + 1, w.rank()), layer.weights.edit(), layer.bias.edit());
  }

  const ImportOptions& options_;
  Budget budget_;
  Graph graph_;
  mutable std::map<std::int32_t, Tensor<float>> constants_;
  std::map<std::int32_t, std::int32_t> source_;  // of constants_
  ConstantUses uses_;
  std::map<int, Layer> layers_;
  std::map<std::int32_t, int> open_;  // tensors that are a layer's affine result, and the layer
  std::set<std::int32_t> corrected_;
};

}  // namespace stet::tflite
