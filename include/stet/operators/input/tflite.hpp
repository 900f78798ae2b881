#pragma once
// Where codes begin and end in .tflite files, and the bounds of those that fill less than 8 bits.

#include <stet/io/tflite/row.hpp>
#include <stet/io/tflite/writer.hpp>

namespace stet::tflite {

inline void write(const op::Input&, Writer& w) {
  const Writer::Node& node = w.node();
  if (!w.kind().real_input) return w.file_input(w.output(), node.value_name);
  const std::int32_t real = w.value(node.value_name + (node.twin ? ":input" : ""), node.out, TensorType::float32);
  w.file_input(real, node.value_name);
  w.emit(Builtin::quantize, {real}, {.type = OptionsType::quantize});
}

namespace detail {

inline int quantize_version(const ModelInfo& m, const OperatorInfo& o) {
  return m.output(o).type == TensorType::int16 ? 2 : 1;
}
inline int dequantize_version(const ModelInfo& m, const OperatorInfo& o) {
  return m.input(o, 0).type == TensorType::float16 ? 3 : 1;
}

}  // namespace detail

inline constexpr Row input_rows[] = {
    {Builtin::quantize, 1, 2, "1.14.0 1.15.0", detail::quantize_version},
    {Builtin::dequantize, 2, 3, "1.13.1 1.14.0 1.15.0", detail::dequantize_version},
    {Builtin::maximum, 2, 4, "1.14.0 1.14.0", broadcast_version},
    {Builtin::minimum, 2, 4, "1.14.0 1.14.0", broadcast_version}};

}  // namespace stet::tflite
