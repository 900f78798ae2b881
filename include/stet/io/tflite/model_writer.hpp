#pragma once
// ModelWriter: collects tensors and operators of a .tflite file while an exporter walks over its nodes.

#include <stet/io/tflite/schema.hpp>
#include <stet/io/tflite/versions.hpp>
#include <stet/io/tflite/window_plan.hpp>

#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

/// Tensors and operators in the making. Shapes of activations are given without the batch.
class ModelWriter {
 public:
  /// Errors:    Errc::range unless the batch is positive
  explicit ModelWriter(std::int64_t batch) : batch_(batch) {
    require(batch >= 1 && batch <= std::numeric_limits<std::int32_t>::max(), Errc::range,
            "save_tflite: the batch must be positive, got {}", batch);
  }

  /// An activation: a tensor that an operator makes, or an input.
  std::int32_t activation(std::string name, const Shape& shape, TensorType type, Quantization q = {}) {
    return tensor({.name = std::move(name), .shape = batched(shape), .type = type, .quantization = std::move(q)});
  }

  /// A constant from numbers of the tensor's type, or from bytes.
  template <class T>
  std::int32_t constant(std::string name, TensorType type, std::vector<std::int32_t> shape, std::span<const T> values,
                        Quantization q = {}) {
    TensorInfo t{.name = std::move(name), .shape = std::move(shape), .type = type, .quantization = std::move(q)};
    t.data.resize(values.size_bytes());
    if (!values.empty()) std::memcpy(t.data.data(), values.data(), values.size_bytes());
    return tensor(std::move(t));
  }

  /// A float tensor that operators make from constants: no batch in front.
  std::int32_t derived(std::string name, std::vector<std::int32_t> shape) {
    return tensor({.name = std::move(name), .shape = std::move(shape)});
  }

  /// A constant list of int32: axes, paddings, shapes.
  std::int32_t indices(std::string name, const std::vector<std::int32_t>& values) {
    return constant<std::int32_t>(std::move(name), TensorType::int32, {static_cast<std::int32_t>(values.size())},
                                  values);
  }

  /// An activation of the same kind as another one, of another shape.
  std::int32_t like(std::int32_t other, std::string name, const Shape& shape) {
    const TensorInfo& t = at(other);
    return activation(std::move(name), shape, t.type, t.quantization);
  }

  void operation(Builtin code, std::vector<std::int32_t> inputs, std::int32_t output, const Options& options = {}) {
    info_.operators.push_back({.code = code, .inputs = std::move(inputs), .outputs = {output}, .options = options});
  }

  /// PAD by rows and columns of zeros (codes: zero points). Returns the padded tensor.
  std::int32_t pad(std::int32_t x, const std::string& name, const Shape& image, const WindowPlan& p) {
    const Shape padded{image[0] + p.top + p.bottom, image[1] + p.left + p.right, image[2]};
    const std::int32_t y = like(x, name + ":pad", padded);
    operation(Builtin::pad, {x, paddings(name, p)}, y, {.type = OptionsType::pad});
    return y;
  }
  /// The constant [4,2] that PAD wants: before and after per dimension.
  std::int32_t paddings(const std::string& name, const WindowPlan& p) {
    const std::int32_t values[] = {0, 0, p.top, p.bottom, p.left, p.right, 0, 0};
    return constant<std::int32_t>(name + ":paddings", TensorType::int32, {4, 2}, values);
  }

  /// RESHAPE to a shape with the batch left open, so that a runtime may resize it.
  void reshape(std::int32_t x, std::int32_t y, const std::string& name, const Shape& shape) {
    Options o{.type = OptionsType::reshape};
    o.new_shape.push_back(-1);
    for (const std::int64_t d : shape.dims()) o.new_shape.push_back(static_cast<std::int32_t>(d));
    operation(Builtin::reshape, {x, indices(name + ":shape", o.new_shape)}, y, o);
  }
  void transpose(std::int32_t x, std::int32_t y, const std::string& name, const std::vector<int>& axes) {
    std::vector<std::int32_t> order{0};
    for (const int a : axes) order.push_back(a + 1);
    operation(Builtin::transpose, {x, indices(name + ":order", order)}, y, {.type = OptionsType::transpose});
  }
  /// MEAN or SUM over axes that count without the batch.
  void reduce(Builtin code, std::int32_t x, std::int32_t y, const std::string& name, const std::vector<int>& axes,
              bool keep_dims) {
    std::vector<std::int32_t> list;
    for (const int a : axes) list.push_back(a + 1);
    operation(code, {x, indices(name + ":axes", list)}, y, {.type = OptionsType::reducer, .keep_dims = keep_dims});
  }
  void concat(std::vector<std::int32_t> inputs, std::int32_t y, int axis) {
    operation(Builtin::concatenation, std::move(inputs), y, {.type = OptionsType::concatenation, .axis = axis + 1});
  }
  void pool(Builtin code, std::int32_t x, std::int32_t y, Pair size, Pair stride, Padding padding,
            FusedActivation activation) {
    operation(code, {x}, y,
              {.type = OptionsType::pool_2d,
               .padding = padding,
               .stride_w = stride.width,
               .stride_h = stride.height,
               .filter_width = size.width,
               .filter_height = size.height,
               .fused_activation = activation});
  }

  /// Names a tensor as input of the file and of its signature.
  void input(std::int32_t tensor, const std::string& name) {
    info_.inputs.push_back(tensor);
    info_.signature_inputs.push_back({name, tensor});
  }
  /// The same for an output. A tensor that is an input or an output already is copied: a runtime hands out each once.
  void output(std::int32_t tensor, const std::string& name, const Shape& shape) {
    bool taken = false;
    for (const std::int32_t i : info_.inputs) taken = taken || i == tensor;
    for (const std::int32_t i : info_.outputs) taken = taken || i == tensor;
    if (taken) {
      const std::int32_t copy = like(tensor, name + ":copy", shape);
      reshape(tensor, copy, name, shape);
      tensor = copy;
    }
    std::string key = name;
    for (int n = 2; has_output(key); ++n) key = formatted("{}_{}", name, n);
    info_.outputs.push_back(tensor);
    info_.signature_outputs.push_back({key, tensor});
  }

  [[nodiscard]] const TensorInfo& at(std::int32_t tensor) const {
    return info_.tensors[static_cast<std::size_t>(tensor)];
  }
  [[nodiscard]] std::vector<std::int32_t> batched(const Shape& shape) const {
    std::vector<std::int32_t> dims{static_cast<std::int32_t>(batch_)};
    for (const std::int64_t d : shape.dims()) dims.push_back(dimension(d));
    return dims;
  }
  /// A constant's dimensions.
  [[nodiscard]] static std::vector<std::int32_t> dimensions(const Shape& shape) {
    std::vector<std::int32_t> dims;
    for (const std::int64_t d : shape.dims()) dims.push_back(dimension(d));
    return dims;
  }

  /// The finished description, with versions.
  ModelInfo finish(const std::string& description) && {
    info_.description = description;
    info_.subgraph_name = "main";
    info_.signature_key = "serving_default";
    set_versions(info_);
    return std::move(info_);
  }

 private:
  static std::int32_t dimension(std::int64_t d) {
    require(d <= std::numeric_limits<std::int32_t>::max(), Errc::range, "save_tflite: a dimension of {} is too large",
            d);
    return static_cast<std::int32_t>(d);
  }
  std::int32_t tensor(TensorInfo t) {
    info_.tensors.push_back(std::move(t));
    return static_cast<std::int32_t>(info_.tensors.size()) - 1;
  }
  [[nodiscard]] bool has_output(const std::string& name) const {
    for (const SignatureEntry& e : info_.signature_outputs) {
      if (e.name == name) return true;
    }
    return false;
  }

  std::int64_t batch_;
  ModelInfo info_;
};

}  // namespace stet::tflite
