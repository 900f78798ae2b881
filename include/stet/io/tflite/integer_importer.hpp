#pragma once
// IntegerImporter: an int8 description becomes an IntegerModel.

#include <stet/graph/resolve.hpp>
#include <stet/integer/convolution.hpp>
#include <stet/io/int4.hpp>
#include <stet/io/tflite/grids.hpp>
#include <stet/io/tflite/importer.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet::tflite {

class IntegerImporter final : public Importer {
 public:
  IntegerImporter(const ModelInfo& model, const Target& target, const ImportOptions& options, const std::string& where)
      : Importer(model, options, where), budget_(constant_budget(model, where)), packed_(packed_budget(model, where)), place_of_(model.tensors.size(), -1) {
    made_.target = target;
    batch_ = 1;
    for (std::size_t i = 0; i < model.inputs.size(); ++i) place_of_[static_cast<std::size_t>(model.inputs[i])] = static_cast<std::ptrdiff_t>(i);
  }

  /// Errors:    as load_tflite_integer
  IntegerModel run(const Row* (*row_of)(Builtin)) {
    walk(row_of);
    order_entries();
    settle_grids(made_, problems_);
    problems_.require_none(where_);
    return std::move(made_);
  }

  [[nodiscard]] bool on_codes() const override { return true; }
  [[nodiscard]] const Target& target() const { return made_.target; }
  [[nodiscard]] const Shape& shape(int v) const override { return at(v).shape; }
  [[nodiscard]] const Affine& codes(int v) const { return at(v).codes; }
  [[nodiscard]] const std::string& name(int v) const { return at(v).name; }
  [[nodiscard]] int value(const Site& site, std::size_t i) const override {
    const std::int32_t t = site.index(i);
    site.require(site.input(i).data.empty(), Errc::unsupported, "{} is a constant; only a value is understood here",
                 tensor_name(model_, t));
    if (value_of(t) >= 0) return value_of(t);
    site.require(!is_entry(t), Errc::unsupported,
                 "computes with the {} input {} instead of int8 codes; load_tflite reads float models",
                 type_name(site.input(i).type), tensor_name(model_, t));
    throw Skipped{};
  }

  /// The same, or a constant as a value of its own with as many dimensions as the other operand has.
  [[nodiscard]] int operand(const Site& site, std::size_t i, int rank) {
    if (!site.is_constant(i)) return value(site, i);
    const auto [found, fresh] = constant_of_.try_emplace({site.index(i), rank}, -1);
    if (!fresh) return found->second;
    const TensorInfo& t = site.input(i);
    const Affine affine = codes(site, t);
    budget_.take(2 * t.data.size());
    const Tensor<std::int8_t> all = site.constant<std::int8_t>(t, TensorType::int8);
    std::vector<std::int64_t> dims(all.shape().dims().begin(), all.shape().dims().end());
    const auto wanted = static_cast<std::size_t>(rank);
    while (dims.size() > wanted && dims[0] == 1) dims.erase(dims.begin());
    site.require(dims.size() <= wanted && all.size() > 0, Errc::unsupported, "the constant {} has shape {}; it must be the same for every sample",
                 t.name, all.shape());
    dims.insert(dims.begin(), wanted - dims.size(), 1);
    const Shape shape{std::span<const std::int64_t>(dims)};
    const int v = add_value(names_.take(t.name, "constant"), shape, affine);
    made_.nodes.push_back({name(v), op::Constant{shape}, {}, v, Activation::none, {.weights = all.reshaped(shape)}});
    return found->second = v;
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
  void require_same_params(const Site& site, int input) const override {
    const Affine out = codes(site, site.output());
    const Affine& in = codes(input);
    site.require(out.scale == in.scale && out.zero_point == in.zero_point, Errc::unsupported,
                 "output has scale {} and zero point {}, its input {} has {} and {}; this operator must keep them",
                 out.scale, out.zero_point, name(input), in.scale, in.zero_point);
  }
  [[nodiscard]] bool is_lowest(const Site& site, std::size_t i, int v) const override {
    const Tensor<std::int8_t> c = site.constant<std::int8_t>(site.input(i), TensorType::int8);
    return c.size() == 1 && c[0] <= codes(v).grid.lo;
  }

  /// Adds the tensor of the model's codes as its input.
  void add_entry(const Site& site, std::int32_t t, std::int32_t input) {
    const std::string& input_name = tensor(input).name;
    const int v = add_value(site, t, "input");
    const std::string clean = Names::clean(input_name);
    made_.nodes.push_back({clean.empty() ? name(v) : clean, op::Input{shape(v)}, {}, v});
    entry_of_[v] = place_of_[static_cast<std::size_t>(input)];
  }
  /// Places of the model's inputs among those of the file, behind run().
  [[nodiscard]] std::vector<std::size_t> entries() const {
    std::vector<std::size_t> places;
    for (const auto& [value, place] : entry_of_) places.push_back(static_cast<std::size_t>(place));
    std::ranges::sort(places);
    return places;
  }
  /// Whether a tensor is an input of the file.
  [[nodiscard]] bool is_entry(std::int32_t t) const { return place_of_[static_cast<std::size_t>(t)] >= 0; }
  int add(const Site& site, graph::Operator op, std::vector<int> inputs, std::string_view kind) override {
    const std::vector<Shape> shapes = shapes_of(inputs);
    const Shape shape = graph::infer(op, shapes);
    op = integer_form_of(op, shapes, shape);
    const Affine codes = graph::moves_codes(op) ? this->codes(inputs[0]) : this->codes(site, site.output());
    const int v = add_value(inner_name(site, kind), shape, codes);
    made_.nodes.push_back({name(v), std::move(op), std::move(inputs), v});
    return v;
  }
  void finish(const Site& site, graph::Operator op, std::vector<int> inputs, Activation activation) override {
    finish(site, {{}, integer_form_of(op, shapes_of(inputs), site.output_sample()), std::move(inputs), -1, activation});
  }
  void finish_layer(const Site& site, graph::Operator op, int input) override {
    LayerConstants constants = layer_constants(site, op, input);
    finish(site, {{}, std::move(op), {input}, -1, site.activation(), std::move(constants)});
    const std::string stem = Names::stem_of(site.input(1));
    if (!stem.empty()) made_.nodes.back().name = stem;
  }

  /// The operator that makes a value; null for the stand-in of one that could not be made.
  [[nodiscard]] const graph::Operator* maker(int v) const {
    const auto found = std::find_if(made_.nodes.rbegin(), made_.nodes.rend(), [v](const auto& n) { return n.output == v; });
    return found == made_.nodes.rend() ? nullptr : &found->op;
  }
  /// Cuts the grid of a value that nothing else reads, and gives it to the site's output.
  void limit(const Site& site, int v, Grid grid) {
    IntegerValue& x = made_.values[static_cast<std::size_t>(v)];
    const std::string name = names_.take(site.output().name, "limited");
    for (IntegerNode& node : made_.nodes) {
      if (node.output == v && node.name == x.name) node.name = name;
    }
    x.name = name;
    x.codes.grid = grid;
    set_value(site.output_index(), v);
  }

 private:
  void begin() override {
    for (std::size_t i = 0; i < model_.inputs.size(); ++i) {
      const TensorInfo& info = tensor(model_.inputs[i]);
      const Shape shape = shape_of(info);
      require(shape.rank() > 0 && shape[0] > 0 && shape.elements() > 0, Errc::shape,
              "input {} has shape {}; wants a batch in front and elements", info.name, shape);
      require(i == 0 || shape[0] == batch_, Errc::shape, "input {} has shape {}; all inputs must have the same batch in front", info.name, shape);
      batch_ = shape[0];
    }
    for (const std::int32_t t : model_.inputs) {
      if (!takes(t) || tensor(t).type != TensorType::int8) continue;  // codes of the others are made by a QUANTIZE
      const OperatorInfo entry{.inputs = {}, .outputs = {t}};
      attempt(nullptr, [&] { add_entry(site_of(entry), t, t); });
    }
  }
  // Inputs first, in the order of the file, whatever the order of their QUANTIZEs.
  void order_entries() {
    const auto place = [&](const IntegerNode& node) {
      const auto found = entry_of_.find(node.output);
      return found == entry_of_.end() || !node.inputs.empty() ? std::ptrdiff_t{1} << 40 : found->second;
    };
    std::ranges::stable_sort(made_.nodes, {}, place);
  }
  void read(const Site& site, const Row* row) override {
    site.require(site.info().custom_code.empty(), Errc::unsupported, "custom operators are not understood");
    site.require(row != nullptr && row->reads.codes != nullptr, Errc::unsupported,
                 "has no integer operator in stet; docs/export.md lists those that have");
    row->reads.codes(site, *this);
  }
  void stand_in(const Site& site, std::int32_t t) override { (void)add_value(site, t, "stand_in"); }
  void add_output(int v) override { made_.outputs.push_back(v); }
  [[nodiscard]] bool budget_spent() const override { return budget_.spent() || packed_.spent(); }

  [[nodiscard]] const IntegerValue& at(int v) const { return made_.values[static_cast<std::size_t>(v)]; }
  int add_value(std::string name, const Shape& shape, const Affine& codes) {
    made_.values.push_back({std::move(name), shape, codes});
    return static_cast<int>(made_.values.size()) - 1;
  }
  int add_value(const Site& site, std::int32_t t, std::string_view kind) {
    const TensorInfo& info = tensor(t);
    const int v = add_value(names_.take(info.name, kind), site.sample(info), codes(site, info));
    set_value(t, v);
    return v;
  }
  [[nodiscard]] std::vector<Shape> shapes_of(const std::vector<int>& inputs) const {
    std::vector<Shape> shapes;
    for (const int in : inputs) shapes.push_back(shape(in));
    return shapes;
  }
  // Adds a node as the maker of the site's output. The target must be able to run it at the scales of the file.
  void finish(const Site& site, IntegerNode node) {
    if (graph::moves_codes(node.op)) {
      for (const int in : node.inputs) require_same_params(site, in);
    } else {
      require_resolvable(site, node);
    }
    site.require_output(graph::infer(node.op, shapes_of(node.inputs)));
    node.output = add_value(site, site.output_index(), graph::kind(node.op));
    node.name = name(node.output);
    made_.nodes.push_back(std::move(node));
  }
  void require_resolvable(const Site& site, const IntegerNode& node) const {
    std::vector<Operand> in;
    for (const int v : node.inputs) in.push_back({shape(v), codes(v)});
    const Operand out{site.output_sample(), codes(site, site.output())};
    const Surroundings around{made_.target, in, out, node.activation};
    const LayerConstants& c = node.constants;
    graph::match_integer(node.op, [&](const auto& o) {
      if constexpr (graph::op::LayerOp<std::remove_cvref_t<decltype(o)>>) {
        (void)resolve(o, around, c.weight_scale, c.bias.span());
      } else {
        (void)resolve(o, around);
      }
    });
  }

  // Errors:    Errc::format, Errc::range or Errc::unsupported if types, zero points or scales are not those of an int8 layer
  [[nodiscard]] LayerConstants layer_constants(const Site& site, const graph::Operator& op, int input) {
    const TensorInfo& w = site.input(1);
    budget_.take(2 * w.data.size() + (site.has(2) ? site.input(2).data.size() : 0));
    LayerConstants c;
    c.weights = weight_codes(site, w);
    const int axis = graph::channel_axis(op);
    if (axis == 0) {  // the engine packs weights that several inputs share
      const std::int64_t groups = shape(input).back() / c.weights.shape().back();
      packed_.take(static_cast<std::size_t>(integer::ConvolutionWeights::packed_bytes(c.weights.shape(), groups)));
    }
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
    if (site.has(2)) {
      const TensorInfo& b = site.input(2);
      c.bias = site.constant<std::int32_t>(b, TensorType::int32);
      site.require(c.bias.size() == channels && c.bias.shape().rank() == 1, Errc::shape,
                   "bias {} has shape {}, must be [{}]", b.name, c.bias.shape(), channels);
      check_bias_scale(site, b, codes(input).scale, c.weight_scale);
    } else {
      site.require(site.info().code == Builtin::fully_connected, Errc::format,
                   "has no bias; runtimes refuse an int8 layer of this kind without one");
      c.bias = Tensor<std::int32_t>::zeros(Shape{channels});
    }
    return c;
  }
  [[nodiscard]] Tensor<std::int8_t> weight_codes(const Site& site, const TensorInfo& w) const {
    if (w.type != TensorType::int4) return site.constant<std::int8_t>(w, TensorType::int8);
    site.require(!w.data.empty(), Errc::unsupported, "{} is computed by the model; only a constant is understood",
                 w.name);
    site.require(
        made_.target != targets::litert_default && site.info().code != Builtin::depthwise_conv_2d, Errc::unsupported,
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
  IntegerModel made_;
  std::map<std::pair<std::int32_t, int>, int> constant_of_{};  // by tensor and number of dimensions
  std::vector<std::ptrdiff_t> place_of_;     // by tensor: its place among the inputs of the file, -1 for others
  std::map<int, std::ptrdiff_t> entry_of_{};  // by value of an input: its place among those of the file
};

}  // namespace stet::tflite
