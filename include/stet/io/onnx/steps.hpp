#pragma once
// Steps of operators of ONNX that are several of stet: values in between, which have no name in the file.

#include <stet/io/onnx/constant_operand.hpp>

#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

/// A value behind one more operator on its elements.
inline Arrangement stepped(Importer& g, graph::Operator op, Arrangement x) {
  x.node = g.add(std::move(op), {x.node});
  x.name.clear();
  return x;
}
/// A value behind a product or sum with a constant of any shape that is repeated over it.
inline Arrangement lined(Importer& g, const Arrangement& x, const Constant& c, LineOf line_of) {
  const std::string& out = g.node->outputs[0];
  apply_line(g, x, {}, c, line_of);
  Arrangement y = std::move(g.values.at(out));
  g.values.erase(out);
  g.open.erase(out);
  g.given.pop_back();
  return y;
}
/// factor * x of one number.
inline Arrangement times(Importer& g, const Arrangement& x, float factor) {
  if (factor == 1.0f) return x;
  return lined(g, x, Constant{.name = g.label(), .real = true, .reals = {factor}}, [](double c) { return Line{c, 0.0}; });
}

}  // namespace stet::onnx
