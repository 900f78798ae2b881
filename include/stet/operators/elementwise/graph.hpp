#pragma once
// Sums, differences and products of two values, element by element.

#include <stet/graph/operator_spec.hpp>

namespace stet::graph::op {

/// Element by element; a dimension of size 1 is repeated. Shapes:    two of equal rank, dimensions equal or 1
struct Add {
  static constexpr auto form = IntegerForm::computes;
};
struct Sub {
  static constexpr auto form = IntegerForm::computes;
};
struct Mul {
  static constexpr auto form = IntegerForm::computes;
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
}  // namespace detail

inline std::string_view kind(const Add&) { return "add"; }
inline std::string_view kind(const Sub&) { return "sub"; }
inline std::string_view kind(const Mul&) { return "mul"; }
inline std::string attributes(const Add&) { return ""; }
inline std::string attributes(const Sub&) { return ""; }
inline std::string attributes(const Mul&) { return ""; }
inline Shape infer(const Add&, Shapes in) { return detail::broadcast("add", in); }
inline Shape infer(const Sub&, Shapes in) { return detail::broadcast("sub", in); }
inline Shape infer(const Mul&, Shapes in) { return detail::broadcast("mul", in); }
inline std::vector<ParameterSpec> parameters(const Add&, Shapes) { return {}; }
inline std::vector<ParameterSpec> parameters(const Sub&, Shapes) { return {}; }
inline std::vector<ParameterSpec> parameters(const Mul&, Shapes) { return {}; }
inline std::int64_t multiply_adds(const Add&, Shapes, const Shape&) { return 0; }
inline std::int64_t multiply_adds(const Sub&, Shapes, const Shape&) { return 0; }
inline std::int64_t multiply_adds(const Mul&, Shapes, const Shape& out) { return out.elements(); }

}  // namespace stet::graph::op
