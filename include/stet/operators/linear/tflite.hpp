#pragma once
// Products with a matrix in .tflite files.

#include <stet/io/tflite/row.hpp>
#include <stet/io/tflite/writer.hpp>

namespace stet::tflite {

inline void write(const op::Linear&, Writer& w) {
  w.emit(Builtin::fully_connected, w.layer(w.input(), op::Linear::channel_axis, w.linear_channels()),
         {.type = OptionsType::fully_connected,
          .fused_activation = w.node().activation,
          .keep_num_dims = w.node().out.rank() > 1,
          .asymmetric_quantize_inputs = w.kind().hybrid});
}
inline void write(const op::Matmul&, Writer& w) {
  w.emit(Builtin::batch_matmul, {w.input(0), w.input(1)}, {.type = OptionsType::batch_matmul});
}

namespace detail {

inline int linear_version(const ModelInfo& m, const OperatorInfo& o) {
  const TensorInfo& weights = m.input(o, 1);
  const bool hybrid = m.input(o, 0).type == TensorType::float32 && weights.type == TensorType::int8;
  if (hybrid && weights.quantization.scale.size() > 1) return 12;
  if (o.options.quantized_bias_type != TensorType::float32) return 11;
  if (weights.type == TensorType::int4) return 10;
  if (hybrid && o.options.asymmetric_quantize_inputs) return 9;
  if (o.inputs.size() == 2) return 6;
  return o.options.keep_num_dims ? 5 : hybrid ? 3 : 1;
}

}  // namespace detail

inline constexpr Row linear_rows[] = {
    {Builtin::fully_connected, 4, 7, "1.5.0 - 1.14.0 1.14.0 2.0.0 2.1.0 2.3.0 - 2.3.0 2.11.0 2.15.0 2.17.0",
     detail::linear_version},
    {Builtin::batch_matmul, 2, 3, "2.3.0 2.3.0 2.4.0"}};

}  // namespace stet::tflite
