#pragma once
// Operators that move codes on codes, on the tape.

#include <stet/model/unit_site.hpp>
#include <stet/qat/shape.hpp>

#include <utility>
#include <vector>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::Concat& o, const UnitSite& s) {
  Var<QTensor> y = s.input(0);
  for (std::size_t i = 1; i < s.inputs(); ++i) y = concat(y, s.input(i), o.axis + 1);
  return y;
}
inline Var<QTensor> run(const graph::op::Pad& o, const UnitSite& s) {
  return pad(s.input(), {{0, 0}, {o.top, o.bottom}, {o.left, o.right}, {0, 0}});
}
inline Var<QTensor> run(const graph::op::Reshape& o, const UnitSite& s) {
  return reshape(s.input(), o.shape.batched(s.input().shape()[0]));
}
inline Var<QTensor> run(const graph::op::Transpose& o, const UnitSite& s) {
  std::vector<int> order{0};
  for (const int axis : o.axes) order.push_back(axis + 1);
  return transpose(s.input(), std::move(order));
}

}  // namespace stet::detail
