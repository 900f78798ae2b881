#pragma once
// Checks that a file's description is whole before anything is made of it: indices, order, shapes, sizes of constants.

#include <stet/core/error.hpp>
#include <stet/core/shape.hpp>
#include <stet/io/budget.hpp>
#include <stet/io/problems.hpp>
#include <stet/io/tflite/names.hpp>
#include <stet/io/tflite/selection.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::tflite {

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

namespace detail {

// Tensors in which an LSTM keeps its state and its cells, and nothing else does: they begin with zeros.
inline std::vector<bool> memories(const ModelInfo& model) {
  std::vector<bool> memory(model.tensors.size(), false);
  const auto each = [&](const OperatorInfo& o, auto f) {
    for (std::size_t i = 0; i < o.inputs.size(); ++i) {
      if (o.inputs[i] >= 0 && static_cast<std::size_t>(o.inputs[i]) < memory.size()) f(i, static_cast<std::size_t>(o.inputs[i]));
    }
  };
  for (const OperatorInfo& o : model.operators) {
    if (o.code != Builtin::unidirectional_sequence_lstm) continue;
    each(o, [&](std::size_t i, std::size_t t) { memory[t] = memory[t] || ((i == 18 || i == 19) && model.tensors[t].is_variable); });
  }
  for (const OperatorInfo& o : model.operators) {
    each(o, [&](std::size_t i, std::size_t t) {
      memory[t] = memory[t] && o.code == Builtin::unidirectional_sequence_lstm && (i == 18 || i == 19);
    });
  }
  return memory;
}

// Checks one tensor on its own; `memory`: of an LSTM.
inline void check_tensor(const TensorInfo& tensor, const std::string& where, bool memory, Problems& problems) {
  Shape shape;
  try {
    shape = shape_of(tensor);
  } catch (const Error& e) {
    problems.add(Errc::shape, where + ": " + e.what());
    return;
  }
  const auto rank = tensor.shape.size();
  if (!tensor.data.empty()) {
    const std::int64_t bytes = data_size(tensor.type, shape.elements());  // at most 2^48 elements
    if (bytes >= 0 && static_cast<std::int64_t>(tensor.data.size()) != bytes) {
      problems.add(Errc::format, formatted("{}: shape {} of {} needs {} bytes, has {}", where, shape,
                                             type_name(tensor.type), bytes, tensor.data.size()));
    }
  }
  if (tensor.is_variable && !memory) problems.add(Errc::unsupported, where + ": is a variable (is_variable), which keeps state");
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
                 formatted("{}: has {} scales and {} zero points", where, q.scale.size(), q.zero_point.size()));
  }
  for (const std::int64_t z : q.zero_point) {
    if (z >= -32768 && z <= 65535) continue;
    problems.add(Errc::range, formatted("{}: zero point {} lies outside 16 bits", where, z));
    break;
  }
  for (const float s : q.scale) {
    if (std::isfinite(s) && s > 0.0f && std::isfinite(1.0f / s)) continue;
    problems.add(Errc::range, formatted("{}: scale {} must be positive and finite, as its reciprocal", where, s));
    break;
  }
  if (q.scale.size() > 1 &&
      (q.dimension < 0 || static_cast<std::size_t>(q.dimension) >= rank ||
       static_cast<std::uint64_t>(tensor.shape[static_cast<std::size_t>(q.dimension)]) != q.scale.size())) {
    problems.add(Errc::format,
                 formatted("{}: has {} scales along dimension {} of {}", where, q.scale.size(), q.dimension, shape));
  }
}

}  // namespace detail

/// Bytes of all constants of a file.
inline std::size_t constant_bytes(const ModelInfo& model) {
  std::size_t bytes = 0;
  for (const TensorInfo& t : model.tensors) bytes += t.data.size();
  return bytes;
}

/// What the constants of layers may take that are made of a file's: eight times as much, which int8 constants behind
/// DEQUANTIZE need.
inline Budget constant_budget(const ModelInfo& model, const std::string& where) {
  return Budget(where, constant_bytes(model), 8, std::size_t{4} << 20);
}
/// What weights may take when the engine packs them: sixteen times as much, which a layer of one output needs.
inline Budget packed_budget(const ModelInfo& model, const std::string& where) {
  return Budget(where, constant_bytes(model), 16, std::size_t{32} << 20);
}

/// Checks that a description can be walked: every index exists, every value is made once and before it is read,
/// constants are not written, dimensions are sane and constants have as many bytes as their shape says.
/// What reads a tensor is counted among the chosen operators and outputs.
/// Errors:    Errc::format, Errc::shape, Errc::range or Errc::unsupported listing every problem
inline Readers check_structure(const ModelInfo& model, const Selection& chosen, const std::string& where) {
  Problems problems;
  const auto count = model.tensors.size();
  require(model.operators.size() <= most_operators, Errc::unsupported, "{}: {} operators; at most {} are read", where,
          model.operators.size(), most_operators);
  require(model.inputs.size() <= most_operators && model.outputs.size() <= most_operators, Errc::unsupported,
          "{}: {} inputs and {} outputs; at most {} of each are read", where, model.inputs.size(), model.outputs.size(), most_operators);
  const auto known = [&](std::int32_t i) { return i >= 0 && static_cast<std::size_t>(i) < count; };
  std::vector<bool> made = detail::memories(model);
  for (std::size_t i = 0; i < count; ++i) {
    detail::check_tensor(model.tensors[i], tensor_name(model, static_cast<std::int32_t>(i)), made[i], problems);
  }
  Readers readers{std::vector<int>(count, 0), std::vector<int>(count, -1)};
  const auto make = [&](std::int32_t i, const std::string& by) {
    if (!known(i)) return problems.add(Errc::format, formatted("{} makes tensor {}, which does not exist", by, i));
    const auto at = static_cast<std::size_t>(i);
    if (!model.tensors[at].data.empty()) {
      problems.add(Errc::format, formatted("{} writes {}, which is a constant", by, tensor_name(model, i)));
    } else if (made[at]) {
      problems.add(Errc::format, formatted("{} writes {}, which is made already", by, tensor_name(model, i)));
    }
    made[at] = true;
  };
  const auto read = [&](std::int32_t i, const std::string& by, int reader) {
    if (!known(i)) return problems.add(Errc::format, formatted("{} reads tensor {}, which does not exist", by, i));
    const auto at = static_cast<std::size_t>(i);
    if (!made[at] && model.tensors[at].data.empty()) {
      problems.add(Errc::format, formatted("{} reads {} before it is made", by, tensor_name(model, i)));
    }
    if (reader >= 0 && !chosen.needed[static_cast<std::size_t>(reader)]) return;
    ++readers.of_tensor[at];
    if (reader >= 0) readers.last[at] = reader;
  };
  if (model.inputs.empty()) problems.add(Errc::format, "there is no input");
  if (model.outputs.empty()) problems.add(Errc::format, "there is no output");
  for (const std::int32_t i : model.inputs) make(i, "the list of inputs");
  for (std::size_t n = 0; n < model.operators.size(); ++n) {
    const OperatorInfo& op = model.operators[n];
    const std::string by = formatted("operator {} ({})", n, operator_name(op));
    for (const std::int32_t i : op.inputs) {
      if (i != -1) read(i, by, static_cast<int>(n));
    }
    if (op.outputs.empty()) problems.add(Errc::format, by + " has no output");
    for (const std::int32_t i : op.outputs) make(i, by);
  }
  for (const std::int32_t i : chosen.outputs) read(i, "the list of outputs", -1);
  problems.require_none(where);
  return readers;
}

}  // namespace stet::tflite
