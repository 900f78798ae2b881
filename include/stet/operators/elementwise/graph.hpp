#pragma once
// Sums, differences and products of two values, element by element.

#include <stet/core/broadcast.hpp>
#include <stet/graph/operator_spec.hpp>

namespace stet::graph::op {

/// Element by element; a dimension of size 1 is repeated. Shapes:    two of equal rank, dimensions equal or 1
struct Add {
  static constexpr std::string_view name = "add";
  static constexpr bool trains_scale = true;  ///< its gradient knows a trained scale of the output
  static constexpr auto form = IntegerForm::computes;
  static constexpr bool takes_activation = true;  ///< applies one that stands behind it
};
struct Sub {
  static constexpr std::string_view name = "sub";
  static constexpr bool trains_scale = true;  ///< its gradient knows a trained scale of the output
  static constexpr auto form = IntegerForm::computes;
  static constexpr bool takes_activation = true;  ///< applies one that stands behind it
};
struct Mul {
  static constexpr std::string_view name = "mul";
  static constexpr auto form = IntegerForm::computes;
  static constexpr bool takes_activation = true;  ///< applies one that stands behind it
};

namespace detail {
inline Shape broadcast(std::string_view kind, Shapes in) {
  expect_inputs(kind, 2, in);
  require(in[0].rank() == in[1].rank() && broadcasts(in[0], in[1]), Errc::shape,
          "{}: wants equal shapes, or dimensions of size 1 that are repeated; got {} and {}", kind, in[0], in[1]);
  return broadcast_shape(kind, in[0], in[1]);
}
}  // namespace detail

inline Shape infer(const Add&, Shapes in) { return detail::broadcast("add", in); }
inline Shape infer(const Sub&, Shapes in) { return detail::broadcast("sub", in); }
inline Shape infer(const Mul&, Shapes in) { return detail::broadcast("mul", in); }
inline std::int64_t multiply_adds(const Mul&, Shapes, const Shape& out) { return out.elements(); }

}  // namespace stet::graph::op
