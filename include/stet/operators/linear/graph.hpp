#pragma once
// Products with a matrix.

#include <stet/graph/operator_spec.hpp>

namespace stet::graph::op {

/// Fully connected layer over the last dimension. Shapes:    [..,K] -> [..,units]; weight [units,K], bias [units]
struct Linear {
  static constexpr std::string_view name = "linear";
  static constexpr auto form = IntegerForm::layer;
  static constexpr int channel_axis = 0;
  static constexpr bool int4_kernels = true;
  int units = 0;  ///< required
  bool bias = true;
};

/// Product of two values, per sample and index of the dimensions in front. Shapes:    [..,M,K], [..,K,N] -> [..,M,N]
struct Matmul {
  static constexpr std::string_view name = "matmul";
  static constexpr auto form = IntegerForm::none;
};

inline std::string attributes(const Linear& o) { return o.bias ? "" : "no bias"; }
inline Shape infer(const Linear& o, Shapes in) {
  expect_inputs("linear", 1, in);
  require(o.units >= 1, Errc::range, "linear: units must be at least 1, got {}", o.units);
  require(in[0].rank() >= 1, Errc::shape, "linear: wants [..,features], got {}; reshape it first", in[0]);
  return in[0].with(in[0].rank() - 1, o.units);
}
inline std::vector<ParameterSpec> parameters(const Linear& o, Shapes in) {
  std::vector<ParameterSpec> list{{"weight", {o.units, in[0].back()}, Role::weight}};
  if (o.bias) list.push_back({"bias", {o.units}, Role::bias});
  return list;
}
inline std::int64_t multiply_adds(const Linear&, Shapes in, const Shape& out) { return out.elements() * in[0].back(); }

inline Shape infer(const Matmul&, Shapes in) {
  expect_inputs("matmul", 2, in);
  const int rank = in[0].rank();
  bool fits = rank >= 2 && in[1].rank() == rank && in[0].back() == in[1][rank - 2];
  for (int d = 0; fits && d < rank - 2; ++d) fits = in[0][d] == in[1][d];
  require(fits, Errc::shape, "matmul: wants [..,M,K] and [..,K,N] with the same dimensions in front, got {} and {}", in[0], in[1]);
  return in[0].with(rank - 1, in[1].back());
}
inline std::int64_t multiply_adds(const Matmul&, Shapes in, const Shape& out) { return out.elements() * in[0].back(); }
inline Obstacle no_integer_form(const Matmul&) {
  return {.what = "no integer kernel for a product of two activations", .remedy = "use linear"};
}

}  // namespace stet::graph::op
