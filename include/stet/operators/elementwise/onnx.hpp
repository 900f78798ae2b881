#pragma once
// Sums, differences and products of two values in .onnx: written.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

namespace stet::onnx {

void write(const graph::op::Add& o, auto& w) { w.emit_computed(o, "Add"); }
void write(const graph::op::Sub& o, auto& w) { w.emit_computed(o, "Sub"); }
void write(const graph::op::Mul& o, auto& w) { w.emit_computed(o, "Mul"); }

}  // namespace stet::onnx
