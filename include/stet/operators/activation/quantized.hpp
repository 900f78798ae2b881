#pragma once
// Activations and dropout on codes, on the tape.

#include <stet/model/unit_site.hpp>
#include <stet/qat/elementwise.hpp>
#include <stet/qat/shape.hpp>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::Relu& o, const UnitSite& s) { return clamp(s.input(), s.resolve(o)); }
inline Var<QTensor> run(const graph::op::Relu6& o, const UnitSite& s) { return clamp(s.input(), s.resolve(o)); }
inline Var<QTensor> run(const graph::op::Dropout& o, const UnitSite& s) {
  // With frozen batch norm training is the deployed arithmetic, which has no dropout.
  if (!s.trains() || s.qat().batch_norm_frozen()) return s.input();
  return dropout(s.input(), static_cast<double>(o.rate), s.rng());
}

}  // namespace stet::detail
