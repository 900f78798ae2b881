#pragma once
// Operators that are kept in float in .tflite files of codes: DEQUANTIZE, the float operators, QUANTIZE.

#include <stet/io/tflite/integer_writer.hpp>

namespace stet::tflite {

inline void write(const graph::op::Real& o, IntegerWriter& w) { w.emit_real(function_of(o)); }
inline void write(const graph::op::Real& o, Writer& w) {
  fail(Errc::unsupported, "save_tflite: {}: a {} that is kept in float is no operator of a graph", w.node().name, kind(o));
}

}  // namespace stet::tflite
