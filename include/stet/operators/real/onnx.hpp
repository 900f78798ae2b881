#pragma once
// Operators that are kept in float have no place in .onnx files of integers yet: format_faults says so before anything is
// written.

#include <stet/io/onnx/graph_writer.hpp>

namespace stet::onnx {

void write(const graph::op::Real& o, auto& w) {
  (void)w;
  fail(Errc::unsupported, "{} is kept in float, which integer files do not hold", kind(o));
}

}  // namespace stet::onnx
