#pragma once
// Elementary functions in .onnx: written and read. Codes are looked up in a table.

#include <stet/io/onnx/steps.hpp>
#include <stet/operators/elementwise/onnx.hpp>

#include <cmath>
#include <string>
#include <utility>

namespace stet::onnx {

inline int least_opset(const graph::op::Elementary& o, OperatorSets) { return o.function == graph::op::ElementaryFunction::mish ? 18 : 17; }

/// Powers have one operator, Pow; the inverse of a square root would be two.
inline void write(const graph::op::Elementary& o, FloatWriter& w) {
  using graph::op::ElementaryFunction;
  const auto power = [&](float exponent) {
    const Layout layout = w.layout(w.input());
    w.emit("Pow", {w.get(w.input(), layout), w.scalar(w.name() + ".exponent", exponent)}, layout);
  };
  switch (o.function) {
    case ElementaryFunction::abs:
      return w.emit_computed(o, "Abs");
    case ElementaryFunction::square:
      return power(2.0f);
    case ElementaryFunction::sqrt:
      return w.emit_computed(o, "Sqrt");
    case ElementaryFunction::rsqrt:
      return power(-0.5f);
    case ElementaryFunction::reciprocal:
      return w.emit_computed(o, "Reciprocal");
    case ElementaryFunction::exp:
      return w.emit_computed(o, "Exp");
    case ElementaryFunction::log:
      return w.emit_computed(o, "Log");
    case ElementaryFunction::pow:
      return power(o.exponent);
    case ElementaryFunction::selu:
      return w.emit_computed(o, "Selu");
    case ElementaryFunction::mish:
      return w.emit_computed(o, "Mish");
  }
}
inline void write(const graph::op::Elementary& o, IntegerWriter& w) { w.emit_lookup(w.resolve(o)); }

template <graph::op::ElementaryFunction function>
void read_elementary(Importer& g, Attributes&) {
  g.give_same(graph::op::Elementary{function});
}
inline void read_selu(Importer& g, Attributes& a) {
  const auto alpha = static_cast<float>(graph::op::detail::selu_alpha), scale = static_cast<float>(graph::op::detail::selu_scale);
  const float got = a.real("alpha", alpha), gamma = a.real("gamma", scale);
  if (std::fabs(got - alpha) >= 1e-5f || std::fabs(gamma - scale) >= 1e-5f) {
    require(std::isfinite(got) && got >= 0.0f && std::isfinite(gamma), Errc::unsupported, "attributes alpha {} and gamma {} are not understood", got, gamma);
    return g.give(times(g, stepped(g, graph::op::Elu{got}, g.value()), gamma));
  }
  g.give_same(graph::op::Elementary{graph::op::ElementaryFunction::selu});
}
/// A value to a constant power.
inline void read_pow(Importer& g, Attributes&) {
  using graph::op::ElementaryFunction;
  const Constant& c = g.constant(1, "the exponent");
  require(c.known && c.size() == 1, Errc::unsupported, "the exponent must be one number");
  const float p = c.real ? c.reals[0] : static_cast<float>(c.integers[0]);
  if (p == 1.0f) return g.give(g.value());
  graph::op::Elementary op{ElementaryFunction::pow, p};
  if (p == 2.0f) op = {ElementaryFunction::square};
  if (p == 0.5f) op = {ElementaryFunction::sqrt};
  if (p == -0.5f) op = {ElementaryFunction::rsqrt};
  if (p == -1.0f) op = {ElementaryFunction::reciprocal};
  g.give_same(op);
}
/// 1/x of the value that an input names; of a square root that nothing else reads, one function of both.
inline Arrangement reciprocal_of(Importer& g, std::size_t input) {
  using graph::op::ElementaryFunction;
  Arrangement y = g.value(input);
  const auto* root = graph::as<graph::op::Elementary>(g.graph.node(y.node).op);
  if (root != nullptr && root->function == ElementaryFunction::sqrt && g.read_once(g.input_name(input))) {
    g.graph.replace(y.node, graph::op::Elementary{ElementaryFunction::rsqrt});
    return y;
  }
  y.node = g.add(graph::op::Elementary{ElementaryFunction::reciprocal}, {y.node});
  y.name.clear();
  return y;
}
inline void read_reciprocal(Importer& g, Attributes&) { g.give(reciprocal_of(g, 0)); }
/// A quotient: by a constant a product with its inverse, of two values a product with an inverse that is a table among integers.
inline void read_div(Importer& g, Attributes&) {
  if (g.is_constant(1)) return read_line(g, 0, 1, [](double c) { return Line{1.0 / c, 0.0}; });
  const Arrangement inverse = reciprocal_of(g, 1);
  if (!g.is_constant(0)) return g.give(combined(g, graph::op::Mul{}, g.value(0), inverse));
  const Constant& c = g.reals(0, "the dividend");
  require(c.known && c.size() == 1, Errc::unsupported, "the dividend must be one number or a value");
  if (c.reals[0] == 1.0f) return g.give(inverse);
  Arrangement y = inverse;
  const auto [layer, node] = detail::depthwise_line(g, y.node, {{static_cast<double>(c.reals[0])}, {0.0}}, c);
  y.node = node;
  g.give(std::move(y));
}
/// The rectifier with a slope for negative values: one number is a leaky ReLU, others are a x + (1 - a) relu(x).
inline void read_prelu(Importer& g, Attributes&) {
  const Constant& slope = g.reals(1, "slope");
  require(slope.known && slope.size() >= 1, Errc::unsupported, "slope has no numbers");
  if (slope.size() == 1) return g.give_same(graph::op::LeakyRelu{slope.reals[0]});
  const Arrangement x = g.value(), positive = stepped(g, graph::op::Relu{}, x);
  const Constant rest{.name = g.label(), .dims = slope.dims, .real = true, .reals = slope.reals};  // no second use of the constant itself
  const Arrangement a = lined(g, x, slope, [](double c) { return Line{c, 0.0}; });
  g.give(combined(g, graph::op::Add{}, a, lined(g, positive, rest, [](double c) { return Line{1.0 - c, 0.0}; })));
}

inline constexpr OperatorReader elementary_readers[] = {{"Abs", read_elementary<graph::op::ElementaryFunction::abs>},
                                                        {"Div", read_div},
                                                        {"Exp", read_elementary<graph::op::ElementaryFunction::exp>},
                                                        {"Log", read_elementary<graph::op::ElementaryFunction::log>},
                                                        {"Mish", read_elementary<graph::op::ElementaryFunction::mish>},
                                                        {"PRelu", read_prelu},
                                                        {"Pow", read_pow},
                                                        {"Reciprocal", read_reciprocal},
                                                        {"Selu", read_selu},
                                                        {"Sqrt", read_elementary<graph::op::ElementaryFunction::sqrt>}};

}  // namespace stet::onnx
