#pragma once
// Softplus in .tflite files: codes are looked up in a table; the format has no operator for floats.

#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_writer.hpp>

namespace stet::tflite {

inline void write(const op::Softplus& o, IntegerWriter& w) { w.lookup(w.resolve(o)); }
inline void write(const op::Softplus&, Writer& w) {
  fail(Errc::unsupported, "save_tflite: {} has no TFLite operator", w.node().name);  // refused before that
}
inline FloatTraits traits_of(const op::Softplus&, const Shape&) {
  return {.fault = "TFLite has no softplus for floats; int8 files hold its table, .onnx files hold both"};
}

}  // namespace stet::tflite
