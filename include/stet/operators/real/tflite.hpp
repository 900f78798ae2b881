#pragma once
// Operators that are kept in float have no place in .tflite files yet: format_faults says so before anything is written.

#include <stet/io/tflite/writer.hpp>

namespace stet::tflite {

inline void write(const graph::op::Real& o, Writer& w) {
  (void)w;
  fail(Errc::unsupported, "{} is kept in float, which integer files do not hold", kind(o));
}

}  // namespace stet::tflite
