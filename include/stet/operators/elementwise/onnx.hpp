#pragma once
// Sums, differences and products of two values in .onnx: written and read.

#include <stet/io/onnx/constant_operand.hpp>
#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>
#include <stet/io/onnx/steps.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace stet::onnx {

void write(const graph::op::Add& o, auto& w) { w.emit_computed(o, "Add"); }
void write(const graph::op::Sub& o, auto& w) { w.emit_computed(o, "Sub"); }
void write(const graph::op::Mul& o, auto& w) { w.emit_computed(o, "Mul"); }

/// An operator of two values, in an order that both have.
inline Arrangement combined(Importer& g, graph::Operator op, const Arrangement& x, const Arrangement& y) {
  const bool alike = x.node >= 0 && y.node >= 0 && x.dims == y.dims && x.axis == y.axis && x.flat_dims == y.flat_dims &&
                     x.flat_axis == y.flat_axis && x.flat_shape == y.flat_shape &&
                     g.graph.node(x.node).shape == g.graph.node(y.node).shape;
  if (alike) {
    Arrangement z = x;
    z.name.clear();
    z.node = g.add(std::move(op), {x.node, y.node});
    return z;
  }
  require(x.dims.size() == y.dims.size(), Errc::unsupported,
          "inputs have {} and {} dimensions; values are repeated only over dimensions of size 1", x.dims.size() + 1,
          y.dims.size() + 1);
  const std::vector<int> order = usual_order(x.dims.size());
  const int left = g.arranger.arrange(x, order), right = g.arranger.arrange(y, order);
  const int id = g.add(std::move(op), {left, right});
  Ints dims(order.size());
  for (std::size_t i = 0; i < dims.size(); ++i) dims[at(order[i])] = g.graph.node(id).shape[static_cast<int>(i)];
  return Arranger::make(id, dims, order);
}
inline void read_binary(Importer& g, graph::Operator op) { g.give(combined(g, std::move(op), g.value(0), g.value(1))); }
inline void read_add(Importer& g, Attributes&) {
  for (const std::size_t i : {0u, 1u}) {
    if (g.is_constant(i)) return read_line(g, 1 - i, i, [](double c) { return Line{1.0, c}; });
  }
  read_binary(g, graph::op::Add{});
}
inline void read_sub(Importer& g, Attributes&) {
  if (g.is_constant(0)) return read_line(g, 1, 0, [](double c) { return Line{-1.0, c}; });
  if (g.is_constant(1)) return read_line(g, 0, 1, [](double c) { return Line{1.0, -c}; });
  read_binary(g, graph::op::Sub{});
}
/// A sum of any number of values and constants.
inline void read_sum(Importer& g, Attributes&) {
  require(g.node->inputs.size() <= 64, Errc::unsupported, "{} inputs, at most 64 are read", g.node->inputs.size());
  std::optional<Arrangement> sum;
  for (std::size_t i = 0; i < g.node->inputs.size(); ++i) {
    if (!g.is_constant(i)) sum = sum ? combined(g, graph::op::Add{}, *sum, g.value(i)) : g.value(i);
  }
  require(sum.has_value(), Errc::unsupported, "all inputs are constants");
  for (std::size_t i = 0; i < g.node->inputs.size(); ++i) {
    if (g.is_constant(i)) sum = lined(g, *sum, g.reals(i, "the constant operand"), [](double c) { return Line{1.0, c}; });
  }
  g.give(std::move(*sum));
}
inline void read_neg(Importer& g, Attributes&) {
  apply_line(g, 0, Constant{.name = g.label(), .real = true, .reals = {-1.0f}}, [](double c) { return Line{c, 0.0}; });
}
/// A product; of a value and its HardSigmoid, which its reader has left to this, a hard swish.
inline void read_mul(Importer& g, Attributes&) {
  for (const std::size_t i : {0u, 1u}) {
    if (g.is_constant(i)) return read_line(g, 1 - i, i, [](double c) { return Line{c, 0.0}; });
  }
  for (const std::size_t i : {0u, 1u}) {
    if (g.value(i).node >= 0) continue;
    Arrangement y = g.value(1 - i);
    y.node = g.add(graph::op::HardSwish{}, {y.node});
    return g.give(std::move(y));
  }
  read_binary(g, graph::op::Mul{});
}

inline constexpr OperatorReader elementwise_readers[] = {
    {"Add", read_add}, {"Mul", read_mul}, {"Neg", read_neg}, {"Sub", read_sub}, {"Sum", read_sum}};

}  // namespace stet::onnx
