#pragma once
// The float graph while it is made from a file: nodes by tensor, layers whose constants are still open, names.

#include <stet/graph/builder.hpp>
#include <stet/graph/model.hpp>
#include <stet/io/shared_constants.hpp>
#include <stet/io/tflite/import_attributes.hpp>
#include <stet/io/tflite/import_constants.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::tflite {

/// What FloatImporter knows so far, and the ways to add to it.
class FloatGraph {
 public:
  using Activation = integer::Activation;

  FloatGraph(const ModelInfo& model, Readers readers, const std::string& where)
      : budget_(constant_budget(model, where)), model_(model), readers_(std::move(readers)), node_of_(model.tensors.size(), -1) {}

  [[nodiscard]] const Graph& graph() const { return graph_; }
  /// Whether the file asked for more memory than its content justifies.
  [[nodiscard]] bool budget_spent() const { return budget_.spent(); }
  [[nodiscard]] bool has_node(std::int32_t tensor) const { return node_of_[static_cast<std::size_t>(tensor)] >= 0; }
  [[nodiscard]] int node_of(std::int32_t tensor) const { return node_of_[static_cast<std::size_t>(tensor)]; }
  /// Whether only one operator reads a tensor, and it is no output.
  [[nodiscard]] bool read_once(std::int32_t tensor) const {
    return readers_.of_tensor[static_cast<std::size_t>(tensor)] == 1;
  }
  /// The last operator that reads a tensor, null if none does.
  [[nodiscard]] const OperatorInfo* reader(std::int32_t tensor) const {
    const int at = readers_.last[static_cast<std::size_t>(tensor)];
    return at < 0 ? nullptr : &model_.operators[static_cast<std::size_t>(at)];
  }
  /// Node of an operand that is a value.
  /// Errors:    Errc::unsupported if it is a constant
  [[nodiscard]] int value(const Site& site, std::size_t i) const {
    const std::int32_t t = site.index(i);
    site.require(!is_constant(t), Errc::unsupported, "{} is a constant; only a value is understood here",
                 tensor_name(model_, t));
    if (!has_node(t)) throw Skipped{};
    return node_of(t);
  }
  [[nodiscard]] Shape shape(int node) const { return graph_.node(node).shape; }

  /// Whether a tensor is a float constant of the file or behind a DEQUANTIZE of one.
  [[nodiscard]] bool is_constant(std::int32_t tensor) const {
    return !model_.tensors[static_cast<std::size_t>(tensor)].data.empty() || constants_.count(tensor) > 0;
  }
  /// Gives a tensor the value that was made of the constant `from`.
  void set_constant(std::int32_t tensor, std::int32_t from, Tensor<float> value) {
    take(value);
    constants_.insert_or_assign(tensor, std::move(value));
    source_.insert_or_assign(tensor, from);
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
    Tensor<float> values = read_constant<float>(site, info, TensorType::float32);
    require_finite(site, info, values);
    constants_.emplace(t, values);
    return values;
  }

  /// Adds a node; its value is the tensor's if one is given.
  int add(graph::Operator op, std::vector<int> inputs, const std::string& name) {
    return graph_.add(std::move(op), std::move(inputs), name).id();
  }
  void set_value(std::int32_t tensor, int node) { node_of_[static_cast<std::size_t>(tensor)] = node; }
  /// Name of the node that makes an operator's output.
  [[nodiscard]] std::string output_name(const Site& site, std::string_view kind) {
    return names_.take(site.output().name, kind);
  }
  [[nodiscard]] std::string inner_name(const Site& site, std::string_view kind) {
    return names_.take(
        site.output().name.empty() ? std::string(kind) : Names::clean(site.output().name) + "/" + std::string(kind),
        kind);
  }

  /// Adds an operator without constants, with its fused activation behind it, as the value of the site's output.
  void finish(const Site& site, graph::Operator op, std::vector<int> inputs, Activation activation) {
    const std::string kind(graph::kind(op));
    const bool plain = activation == Activation::none;
    const std::string name = plain ? output_name(site, kind) : inner_name(site, kind);
    end(site, add(std::move(op), std::move(inputs), name), activation);
  }
  /// Adds a layer. Its constants stay open: a constant factor or summand behind it can still be folded in.
  void finish_layer(const Site& site, graph::Operator op, int input, Tensor<float> weights, Tensor<float> bias,
                    int axis, Activation activation) {
    const std::string kind(graph::kind(op));
    const bool plain = activation == Activation::none;
    const std::string name = plain ? output_name(site, kind) : names_.layer(site.input(1), site.output().name, kind);
    const int node = add(std::move(op), {input}, name);
    uses_.add(source(site.index(1)), node, graph::Role::weight, weights.span());
    if (!bias.empty()) uses_.add(source(site.index(2)), node, graph::Role::bias, bias.span());
    take(weights);
    take(bias);
    layers_[node] = {std::move(weights), std::move(bias), axis};
    if (plain) open_[site.output_index()] = node;
    end(site, node, activation);
  }

  /// y = factor*x + summand per channel: into the layer that makes x if nothing else reads x, else as a depthwise 1x1
  /// convolution. factor and summand have one element or one per channel.
  /// Formula:   W' = factor*W, b' = factor*b + summand, in double, then rounded to float
  void affine(const Site& site, std::int32_t x, const std::vector<float>& factor, const std::vector<float>& summand,
              Activation activation) {
    const int from = node_of(x);
    const Shape in = shape(from);
    const std::int64_t channels = in.back();
    const auto found = open_.find(x);
    if (found != open_.end() && read_once(x)) {
      const int node = found->second;
      fold(node, factor, summand);
      if (activation == Activation::none) open_[site.output_index()] = node;
      return end(site, from, activation);
    }
    budget_.take(2 * sizeof(float) * static_cast<std::size_t>(channels));
    std::vector<float> w, b;
    for (std::int64_t c = 0; c < channels; ++c) {
      w.push_back(factor.size() == 1 ? factor[0] : factor[static_cast<std::size_t>(c)]);
      b.push_back(summand.size() == 1 ? summand[0] : summand[static_cast<std::size_t>(c)]);
    }
    const bool image = in.rank() == 3;
    const bool plain = image && activation == Activation::none;
    int node = from;
    if (!image) {
      node = add(op::Reshape{Shape{1, in.elements() / channels, channels}}, {node}, inner_name(site, "image"));
    }
    node = add(op::DepthwiseConv2D{.kernel = 1, .padding = stet::Padding::valid()}, {node},
               plain ? output_name(site, "scale") : inner_name(site, "scale"));
    layers_[node] = {Tensor<float>(Shape{1, 1, 1, channels}, w), Tensor<float>(Shape{channels}, b), 3};
    if (activation == Activation::none) open_[site.output_index()] = node;
    if (!image) {
      node = add(op::Reshape{in}, {node},
                 activation == Activation::none ? output_name(site, "reshape") : inner_name(site, "reshape"));
    }
    end(site, node, activation);
  }

  /// Gives the value of `from` to the site's output, under its name.
  void take_over(const Site& site, std::int32_t from, Activation activation) {
    const int node = node_of(from);
    if (activation == Activation::none) (void)graph_.value(node).named(output_name(site, "value"));
    end(site, node, activation);
  }

  /// A stand-in for a value that could not be made, so that what is behind it is looked at too.
  void stand_in(const Site& site) {
    for (const std::int32_t t : site.info().outputs) {
      try {
        const TensorInfo& info = model_.tensors[static_cast<std::size_t>(t)];
        set_value(t, add(op::Input{site.sample(info)}, {}, names_.take(info.name, "stand_in")));
      } catch (const Error&) {  // then what is behind it is skipped
      }
    }
  }

  /// The input node of a tensor.
  void input(std::int32_t tensor, const Shape& sample) {
    const TensorInfo& info = model_.tensors[static_cast<std::size_t>(tensor)];
    set_value(tensor, add(op::Input{sample}, {}, names_.take(info.name, "input")));
  }
  void output(int node) { graph_.output(node); }

  /// The model with its constants.
  /// Errors:    Errc::unsupported if layers share some and the options refuse that
  [[nodiscard]] Model finished(const ImportOptions& options, const std::string& where) {
    uses_.settle(graph_, options, where);
    Model model(std::move(graph_), Rng(0));
    for (auto& [node, layer] : layers_) {
      put(model.find_parameter(node, graph::Role::weight), std::move(layer.weights));
      if (!layer.bias.empty()) put(model.find_parameter(node, graph::Role::bias), std::move(layer.bias));
    }
    return model;
  }

 private:
  struct Layer {
    Tensor<float> weights, bias;  ///< the bias is empty if there is none
    int axis = 0;                 ///< of the weights: which dimension is the output channel
  };

  // Name of the constant in the file that a tensor's bytes are.
  [[nodiscard]] std::string source(std::int32_t tensor) const {
    if (const auto found = source_.find(tensor); found != source_.end()) tensor = found->second;
    const TensorInfo& info = model_.tensors[static_cast<std::size_t>(tensor)];
    if (info.same_buffer >= 0) tensor = info.same_buffer;
    return formatted("{} (tensor {})", model_.tensors[static_cast<std::size_t>(tensor)].name, tensor);
  }

  void take(const Tensor<float>& values) { budget_.take(values.span().size_bytes()); }

  static void put(Parameter* to, Tensor<float> value) {
    require(to != nullptr && to->value.shape() == value.shape(), Errc::shape,
            "load_tflite: a constant of shape {} fits no parameter", value.shape());
    to->value = std::move(value);
  }

  void end(const Site& site, int node, Activation activation) {
    if (activation == Activation::relu) node = add(op::Relu{}, {node}, output_name(site, "relu"));
    if (activation == Activation::relu6) node = add(op::Relu6{}, {node}, output_name(site, "relu6"));
    site.require_output(shape(node));
    set_value(site.output_index(), node);
  }

  void fold(int node, const std::vector<float>& factor, const std::vector<float>& summand) {
    Layer& layer = layers_.at(node);
    const Shape w = layer.weights.shape();
    const std::int64_t channels = w[layer.axis];
    const std::int64_t inner = w.product(layer.axis + 1, w.rank());
    const auto at = [](const std::vector<float>& v, std::int64_t c) {
      return static_cast<double>(v.size() == 1 ? v[0] : v[static_cast<std::size_t>(c)]);
    };
    const auto values = layer.weights.edit();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::int64_t c = static_cast<std::int64_t>(i) / inner % channels;
      values[i] = static_cast<float>(static_cast<double>(values[i]) * at(factor, c));
    }
    if (layer.bias.empty()) {
      layer.bias = Tensor<float>::zeros(Shape{channels});
      add_bias(node);
    }
    const auto bias = layer.bias.edit();
    for (std::int64_t c = 0; c < channels; ++c) {
      float& b = bias[static_cast<std::size_t>(c)];
      b = static_cast<float>(static_cast<double>(b) * at(factor, c) + at(summand, c));
    }
  }
  void add_bias(int node) {
    const graph::Operator& o = graph_.node(node).op;
    if (const auto* conv = graph::as<op::Conv2D>(o)) {
      op::Conv2D with = *conv;
      with.bias = true;
      graph_.replace(node, with);
    } else if (const auto* depthwise = graph::as<op::DepthwiseConv2D>(o)) {
      op::DepthwiseConv2D with = *depthwise;
      with.bias = true;
      graph_.replace(node, with);
    } else {
      op::Linear with = *graph::as<op::Linear>(o);
      with.bias = true;
      graph_.replace(node, with);
    }
  }

  Budget budget_;
  const ModelInfo& model_;
  Readers readers_;
  Graph graph_;
  std::vector<int> node_of_;
  mutable std::map<std::int32_t, Tensor<float>> constants_;
  std::map<std::int32_t, std::int32_t> source_;  // of constants_
  ConstantUses uses_;
  std::map<int, Layer> layers_;
  std::map<std::int32_t, int> open_;  // tensors that are a layer's affine result, and the layer
  Names names_;
};

}  // namespace stet::tflite
