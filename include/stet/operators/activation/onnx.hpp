#pragma once
// Activations, softmax and dropout in .onnx: written.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

namespace stet::onnx {

inline void write(const graph::op::Relu& o, FloatWriter& w) { w.emit_computed(o, "Relu"); }
inline void write(const graph::op::Relu6&, FloatWriter& w) {
  const Layout layout = w.layout(w.input());
  w.emit("Clip", {w.get(w.input(), layout), w.scalar(w.name() + ".min", 0.0f), w.scalar(w.name() + ".max", 6.0f)},
         layout);
}
void write_clamp(const auto& o, IntegerWriter& w) {
  const Layout layout = w.layout(w.input());
  w.place(w.clip(w.name(), w.get(w.input(), layout), w.resolve(o).bounds), layout);
}
inline void write(const graph::op::Relu& o, IntegerWriter& w) { write_clamp(o, w); }
inline void write(const graph::op::Relu6& o, IntegerWriter& w) { write_clamp(o, w); }

void write(const graph::op::LeakyRelu& o, auto& w) { w.emit_computed(o, "LeakyRelu", {attribute("alpha", o.alpha)}); }
void write(const graph::op::Sigmoid& o, auto& w) { w.emit_computed(o, "Sigmoid"); }
void write(const graph::op::Tanh& o, auto& w) { w.emit_computed(o, "Tanh"); }
void write(const graph::op::HardSwish& o, auto& w) { w.emit_computed(o, "HardSwish"); }

inline AttributeInfo last_axis(const FloatWriter& w) {
  const int rank = w.shape_in().rank();
  return attribute("axis", position(w.layout(w.input()), rank, rank - 1));
}
inline void write(const graph::op::Softmax& o, FloatWriter& w) { w.emit_computed(o, "Softmax", {last_axis(w)}); }
inline void write(const graph::op::LogSoftmax& o, FloatWriter& w) { w.emit_computed(o, "LogSoftmax", {last_axis(w)}); }

/// A file is for inference: what reads the output reads the input.
inline void write(const graph::op::Dropout&, FloatWriter& w) {
  for (const Layout layout : {Layout::first, Layout::last}) {
    if (w.has(w.input(), layout)) w.place(w.get(w.input(), layout), layout);
  }
}

}  // namespace stet::onnx
