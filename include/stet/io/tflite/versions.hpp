#pragma once
// Versions of TFLite operators: the lowest one that says what an operator needs, and the runtime that brought it.

#include <stet/core/error.hpp>
#include <stet/io/tflite/schema.hpp>

#include <algorithm>
#include <string>

namespace stet::tflite {

namespace detail {

// The oldest runtime with a version of an operator.
struct RuntimeOf {
  Builtin code;
  int version;
  int major, minor, patch;
};

// The version of an operator on 16-bit activations, which decides where it runs at all.
inline int int16_version(Builtin code) {
  switch (code) {
    case Builtin::conv_2d:
      return 4;
    case Builtin::depthwise_conv_2d:
      return 5;
    case Builtin::fully_connected:
      return 7;
    case Builtin::mul:
    case Builtin::minimum:
    case Builtin::maximum:
      return 4;
    case Builtin::sub:
    case Builtin::transpose:
      return 5;
    case Builtin::quantize:
    case Builtin::leaky_relu:
      return 2;
    case Builtin::reshape:
      return 1;
    default:
      return 3;
  }
}

inline int int8_version(Builtin code) {
  switch (code) {
    case Builtin::conv_2d:
    case Builtin::depthwise_conv_2d:
      return 3;
    case Builtin::fully_connected:
      return 4;
    case Builtin::quantize:
    case Builtin::reshape:
    case Builtin::leaky_relu:
    case Builtin::hard_swish:
      return 1;
    default:
      return 2;
  }
}

inline std::size_t rank_of(const ModelInfo& m, std::int32_t tensor) {
  return tensor < 0 ? 0 : m.tensors[static_cast<std::size_t>(tensor)].shape.size();
}

inline int operator_version(const ModelInfo& m, const OperatorInfo& o) {
  const auto tensor = [&](std::size_t i) -> const TensorInfo& {
    return m.tensors[static_cast<std::size_t>(o.inputs[i])];
  };
  const auto scale = [](const TensorInfo& t) { return t.quantization.scale.empty() ? 0.0f : t.quantization.scale[0]; };
  const TensorInfo& x = tensor(0);
  const TensorInfo& y = m.tensors[static_cast<std::size_t>(o.outputs[0])];
  const bool weighted =
      o.code == Builtin::conv_2d || o.code == Builtin::depthwise_conv_2d || o.code == Builtin::fully_connected;
  int version = 1;
  const auto at_least = [&](int v) { version = std::max(version, v); };
  if (x.type == TensorType::int8) at_least(int8_version(o.code));
  if (x.type == TensorType::int16) at_least(int16_version(o.code));
  if (o.code == Builtin::quantize && y.type == TensorType::int16) at_least(2);
  if (o.code == Builtin::dequantize && x.type == TensorType::float16) at_least(3);
  if (weighted) {
    const TensorInfo& w = tensor(1);
    const bool hybrid = x.type == TensorType::float32 && w.type == TensorType::int8;
    const bool channels = w.quantization.scale.size() > 1;
    if (o.code == Builtin::conv_2d) {
      if (hybrid) at_least(channels ? 5 : 2);
      if (x.shape.size() == 4 && w.shape.size() == 4 && x.shape[3] != w.shape[3]) at_least(6);
      if (w.type == TensorType::int4) at_least(7);
      if (o.options.quantized_bias_type != TensorType::float32) at_least(8);
    } else if (o.code == Builtin::depthwise_conv_2d) {
      if (o.options.dilation_w != 1 || o.options.dilation_h != 1) at_least(2);
      if (hybrid) at_least(channels ? 6 : 4);
      if (w.type == TensorType::int4) at_least(7);
    } else {
      if (hybrid) at_least(channels ? 12 : o.options.asymmetric_quantize_inputs ? 9 : 3);
      if (o.options.keep_num_dims) at_least(5);
      if (o.inputs.size() == 2) at_least(6);
      if (w.type == TensorType::int4) at_least(10);
      if (o.options.quantized_bias_type != TensorType::float32) at_least(11);
    }
  }
  const std::size_t rank = std::max(rank_of(m, o.inputs[0]), o.inputs.size() > 1 ? rank_of(m, o.inputs[1]) : 0);
  if (o.code == Builtin::mul && x.type == TensorType::int8 && scale(x) * scale(tensor(1)) / scale(y) >= 1.0f)
    at_least(3);
  if (o.code == Builtin::transpose && rank > 4) at_least(rank > 5 ? 6 : 4);
  if ((o.code == Builtin::pad || o.code == Builtin::padv2) && rank > 4) at_least(4);
  if ((o.code == Builtin::sub || o.code == Builtin::minimum || o.code == Builtin::maximum) && rank > 4 &&
      x.shape != tensor(1).shape) {
    at_least(3);
  }
  return version;
}

inline const RuntimeOf* runtimes(std::size_t& count) {
  using B = Builtin;
  static constexpr RuntimeOf table[] = {{B::add, 1, 1, 5, 0},
                                        {B::add, 2, 1, 14, 0},
                                        {B::add, 3, 2, 4, 0},
                                        {B::average_pool_2d, 1, 1, 5, 0},
                                        {B::average_pool_2d, 2, 1, 14, 0},
                                        {B::average_pool_2d, 3, 2, 3, 0},
                                        {B::batch_matmul, 1, 2, 3, 0},
                                        {B::batch_matmul, 2, 2, 3, 0},
                                        {B::batch_matmul, 3, 2, 4, 0},
                                        {B::concatenation, 1, 1, 5, 0},
                                        {B::concatenation, 2, 1, 14, 0},
                                        {B::concatenation, 3, 2, 3, 0},
                                        {B::conv_2d, 1, 1, 5, 0},
                                        {B::conv_2d, 2, 1, 14, 0},
                                        {B::conv_2d, 3, 1, 14, 0},
                                        {B::conv_2d, 4, 2, 3, 0},
                                        {B::conv_2d, 5, 2, 4, 0},
                                        {B::conv_2d, 6, 2, 9, 0},
                                        {B::conv_2d, 7, 2, 11, 0},
                                        {B::conv_2d, 8, 2, 15, 0},
                                        {B::depthwise_conv_2d, 1, 1, 5, 0},
                                        {B::depthwise_conv_2d, 2, 1, 12, 0},
                                        {B::depthwise_conv_2d, 3, 1, 14, 0},
                                        {B::depthwise_conv_2d, 4, 2, 2, 0},
                                        {B::depthwise_conv_2d, 5, 2, 3, 0},
                                        {B::depthwise_conv_2d, 6, 2, 3, 0},
                                        {B::depthwise_conv_2d, 7, 2, 11, 0},
                                        {B::dequantize, 1, 1, 13, 1},
                                        {B::dequantize, 2, 1, 14, 0},
                                        {B::dequantize, 3, 1, 15, 0},
                                        {B::fully_connected, 1, 1, 5, 0},
                                        {B::fully_connected, 3, 1, 14, 0},
                                        {B::fully_connected, 4, 1, 14, 0},
                                        {B::fully_connected, 5, 2, 0, 0},
                                        {B::fully_connected, 6, 2, 1, 0},
                                        {B::fully_connected, 7, 2, 3, 0},
                                        {B::fully_connected, 9, 2, 3, 0},
                                        {B::fully_connected, 10, 2, 11, 0},
                                        {B::fully_connected, 11, 2, 15, 0},
                                        {B::fully_connected, 12, 2, 17, 0},
                                        {B::hard_swish, 1, 1, 15, 0},
                                        {B::leaky_relu, 1, 1, 13, 1},
                                        {B::leaky_relu, 2, 2, 3, 0},
                                        {B::log_softmax, 1, 1, 14, 0},
                                        {B::logistic, 1, 1, 14, 0},
                                        {B::logistic, 2, 1, 14, 0},
                                        {B::logistic, 3, 2, 3, 0},
                                        {B::max_pool_2d, 1, 1, 5, 0},
                                        {B::max_pool_2d, 2, 1, 14, 0},
                                        {B::max_pool_2d, 3, 2, 3, 0},
                                        {B::maximum, 1, 1, 14, 0},
                                        {B::maximum, 2, 1, 14, 0},
                                        {B::minimum, 1, 1, 14, 0},
                                        {B::minimum, 2, 1, 14, 0},
                                        {B::mean, 1, 1, 6, 0},
                                        {B::mean, 2, 1, 14, 0},
                                        {B::mean, 3, 2, 4, 0},
                                        {B::mul, 1, 1, 5, 0},
                                        {B::mul, 2, 1, 14, 0},
                                        {B::mul, 3, 1, 15, 0},
                                        {B::mul, 4, 2, 3, 0},
                                        {B::pad, 1, 1, 5, 0},
                                        {B::pad, 2, 1, 14, 0},
                                        {B::pad, 3, 2, 4, 0},
                                        {B::padv2, 1, 1, 9, 0},
                                        {B::padv2, 2, 1, 14, 0},
                                        {B::padv2, 3, 2, 4, 0},
                                        {B::quantize, 1, 1, 14, 0},
                                        {B::quantize, 2, 1, 15, 0},
                                        {B::relu, 1, 1, 5, 0},
                                        {B::relu, 2, 2, 1, 0},
                                        {B::relu, 3, 2, 5, 0},
                                        {B::relu6, 1, 1, 5, 0},
                                        {B::relu6, 2, 1, 14, 0},
                                        {B::relu6, 3, 2, 5, 0},
                                        {B::reshape, 1, 1, 5, 0},
                                        {B::softmax, 1, 1, 5, 0},
                                        {B::softmax, 2, 1, 14, 0},
                                        {B::softmax, 3, 2, 3, 0},
                                        {B::sub, 1, 1, 6, 0},
                                        {B::sub, 2, 1, 14, 0},
                                        {B::sub, 3, 2, 3, 0},
                                        {B::sub, 5, 2, 4, 0},
                                        {B::sum, 1, 1, 10, 0},
                                        {B::tanh, 1, 1, 14, 0},
                                        {B::tanh, 2, 1, 14, 0},
                                        {B::tanh, 3, 2, 3, 0},
                                        {B::transpose, 1, 1, 6, 0},
                                        {B::transpose, 2, 1, 14, 0},
                                        {B::transpose, 4, 2, 3, 0},
                                        {B::transpose, 5, 2, 4, 0},
                                        {B::transpose, 6, 2, 12, 0}};
  count = sizeof(table) / sizeof(table[0]);
  return table;
}

}  // namespace detail

/// Gives every operator the lowest version that its types and attributes need, and the file the oldest runtime that has
/// all of them.
/// Errors:    Errc::state if an operator has none in the table: a mistake of the exporter, not of its user
/// Source:    LiteRT converter/tools/versioning, op_version.cc and runtime_version.cc
inline void set_versions(ModelInfo& m) {
  std::size_t count = 0;
  const detail::RuntimeOf* table = detail::runtimes(count);
  const detail::RuntimeOf* newest = nullptr;
  const auto order = [](const detail::RuntimeOf& r) { return (r.major * 1000 + r.minor) * 1000 + r.patch; };
  for (OperatorInfo& o : m.operators) {
    o.version = detail::operator_version(m, o);
    const auto* entry =
        std::find_if(table, table + count, [&](const auto& r) { return r.code == o.code && r.version == o.version; });
    require(entry != table + count, Errc::state, "tflite: operator {} has no version {}", static_cast<int>(o.code),
            o.version);
    if (newest == nullptr || order(*entry) > order(*newest)) newest = entry;
  }
  if (newest != nullptr) m.min_runtime_version = formatted("{}.{}.{}", newest->major, newest->minor, newest->patch);
}

}  // namespace stet::tflite
