#pragma once
// Activations, softmax and dropout in .onnx: written and read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <utility>
#include <vector>

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

template <class Op>
void read_unary(Importer& g, Attributes&) {
  g.give_same(Op{});
}
inline void read_leaky_relu(Importer& g, Attributes& a) { g.give_same(graph::op::LeakyRelu{a.real("alpha", 0.01f)}); }
inline void read_dropout(Importer& g, Attributes& a) {
  a.ignore("seed");
  bool trains = g.opset > 0 && g.opset < 7 && a.integer("is_test", 0) == 0;
  const float rate = g.one_real(1, "ratio", a.real("ratio", 0.5f));
  if (g.has_input(2)) {
    const Constant& c = g.integers(2, "training_mode");
    require(c.size() == 1, Errc::unsupported, "training_mode must be one value");
    trains = trains || c.integers[0] != 0;
  }
  if (trains) g.training.push_back(g.label());
  g.give_same(graph::op::Dropout{rate});
}
template <class Op>
void read_softmax(Importer& g, Attributes& a) {
  const Arrangement& x = g.value();
  const std::size_t rank = x.dims.size();
  const int axis = sample_axis(a.integer("axis", g.opset < 13 ? 1 : -1), rank);
  require(g.opset >= 13 || axis == static_cast<int>(rank) - 1, Errc::unsupported,
          "attribute axis: before opset 13 only the last dimension is understood");
  if (x.reordered()) return g.give_same(Op{});  // flat: over all elements, in whatever order
  std::vector<int> order;
  for (const int d : usual_order(rank)) {
    if (d != axis) order.push_back(d);
  }
  order.push_back(axis);
  g.give(g.add(Op{}, {g.arranger.arrange(x, order)}), x.dims, order);
}

inline constexpr OperatorReader activation_readers[] = {
    {"Dropout", read_dropout},
    {"HardSwish", read_unary<graph::op::HardSwish>},
    {"LeakyRelu", read_leaky_relu},
    {"LogSoftmax", read_softmax<graph::op::LogSoftmax>},
    {"Relu", read_unary<graph::op::Relu>},
    {"Sigmoid", read_unary<graph::op::Sigmoid>},
    {"Softmax", read_softmax<graph::op::Softmax>},
    {"Tanh", read_unary<graph::op::Tanh>},
};

}  // namespace stet::onnx
