#pragma once
// Checks that a file's description is whole before anything is made of it: indices, order, shapes, sizes of constants.

#include <stet/core/error.hpp>
#include <stet/core/shape.hpp>
#include <stet/io/tflite/schema.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

/// Name of an operator as the schema writes it, such as CONV_2D; BUILTIN_n if it is none of ours.
inline std::string operator_name(const OperatorInfo& op) {
  if (!op.custom_code.empty()) return "CUSTOM " + op.custom_code;
  switch (op.code) {
    case Builtin::add: return "ADD";
    case Builtin::average_pool_2d: return "AVERAGE_POOL_2D";
    case Builtin::concatenation: return "CONCATENATION";
    case Builtin::conv_2d: return "CONV_2D";
    case Builtin::depthwise_conv_2d: return "DEPTHWISE_CONV_2D";
    case Builtin::dequantize: return "DEQUANTIZE";
    case Builtin::fully_connected: return "FULLY_CONNECTED";
    case Builtin::logistic: return "LOGISTIC";
    case Builtin::max_pool_2d: return "MAX_POOL_2D";
    case Builtin::mul: return "MUL";
    case Builtin::relu: return "RELU";
    case Builtin::relu6: return "RELU6";
    case Builtin::reshape: return "RESHAPE";
    case Builtin::softmax: return "SOFTMAX";
    case Builtin::tanh: return "TANH";
    case Builtin::pad: return "PAD";
    case Builtin::transpose: return "TRANSPOSE";
    case Builtin::mean: return "MEAN";
    case Builtin::sub: return "SUB";
    case Builtin::squeeze: return "SQUEEZE";
    case Builtin::log_softmax: return "LOG_SOFTMAX";
    case Builtin::minimum: return "MINIMUM";
    case Builtin::sum: return "SUM";
    case Builtin::strided_slice: return "STRIDED_SLICE";
    case Builtin::expand_dims: return "EXPAND_DIMS";
    case Builtin::shape: return "SHAPE";
    case Builtin::pack: return "PACK";
    case Builtin::leaky_relu: return "LEAKY_RELU";
    case Builtin::quantize: return "QUANTIZE";
    case Builtin::hard_swish: return "HARD_SWISH";
    case Builtin::batch_matmul: return "BATCH_MATMUL";
  }
  return fmt::format("BUILTIN_{}", static_cast<std::int32_t>(op.code));
}

/// Name of an element type, such as int8; type_n if it is none of ours.
inline std::string type_name(TensorType type) {
  switch (type) {
    case TensorType::float32: return "float32";
    case TensorType::float16: return "float16";
    case TensorType::int32: return "int32";
    case TensorType::uint8: return "uint8";
    case TensorType::int64: return "int64";
    case TensorType::string: return "string";
    case TensorType::boolean: return "bool";
    case TensorType::int16: return "int16";
    case TensorType::int8: return "int8";
    case TensorType::float64: return "float64";
    case TensorType::int4: return "int4";
  }
  return fmt::format("type_{}", static_cast<int>(type));
}

/// Bits of an element, 0 for a type that has no fixed size or is not known.
inline int type_bits(TensorType type) {
  switch (type) {
    case TensorType::int4: return 4;
    case TensorType::uint8:
    case TensorType::boolean:
    case TensorType::int8: return 8;
    case TensorType::float16:
    case TensorType::int16: return 16;
    case TensorType::float32:
    case TensorType::int32: return 32;
    case TensorType::int64:
    case TensorType::float64: return 64;
    case TensorType::string: return 0;
  }
  return 0;
}

/// A tensor's dimensions as a Shape, the batch included.
/// Errors:    Errc::shape as Shape
inline Shape shape_of(const TensorInfo& tensor) {
  const std::vector<std::int64_t> dims(tensor.shape.begin(), tensor.shape.end());
  return Shape(dims);
}

/// Who reads each tensor; made by check_structure.
struct Readers {
  std::vector<int> of_tensor;  ///< how many operators and outputs do
  std::vector<int> last;       ///< index of the last operator that does, -1 if none
};

/// Problems of a file, collected so that one error names them all.
class Problems {
 public:
  /// Adds one; the error's code is that of the first.
  void add(Errc code, const std::string& text) {
    if (count_ == 0) code_ = code;
    if (++count_ <= most_) text_ += "\n  " + text;
  }
  [[nodiscard]] bool none() const { return count_ == 0; }
  /// Throws what was collected.
  /// Errors:    the code of the first problem; the message lists all (of more than 100, the first 100)
  void require_none(const std::string& where) const {
    if (count_ == 0) return;
    std::string text = text_;
    if (count_ > most_) text += fmt::format("\n  and {} more", count_ - most_);
    throw Error(code_, where + ":" + text);
  }

 private:
  static constexpr int most_ = 100;
  Errc code_ = Errc::format;
  int count_ = 0;
  std::string text_;
};

namespace detail {

// Checks one tensor on its own.
inline void check_tensor(const TensorInfo& tensor, const std::string& where, Problems& problems) {
  Shape shape;
  try {
    shape = shape_of(tensor);
  } catch (const Error& e) {
    problems.add(Errc::shape, where + ": " + e.what());
    return;
  }
  const auto rank = tensor.shape.size();
  if (!tensor.data.empty()) {
    const int bits = type_bits(tensor.type);
    const auto bytes = static_cast<std::uint64_t>((shape.elements() * bits + 7) / 8);  // at most 2^48 elements
    if (bits > 0 && tensor.data.size() != bytes) {
      problems.add(Errc::format, fmt::format("{}: shape {} of {} needs {} bytes, has {}", where, shape,
                                             type_name(tensor.type), bytes, tensor.data.size()));
    }
  }
  if (tensor.is_variable) problems.add(Errc::unsupported, where + ": is a variable (is_variable), which keeps state");
  if (!tensor.shape_signature.empty()) {
    bool fits = tensor.shape_signature.size() == rank;
    for (std::size_t i = 0; fits && i < rank; ++i) {
      fits = tensor.shape_signature[i] == tensor.shape[i] || (i == 0 && tensor.shape_signature[i] == -1);
    }
    if (!fits) {
      problems.add(Errc::unsupported, where + ": only the first dimension may be dynamic (shape_signature)");
    }
  }
  const Quantization& q = tensor.quantization;
  if (q.scale.empty()) return;  // a zero point alone says nothing; runtimes do not look at it
  if (q.zero_point.size() != q.scale.size()) {
    problems.add(Errc::format,
                 fmt::format("{}: has {} scales and {} zero points", where, q.scale.size(), q.zero_point.size()));
  }
  for (const std::int64_t z : q.zero_point) {
    if (z >= -32768 && z <= 65535) continue;
    problems.add(Errc::range, fmt::format("{}: zero point {} lies outside 16 bits", where, z));
    break;
  }
  for (const float s : q.scale) {
    if (std::isfinite(s) && s > 0.0f && std::isfinite(1.0f / s)) continue;
    problems.add(Errc::range, fmt::format("{}: scale {} must be positive and finite, as its reciprocal", where, s));
    break;
  }
  if (q.scale.size() > 1 &&
      (q.dimension < 0 || static_cast<std::size_t>(q.dimension) >= rank ||
       static_cast<std::uint64_t>(tensor.shape[static_cast<std::size_t>(q.dimension)]) != q.scale.size())) {
    problems.add(Errc::format, fmt::format("{}: has {} scales along dimension {} of {}", where, q.scale.size(),
                                           q.dimension, shape));
  }
}

}  // namespace detail

/// Text that names a tensor in messages.
inline std::string tensor_name(const ModelInfo& model, std::int32_t index) {
  if (index < 0 || static_cast<std::size_t>(index) >= model.tensors.size()) return fmt::format("tensor {}", index);
  const std::string& name = model.tensors[static_cast<std::size_t>(index)].name;
  return name.empty() ? fmt::format("tensor {}", index) : name;
}

/// Checks that a description can be walked: every index exists, every value is made once and before it is read,
/// constants are not written, dimensions are sane and constants have as many bytes as their shape says.
/// Errors:    Errc::format, Errc::shape, Errc::range or Errc::unsupported listing every problem
inline Readers check_structure(const ModelInfo& model, const std::string& where) {
  Problems problems;
  const auto count = model.tensors.size();
  const auto known = [&](std::int32_t i) { return i >= 0 && static_cast<std::size_t>(i) < count; };
  for (std::size_t i = 0; i < count; ++i) {
    detail::check_tensor(model.tensors[i], tensor_name(model, static_cast<std::int32_t>(i)), problems);
  }
  std::vector<bool> made(count, false);
  Readers readers{std::vector<int>(count, 0), std::vector<int>(count, -1)};
  const auto make = [&](std::int32_t i, const std::string& by) {
    if (!known(i)) return problems.add(Errc::format, fmt::format("{} makes tensor {}, which does not exist", by, i));
    const auto at = static_cast<std::size_t>(i);
    if (!model.tensors[at].data.empty()) {
      problems.add(Errc::format, fmt::format("{} writes {}, which is a constant", by, tensor_name(model, i)));
    } else if (made[at]) {
      problems.add(Errc::format, fmt::format("{} writes {}, which is made already", by, tensor_name(model, i)));
    }
    made[at] = true;
  };
  const auto read = [&](std::int32_t i, const std::string& by, int reader) {
    if (!known(i)) return problems.add(Errc::format, fmt::format("{} reads tensor {}, which does not exist", by, i));
    const auto at = static_cast<std::size_t>(i);
    if (!made[at] && model.tensors[at].data.empty()) {
      problems.add(Errc::format, fmt::format("{} reads {} before it is made", by, tensor_name(model, i)));
    }
    ++readers.of_tensor[at];
    if (reader >= 0) readers.last[at] = reader;
  };
  if (model.inputs.empty()) problems.add(Errc::format, "there is no input");
  if (model.outputs.empty()) problems.add(Errc::format, "there is no output");
  for (const std::int32_t i : model.inputs) make(i, "the list of inputs");
  for (std::size_t n = 0; n < model.operators.size(); ++n) {
    const OperatorInfo& op = model.operators[n];
    const std::string by = fmt::format("operator {} ({})", n, operator_name(op));
    for (const std::int32_t i : op.inputs) {
      if (i != -1) read(i, by, static_cast<int>(n));
    }
    if (op.outputs.empty()) problems.add(Errc::format, by + " has no output");
    for (const std::int32_t i : op.outputs) make(i, by);
  }
  for (const std::int32_t i : model.outputs) read(i, "the list of outputs", -1);
  problems.require_none(where);
  return readers;
}

}  // namespace stet::tflite
