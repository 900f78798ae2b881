#pragma once
// Codes that a network of integers holds: the constant operand of a sum, a difference or a product.

#include <stet/graph/operator_spec.hpp>

namespace stet::graph::op {

/// Codes that are the same for every sample: LayerConstants::weights of its node. Integer files of other producers have
/// them; in float networks a constant operand is part of a layer. Shapes:    -> shape
struct Constant {
  static constexpr std::string_view name = "constant";
  static constexpr auto form = IntegerForm::computes;
  Shape shape;
};

inline std::string attributes(const Constant&) { return ""; }
inline Shape infer(const Constant& o, Shapes in) {
  expect_inputs("constant", 0, in);
  require(o.shape.elements() > 0, Errc::shape, "constant: shape {} has no elements", o.shape);
  return o.shape;
}
inline std::int64_t multiply_adds(const Constant&, Shapes, const Shape&) { return 0; }

}  // namespace stet::graph::op
