#pragma once
// Constant codes in .onnx: an initializer behind DequantizeLinear.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

namespace stet::onnx {

inline void write(const graph::op::Constant&, IntegerWriter& w) { w.place_constant(w.weights()); }
inline void write(const graph::op::Constant&, FloatWriter& w) {
  fail(Errc::unsupported, "save_onnx: {}: a constant is no operator of a graph of floats", w.name());
}

}  // namespace stet::onnx
