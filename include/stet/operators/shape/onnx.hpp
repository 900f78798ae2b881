#pragma once
// Operators that move values without changing them in .onnx: written.

#include <stet/operators/linear/onnx.hpp>

#include <type_traits>

namespace stet::onnx {

void write(const graph::op::Concat& o, auto& w) {
  const Layout layout = w.layout(w.input());
  w.emit_moved("Concat", w.get_inputs(layout), layout,
               {attribute("axis", position(layout, w.shape_out().rank(), o.axis))});
}

void write(const graph::op::Pad& o, auto& w) {
  const Ints pads{0, 0, o.top, o.left, 0, 0, o.bottom, o.right};
  Names inputs{w.get(w.input(), Layout::first), w.list(w.name() + ".pads", pads)};
  if constexpr (std::is_same_v<decltype(w), IntegerWriter&>) {
    inputs.push_back(w.code(w.name() + ".value", w.codes_in().zero_point));
  }
  w.emit_moved("Pad", std::move(inputs), Layout::first);
}

void write_flatten(auto& w) {
  const bool as_it_lies =
      w.shape_in().rank() == 3 && w.layout(w.input()) == Layout::first && only_linear_reads(w.output(), w);
  if (as_it_lies) w.set_flat(w.shape_in());
  w.emit_moved("Flatten", {w.get(w.input(), as_it_lies ? Layout::first : Layout::last)}, Layout::last,
               {attribute("axis", 1)});
}
inline void write(const graph::op::Flatten&, FloatWriter& w) { write_flatten(w); }
void write(const graph::op::Reshape& o, auto& w) {
  if (std::is_same_v<decltype(w), IntegerWriter&> && o.shape.rank() == 1) return write_flatten(w);
  Ints dims{0};  // 0: as it is
  dims.insert(dims.end(), o.shape.dims().begin(), o.shape.dims().end());
  const std::string x = w.get(w.input(), Layout::last);
  w.emit_moved("Reshape", {x, w.list(w.name() + ".shape", dims)}, Layout::last);
}

void write(const graph::op::Transpose& o, auto& w) {
  const Layout layout = w.layout(w.input());
  const int rank = w.shape_out().rank();
  Ints perm{0};
  for (const int d : order_of(layout, rank))
    perm.push_back(position(layout, rank, o.axes[static_cast<std::size_t>(d)]));
  w.emit_moved("Transpose", {w.get(w.input(), layout)}, layout, {attribute("perm", perm)});
}

}  // namespace stet::onnx
