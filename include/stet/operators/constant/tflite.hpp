#pragma once
// Constant codes in .tflite files: tensors with data.

#include <stet/io/tflite/float_writer.hpp>
#include <stet/io/tflite/integer_writer.hpp>

namespace stet::tflite {

inline void write(const op::Constant&, IntegerWriter& w) { w.constant_codes(); }
inline void write(const op::Constant&, FloatWriter& w) {
  fail(Errc::unsupported, "save_tflite: {}: a constant is no operator of a graph of floats", w.node().name);
}
inline FloatTraits traits_of(const op::Constant&, const Shape&) { return {.fault = "a constant is no operator of a graph of floats"}; }

}  // namespace stet::tflite
