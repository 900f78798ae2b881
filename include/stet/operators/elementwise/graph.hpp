#pragma once
// Sums, differences and products of two values, element by element.

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
  const Shape &a = in[0], &b = in[1];
  bool fits = a.rank() == b.rank();
  Shape out = a;
  for (int i = 0; fits && i < a.rank(); ++i) {
    fits = a[i] == b[i] || a[i] == 1 || b[i] == 1;
    out = out.with(i, a[i] == 1 ? b[i] : a[i]);
  }
  require(fits, Errc::shape, "{}: wants equal shapes, or dimensions of size 1 that are repeated; got {} and {}", kind,
          a, b);
  return out;
}
inline std::optional<Obstacle> equal_shapes(Shapes in) {
  if (in[0] == in[1]) return std::nullopt;
  return Obstacle{Errc::shape, formatted("inputs have shapes {} and {}", in[0], in[1]),
                  "the integer operator does not broadcast: make the shapes equal"};
}
}  // namespace detail

inline Shape infer(const Add&, Shapes in) { return detail::broadcast("add", in); }
inline Shape infer(const Sub&, Shapes in) { return detail::broadcast("sub", in); }
inline Shape infer(const Mul&, Shapes in) { return detail::broadcast("mul", in); }
inline std::optional<Obstacle> integer_limit(const Add&, Shapes in) { return detail::equal_shapes(in); }
inline std::optional<Obstacle> integer_limit(const Sub&, Shapes in) { return detail::equal_shapes(in); }
inline std::optional<Obstacle> integer_limit(const Mul&, Shapes in) { return detail::equal_shapes(in); }
inline std::int64_t multiply_adds(const Mul&, Shapes, const Shape& out) { return out.elements(); }

}  // namespace stet::graph::op
