#pragma once
// The larger or the smaller of two codes, with its gradient.

#include <stet/integer/extremum.hpp>
#include <stet/ops/extremum.hpp>
#include <stet/qat/qvar.hpp>

#include <cstdint>
#include <utility>

namespace stet {

/// Chooses among codes of one scale and zero point.
/// Shapes:    a, b broadcast to the codes
/// Gradient:  dy to the one that was chosen, half to each where the codes are equal; summed over repeated axes
/// Errors:    Errc::state if the operands have different quantization parameters; Errc::shape if the shapes do not broadcast
inline Var<QTensor> extremum(const Var<QTensor>& a, const Var<QTensor>& b, bool largest) {
  const QTensor &qa = a.value(), &qb = b.value();
  require(qa.params == qb.params, Errc::state, "extremum: operands must share scale and zero point");
  const Shape shape = broadcast_shape(largest ? "maximum" : "minimum", a.shape(), b.shape());
  QTensor y{Tensor<std::int8_t>(shape), qa.params};
  integer::extremum(qa.codes, qb.codes, largest, y.codes.edit());
  Tensor<float> first;
  if (a.wanted() || b.wanted()) first = detail::share_of_first(qa.codes, qb.codes, shape, largest);
  return record(std::move(y), std::tie(a, b),
                [first = std::move(first), sa = a.shape(), sb = b.shape()](const Tensor<float>& dy, const auto& da, const auto& db) {
                  detail::add_shares(dy, first, sa, sb, da, db);
                });
}

}  // namespace stet
