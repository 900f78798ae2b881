#pragma once
// Operators that move codes: their steps on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/shape.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace stet::detail {

inline EngineRun step(const graph::op::Concat& o, const StepSite& s) {
  return s.all([axis = o.axis + 1](const std::vector<integer::Codes>& parts, auto y) { integer::concat(parts, axis, y); });
}
inline EngineRun step(const graph::op::Pad& o, const StepSite& s) {
  const auto zero = static_cast<std::int8_t>(s.in().codes.zero_point);
  return s.unary(o, [zero](const auto& x, const graph::op::Pad& p, auto y) {
    const std::int64_t before[] = {0, p.top, p.left, 0};
    const std::int64_t after[] = {0, p.bottom, p.right, 0};
    integer::pad(x, before, after, zero, y);
  });
}
inline EngineRun step(const graph::op::Reshape& o, const StepSite& s) {
  return s.unary(o, [](const auto& x, const auto&, auto y) { std::copy(x.span().begin(), x.span().end(), y.begin()); });
}
inline EngineRun step(const graph::op::Transpose& o, const StepSite& s) {
  std::vector<int> order{0};
  for (const int axis : o.axes) order.push_back(axis + 1);
  return s.unary(std::move(order), [](const auto& x, const auto& axes, auto y) { integer::transpose(x, axes, y); });
}

}  // namespace stet::detail
