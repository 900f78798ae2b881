#pragma once
// Sums, differences and products on codes, on the tape.

#include <stet/model/unit_site.hpp>
#include <stet/qat/elementwise.hpp>

namespace stet::detail {

inline void observe_binary(const UnitSite& s, Elementwise kind) {
  if (s.follows()) s.observe(elementwise_range(kind, s.input(0).value(), s.input(1).value()));
}
inline Var<QTensor> run(const graph::op::Add& o, const UnitSite& s) {
  observe_binary(s, Elementwise::add);
  return add(s.input(0), s.input(1), s.resolve(o), s.params(), s.learned(), s.estimator());
}
inline Var<QTensor> run(const graph::op::Sub& o, const UnitSite& s) {
  observe_binary(s, Elementwise::sub);
  return add(s.input(0), s.input(1), s.resolve(o), s.params(), s.learned(), s.estimator());
}
inline Var<QTensor> run(const graph::op::Mul& o, const UnitSite& s) {
  observe_binary(s, Elementwise::mul);
  return multiply(s.input(0), s.input(1), s.resolve(o), s.params(), s.estimator());
}

}  // namespace stet::detail
