#pragma once
// Maxima and minima in .onnx: written and read, of values and of values with constants, which are clips.

#include <stet/operators/elementwise/onnx.hpp>

#include <limits>
#include <utility>

namespace stet::onnx {

void write(const graph::op::Extremum& o, auto& w) { w.emit_computed(o, o.largest ? "Max" : "Min"); }

/// The larger, or smaller, of any number of values and constants of one number.
template <bool largest>
void read_extremum(Importer& g, Attributes&) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  require(!g.node->inputs.empty() && g.node->inputs.size() <= 64, Errc::unsupported, "{} inputs, 1 to 64 are read", g.node->inputs.size());
  integer::Activation bounds{-infinity, infinity};
  Arrangement y{};
  bool any = false;
  for (std::size_t i = 0; i < g.node->inputs.size(); ++i) {
    if (g.is_constant(i)) {
      const Constant& c = g.reals(i, "the constant operand");
      require(c.size() == 1, Errc::unsupported, "the constant '{}' has {} numbers; only one for all elements is understood", c.name,
              c.size());
      float& bound = largest ? bounds.lo : bounds.hi;
      bound = largest ? std::max(bound, c.reals[0]) : std::min(bound, c.reals[0]);
    } else {
      y = any ? combined(g, graph::op::Extremum{largest}, y, g.value(i)) : g.value(i);
      any = true;
    }
  }
  require(any, Errc::unsupported, "all inputs are constants");
  if (bounds == integer::Activation::none) return g.give(std::move(y));
  y.node =
      g.add(bounds == integer::Activation::relu ? graph::Operator(graph::op::Relu{}) : graph::Operator(graph::op::Clip{bounds}), {y.node});
  y.name.clear();
  g.give(std::move(y));
}

inline constexpr OperatorReader extremum_readers[] = {{"Max", read_extremum<true>}, {"Min", read_extremum<false>}};

}  // namespace stet::onnx
