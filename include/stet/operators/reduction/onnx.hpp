#pragma once
// Sums and means over dimensions in .onnx: written.

#include <stet/io/onnx/float_writer.hpp>

namespace stet::onnx {

/// A reduction keeps the channels where they are, if they remain. Axes are an input since opset 13 (sum) and 18 (mean).
void write_reduction(const auto& o, const std::string& op_type, bool axes_as_input, FloatWriter& w) {
  const int rank = w.shape_in().rank();
  const Layout layout = w.layout(w.input());
  Ints reduced;
  for (const int a : o.axes) reduced.push_back(position(layout, rank, a));
  const bool channels_gone = !o.keep_dims && o.axes.back() == rank - 1;
  Names inputs{w.get(w.input(), layout)};
  AttributeList attributes{attribute("keepdims", o.keep_dims ? 1 : 0)};
  if (axes_as_input) {
    inputs.push_back(w.list(w.name() + ".axes", reduced));
  } else {
    attributes.push_back(attribute("axes", reduced));
  }
  w.emit(op_type, std::move(inputs), channels_gone ? Layout::last : layout, std::move(attributes));
}
inline void write(const graph::op::Sum& o, FloatWriter& w) { write_reduction(o, "ReduceSum", true, w); }
inline void write(const graph::op::Mean& o, FloatWriter& w) { write_reduction(o, "ReduceMean", w.model.opsets[0].version >= 18, w); }

}  // namespace stet::onnx
