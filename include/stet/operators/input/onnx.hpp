#pragma once
// The input in .onnx: written.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

namespace stet::onnx {

inline void write(const graph::op::Input&, FloatWriter& w) {
  w.model.inputs.push_back(w.outer(w.output(), w.name()));
  if (w.outer_layout(w.output()) == Layout::last && w.shape_out().rank() == 3) {
    // A reader of the file sees by this what the input is.
    const Ints to_nchw{0, 3, 1, 2};
    w.place_reals(w.add("Transpose", w.name() + "_nchw", {w.name()}, {attribute("perm", to_nchw)}), Layout::first);
  } else {
    w.place_reals(w.name(), w.outer_layout(w.output()));
  }
}
inline void write(const graph::op::Input&, IntegerWriter& w) {
  const std::string& x = w.value_name(w.output());
  w.model.inputs.push_back(w.outer(w.output(), x));
  w.place(w.quantize(x), w.outer_layout(w.output()));
}

}  // namespace stet::onnx
