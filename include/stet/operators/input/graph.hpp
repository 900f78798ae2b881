#pragma once
// Input: where values enter a graph.

#include <stet/graph/operator_spec.hpp>

namespace stet::graph::op {

/// Entry of the graph. Shapes:    shape is that of one sample; the batch is implicit
struct Input {
  static constexpr std::string_view name = "input";
  static constexpr auto form = IntegerForm::input;
  Shape shape;
};

inline std::string attributes(const Input&) { return ""; }
inline Shape infer(const Input& o, Shapes in) {
  expect_inputs("input", 0, in);
  require(o.shape.elements() > 0, Errc::shape, "input: shape {} has no elements", o.shape);
  return o.shape;
}

}  // namespace stet::graph::op
