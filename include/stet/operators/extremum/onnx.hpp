#pragma once
// Maxima and minima in .onnx: written and read, of values and of values with constants, which are clips.

#include <stet/io/onnx/steps.hpp>
#include <stet/operators/elementwise/onnx.hpp>

#include <limits>
#include <utility>
#include <vector>

namespace stet::onnx {

void write(const graph::op::Extremum& o, auto& w) { w.emit_computed(o, o.largest ? "Max" : "Min"); }

/// The larger, or smaller, of a value and a constant of several numbers: max(x, c) = relu(x - c) + c, min(x, c) = c - relu(c - x).
template <bool largest>
Arrangement bounded(Importer& g, const Arrangement& x, const Constant& c) {
  const Constant again{.name = g.label(), .dims = c.dims, .real = true, .reals = c.reals};  // no second use of the constant itself
  const LineOf below = [](double v) { return largest ? Line{1.0, -v} : Line{-1.0, v}; }, back = [](double v) { return largest ? Line{1.0, v} : Line{-1.0, v}; };
  return lined(g, stepped(g, graph::op::Relu{}, lined(g, x, c, below)), again, back);
}

/// The larger, or smaller, of any number of values and constants.
template <bool largest>
void read_extremum(Importer& g, Attributes&) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  require(!g.node->inputs.empty() && g.node->inputs.size() <= 64, Errc::unsupported, "{} inputs, 1 to 64 are read", g.node->inputs.size());
  integer::Activation bounds{-infinity, infinity};
  Arrangement y{};
  bool any = false;
  std::vector<std::size_t> several;
  for (std::size_t i = 0; i < g.node->inputs.size(); ++i) {
    if (g.is_constant(i)) {
      const Constant& c = g.reals(i, "the constant operand");
      if (c.size() != 1) {
        several.push_back(i);
        continue;
      }
      float& bound = largest ? bounds.lo : bounds.hi;
      bound = largest ? std::max(bound, c.reals[0]) : std::min(bound, c.reals[0]);
    } else {
      y = any ? combined(g, graph::op::Extremum{largest}, y, g.value(i)) : g.value(i);
      any = true;
    }
  }
  require(any, Errc::unsupported, "all inputs are constants");
  for (const std::size_t i : several) y = bounded<largest>(g, y, g.reals(i, "the constant operand"));
  if (bounds == integer::Activation::none) return g.give(std::move(y));
  y.node =
      g.add(bounds == integer::Activation::relu ? graph::Operator(graph::op::Relu{}) : graph::Operator(graph::op::Clip{bounds}), {y.node});
  y.name.clear();
  g.give(std::move(y));
}

inline constexpr OperatorReader extremum_readers[] = {{"Max", read_extremum<true>}, {"Min", read_extremum<false>}};

}  // namespace stet::onnx
