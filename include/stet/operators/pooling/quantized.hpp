#pragma once
// Pooling on codes, on the tape.

#include <stet/model/unit_site.hpp>
#include <stet/qat/pooling.hpp>
#include <stet/qat/shape.hpp>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::MaxPool& o, const UnitSite& s) {
  return max_pool(s.input(), window(o, s.operand().shape), s.resolve(o), s.order_of_input());
}
inline Var<QTensor> run(const graph::op::AveragePool& o, const UnitSite& s) {
  return average_pool(s.input(), window(o, s.operand().shape), s.resolve(o));
}
inline Var<QTensor> run(const graph::op::GlobalAveragePool& o, const UnitSite& s) {
  if (s.follows()) s.observe(mean_range(s.input().value()));
  const Var<QTensor> y = mean(s.input(), s.resolve(o), s.params(), s.estimator());
  return o.keep_dims ? reshape(y, {y.shape()[0], 1, 1, y.shape()[1]}) : y;
}

}  // namespace stet::detail
