#pragma once
// Sums, differences and products: the parameters with which a target computes them.

#include <stet/graph/surroundings.hpp>
#include <stet/integer/elementwise_parameters.hpp>
#include <stet/operators/elementwise/graph.hpp>

namespace stet::graph::op {

inline integer::AddParameters resolve(const Add&, const Surroundings& s) {
  return integer::make_add(s.target, s.in[0].codes, s.in[1].codes, s.out.codes, s.activation);
}
inline integer::AddParameters resolve(const Sub&, const Surroundings& s) {
  return integer::make_add(s.target, s.in[0].codes, s.in[1].codes, s.out.codes, s.activation, true);
}
inline integer::MultiplyParameters resolve(const Mul&, const Surroundings& s) {
  return integer::make_multiply(s.target, s.in[0].codes, s.in[1].codes, s.out.codes, s.activation);
}
inline float step_before_rounding(const Mul&, std::span<const float> input_scales) { return input_scales[0] * input_scales[1]; }

}  // namespace stet::graph::op
