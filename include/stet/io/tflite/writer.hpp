#pragma once
// Writer: what an operator's `write` (operators/*/tflite.hpp) sees of a .tflite file in the making.

#include <stet/graph/integer_model.hpp>
#include <stet/io/int4.hpp>
#include <stet/io/tflite/schema.hpp>
#include <stet/io/tflite/window_plan.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

namespace op = graph::op;

/// The activation that an operator applies itself.
inline FusedActivation fused(Activation a) {
  return a == Activation::relu    ? FusedActivation::relu
         : a == Activation::relu6 ? FusedActivation::relu6
                                  : FusedActivation::none;
}

/// Tensors and operators in the making, and the node that is written. Shapes of values are given without the batch.
/// FloatWriter and IntegerWriter say what the constants of layers are.
class Writer {
 public:
  /// A node of a model, as the format sees it. Inputs and output are the model's numbers of values.
  struct Node {
    std::string name{};        ///< after which its constants are named
    std::string value_name{};  ///< of what it makes, its fused activation included
    std::vector<int> inputs{};
    int output = -1;
    Shape in{}, out{};  ///< of the first input and of the output
    FusedActivation activation = FusedActivation::none;
    Quantization quantization{};
    bool twin = false;     ///< whether the value's name goes to the real number that leaves the file in its place
    std::string suffix{};  ///< of the tensor's name, for those that something follows under the same name
  };

  /// Types of values, and whether they enter as real numbers although they are codes.
  struct Kind {
    TensorType type = TensorType::float32;
    bool real_input = false, real_output = false;
    bool hybrid = false;  ///< whether layers read real values but have codes as weights
  };

  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  [[nodiscard]] const Kind& kind() const { return kind_; }
  [[nodiscard]] const Node& node() const { return node_; }
  [[nodiscard]] std::int32_t input(std::size_t i = 0) const { return tensor(node_.inputs[i]); }
  /// The tensor that the node makes.
  std::int32_t output() {
    if (tensor(node_.output) < 0) {
      const bool codes = node_.twin || (node_.inputs.empty() && kind_.real_input);
      set_output(value(node_.value_name + (codes ? ":codes" : "") + node_.suffix, node_.out, kind_.type,
                       node_.quantization));
    }
    return tensor(node_.output);
  }
  void set_output(std::int32_t tensor) { tensor_of_[static_cast<std::size_t>(node_.output)] = tensor; }

  /// Weights (per output along `axis` or, if not `channels`, under one scale where they become codes) and bias of the
  /// node, behind the tensor x.
  virtual std::vector<std::int32_t> layer(std::int32_t x, int axis, bool channels) = 0;
  /// A constant that wins no maximum with the node's input.
  virtual std::int32_t lowest() = 0;
  /// Whether weights of linear layers may have a scale per output.
  [[nodiscard]] virtual bool linear_channels() const { return true; }

  /// Adds the operator that makes the node's value.
  void emit(Builtin code, std::vector<std::int32_t> inputs, const Options& options = {}) {
    operation(code, std::move(inputs), output(), options);
  }
  void unary(Builtin code, const Options& options = {}) { emit(code, {input()}, options); }
  void binary(Builtin code, OptionsType type) {
    emit(code, {input(0), input(1)},
         {.type = type,
          .fused_activation = node_.activation,
          .pot_scale_int16 = kind_.type != TensorType::int16 || type == OptionsType::mul});
  }
  /// MEAN or SUM over axes that count without the batch.
  void reduce(Builtin code, const std::vector<int>& axes, bool keep_dims) {
    const std::int32_t y = output();
    operation(code, {input(), indices(node_.name + ":axes", behind_batch(axes))}, y,
              {.type = OptionsType::reducer, .keep_dims = keep_dims});
  }
  /// The node's input with rows and columns around it: zeros (codes: zero points), or the constant `with`.
  std::int32_t padded(const WindowPlan& p, std::int32_t with = -1) {
    const Shape& image = node_.in;
    const std::int32_t x = input();
    const std::int32_t y =
        like(x, node_.name + ":pad", {image[0] + p.top + p.bottom, image[1] + p.left + p.right, image[2]});
    std::vector<std::int32_t> inputs{x, paddings(p.top, p.bottom, p.left, p.right)};
    if (with >= 0) inputs.push_back(with);
    operation(with >= 0 ? Builtin::padv2 : Builtin::pad, inputs, y,
              {.type = with >= 0 ? OptionsType::pad_v2 : OptionsType::pad});
    return y;
  }
  /// The constant [4,2] that PAD wants: before and after per dimension.
  std::int32_t paddings(int top, int bottom, int left, int right) {
    const std::int32_t values[] = {0, 0, top, bottom, left, right, 0, 0};
    return constant<std::int32_t>(node_.name + ":paddings", TensorType::int32, {4, 2}, values);
  }
  /// RESHAPE to a shape with the batch left open, so that a runtime may resize it.
  void reshape(std::int32_t x, std::int32_t y, const std::string& name, const Shape& shape) {
    Options o{.type = OptionsType::reshape, .new_shape = dimensions(shape)};
    o.new_shape.insert(o.new_shape.begin(), -1);
    operation(Builtin::reshape, {x, indices(name + ":shape", o.new_shape)}, y, o);
  }

  /// A tensor that an operator makes, or an input.
  std::int32_t value(std::string name, const Shape& shape, TensorType type, Quantization q = {}) {
    std::vector<std::int32_t> dims = dimensions(shape);
    dims.insert(dims.begin(), static_cast<std::int32_t>(batch_));
    return add({.name = std::move(name), .shape = std::move(dims), .type = type, .quantization = std::move(q)});
  }
  /// A value of the same kind as another one, of another shape.
  std::int32_t like(std::int32_t other, std::string name, const Shape& shape) {
    const TensorInfo& t = at(other);
    return value(std::move(name), shape, t.type, t.quantization);
  }
  /// A constant from numbers of the tensor's type, or from bytes.
  template <class T>
  std::int32_t constant(std::string name, TensorType type, std::vector<std::int32_t> shape, std::span<const T> values,
                        Quantization q = {}) {
    TensorInfo t{.name = std::move(name), .shape = std::move(shape), .type = type, .quantization = std::move(q)};
    t.data.resize(values.size_bytes());
    if (!values.empty()) std::memcpy(t.data.data(), values.data(), values.size_bytes());
    return add(std::move(t));
  }
  /// A constant list of int32: axes, shapes.
  std::int32_t indices(std::string name, const std::vector<std::int32_t>& values) {
    return constant<std::int32_t>(std::move(name), TensorType::int32, {static_cast<std::int32_t>(values.size())},
                                  values);
  }
  std::int32_t float32(std::string name, const Tensor<float>& value) {
    return constant<float>(std::move(name), TensorType::float32, dimensions(value.shape()), value.span());
  }
  /// Codes of the node's weights with a scale for all or one per output; `four`: two in a byte.
  std::int32_t weights(const Tensor<std::int8_t>& codes, const std::vector<float>& scale, int axis, bool four) {
    const Quantization q{scale, std::vector<std::int64_t>(scale.size(), 0), scale.size() > 1 ? axis : 0};
    const std::string name = node_.name + ".weight";
    if (!four) return constant<std::int8_t>(name, TensorType::int8, dimensions(codes.shape()), codes.span(), q);
    return constant<std::uint8_t>(name, TensorType::int4, dimensions(codes.shape()), packed_int4(codes.span()), q);
  }
  /// Codes of the node's bias, in steps of the input's scale times those of the weights.
  template <class T>
  std::int32_t bias(TensorType type, std::span<const T> codes, float input_scale, const std::vector<float>& scale) {
    Quantization q{{}, std::vector<std::int64_t>(scale.size(), 0), 0};
    for (const float s : scale) q.scale.push_back(input_scale * s);
    return constant<T>(node_.name + ".bias", type, {dimension(static_cast<std::int64_t>(codes.size()))}, codes, q);
  }

  void operation(Builtin code, std::vector<std::int32_t> inputs, std::int32_t output, const Options& options = {}) {
    info_.operators.push_back({.code = code, .inputs = std::move(inputs), .outputs = {output}, .options = options});
  }
  /// Names a tensor as input of the file and of its signature.
  void file_input(std::int32_t tensor, const std::string& name) {
    info_.inputs.push_back(tensor);
    info_.signature_inputs.push_back({name, tensor});
  }
  /// The same for a value as output. A tensor that is an input or an output already is copied: a runtime hands out each
  /// once.
  void file_output(int number, const std::string& name, const Shape& shape) {
    std::int32_t t = tensor(number);
    if (kind_.real_output) {
      const std::int32_t real = value(name, shape, TensorType::float32);
      operation(Builtin::dequantize, {t}, real, {.type = OptionsType::dequantize});
      t = real;
    }
    if (std::ranges::count(info_.inputs, t) + std::ranges::count(info_.outputs, t) > 0) {
      const std::int32_t copy = like(t, name + ":copy", shape);
      reshape(t, copy, name, shape);
      t = copy;
    }
    std::string key = name;
    for (int n = 2; std::ranges::count(info_.signature_outputs, key, &SignatureEntry::name) > 0; ++n) {
      key = formatted("{}_{}", name, n);
    }
    info_.outputs.push_back(t);
    info_.signature_outputs.push_back({key, t});
  }
  /// The finished description, without versions.
  ModelInfo finish(const std::string& description) && {
    info_.description = description;
    info_.subgraph_name = "main";
    info_.signature_key = "serving_default";
    return std::move(info_);
  }

  [[nodiscard]] const TensorInfo& at(std::int32_t tensor) const {
    return info_.tensors[static_cast<std::size_t>(tensor)];
  }
  /// Dimensions as the file counts them.
  [[nodiscard]] static std::vector<std::int32_t> dimensions(const Shape& shape) {
    std::vector<std::int32_t> dims;
    for (const std::int64_t d : shape.dims()) dims.push_back(dimension(d));
    return dims;
  }
  /// Axes that count without the batch, as the file counts them.
  [[nodiscard]] static std::vector<std::int32_t> behind_batch(std::vector<int> axes) {
    for (int& a : axes) ++a;
    return axes;
  }

 protected:
  /// The tensor of a value, -1 before there is one.
  [[nodiscard]] std::int32_t tensor(int number) const { return tensor_of_[static_cast<std::size_t>(number)]; }
  /// Adds the operators of another description, whose inputs are tensors of this one, and returns what its only output is
  /// here, under a name.
  std::int32_t append(const ModelInfo& part, const std::vector<std::int32_t>& inputs, const std::string& output_name) {
    std::vector<std::int32_t> here(part.tensors.size(), -1);
    for (std::size_t i = 0; i < inputs.size(); ++i) here[static_cast<std::size_t>(part.inputs[i])] = inputs[i];
    for (std::size_t t = 0; t < here.size(); ++t) {
      if (here[t] < 0) here[t] = add(part.tensors[t]);
    }
    const std::int32_t made = here[static_cast<std::size_t>(part.outputs[0])];
    info_.tensors[static_cast<std::size_t>(made)].name = output_name;
    for (OperatorInfo o : part.operators) {
      for (auto* list : {&o.inputs, &o.outputs}) {
        for (std::int32_t& t : *list) t = t < 0 ? t : here[static_cast<std::size_t>(t)];  // -1: an operand that is left out
      }
      info_.operators.push_back(std::move(o));
    }
    return made;
  }
  /// Errors:    Errc::range unless the batch is positive
  Writer(std::int64_t batch, std::size_t values, const Kind& kind) : batch_(batch), kind_(kind), tensor_of_(values, -1) {
    require(batch >= 1 && batch <= std::numeric_limits<std::int32_t>::max(), Errc::range,
            "save_tflite: the batch must be positive, got {}", batch);
  }
  ~Writer() = default;
  void begin(Node node) { node_ = std::move(node); }
  /// A float tensor that operators make from constants: no batch in front.
  std::int32_t derived(std::string name, std::vector<std::int32_t> shape) {
    return add({.name = std::move(name), .shape = std::move(shape)});
  }

 private:
  static std::int32_t dimension(std::int64_t d) {
    require(d <= std::numeric_limits<std::int32_t>::max(), Errc::range, "save_tflite: a dimension of {} is too large",
            d);
    return static_cast<std::int32_t>(d);
  }
  std::int32_t add(TensorInfo t) {
    info_.tensors.push_back(std::move(t));
    return static_cast<std::int32_t>(info_.tensors.size()) - 1;
  }

  std::int64_t batch_;
  Kind kind_;
  Node node_{};
  std::vector<std::int32_t> tensor_of_;  // by value
  ModelInfo info_{};
};

}  // namespace stet::tflite
