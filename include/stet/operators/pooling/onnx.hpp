#pragma once
// Pools in .onnx: written.

#include <stet/operators/convolution/onnx.hpp>

namespace stet::onnx {

AttributeList pool_attributes(const auto& o, const GraphWriter& w) {
  const Pair stride = graph::op::pool_stride(o.size, o.stride);
  return {attribute("kernel_shape", Ints{o.size.height, o.size.width}),
          attribute("strides", Ints{stride.height, stride.width}),
          attribute("pads", pads_of(window(o, w.shape_in()), o.padding))};
}

void write(const graph::op::MaxPool& o, auto& w) {
  w.emit_moved("MaxPool", {w.get(w.input(), Layout::first)}, Layout::first, pool_attributes(o, w));
}

inline void write(const graph::op::AveragePool& o, FloatWriter& w) {
  AttributeList attributes = pool_attributes(o, w);
  attributes.insert(attributes.begin(), attribute("count_include_pad", o.count_padding ? 1 : 0));
  w.emit("AveragePool", {w.get(w.input(), Layout::first)}, Layout::first, std::move(attributes));
}
inline void write(const graph::op::AveragePool& o, IntegerWriter& w) {
  AttributeList attributes = pool_attributes(o, w);
  // ONNX Runtime runs a window of the whole image as a global pool, which rounds in another way. A column or row of
  // padding behind it, which no window counts, keeps it from that.
  const Shape& x = w.shape_in();
  const bool whole = o.size == Pair(static_cast<int>(x[0]), static_cast<int>(x[1]));
  if (whole && attributes[2].integers == Ints{0, 0, 0, 0} && x[0] * x[1] > 1) {
    attributes[1].integers = {2, 2};
    attributes[2].integers[x[1] > 1 ? 3 : 2] = 1;
  }
  w.place(w.quantize(w.add_reals("AveragePool", {w.real(0, Layout::first)}, std::move(attributes))), Layout::first);
}

inline void write(const graph::op::GlobalAveragePool&, FloatWriter& w) {
  const std::string pooled = w.add("GlobalAveragePool", w.name(), {w.get(w.input(), Layout::first)}, w.name() + "_1x1");
  w.place_reals(w.add("Flatten", w.name() + "_flat", {pooled}, w.name(), {attribute("axis", 1)}), Layout::last);
}
inline void write(const graph::op::GlobalAveragePool&, IntegerWriter& w) {
  const std::string codes = w.quantize(w.add_reals("GlobalAveragePool", {w.real(0, Layout::first)}));
  w.place(w.add("Flatten", w.name() + "_flat", {codes}, w.value_name(w.output()) + "_quantized_flat",
                {attribute("axis", 1)}),
          Layout::last);
}

}  // namespace stet::onnx
