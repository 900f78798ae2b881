#pragma once
// Sums, differences and products: their steps on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/elementwise.hpp>

namespace stet::detail {

inline EngineRun sum(const integer::AddParameters& p, const StepSite& s) {
  return s.binary(p, [](const auto& a, const auto& b, const auto& q, auto y) { integer::add(a, b, q, y); });
}
inline EngineRun step(const graph::op::Add& o, const StepSite& s) { return sum(s.resolve(o), s); }
inline EngineRun step(const graph::op::Sub& o, const StepSite& s) { return sum(s.resolve(o), s); }
inline EngineRun step(const graph::op::Mul& o, const StepSite& s) {
  return s.binary(s.resolve(o), [](const auto& a, const auto& b, const auto& q, auto y) { integer::multiply(a, b, q, y); });
}

}  // namespace stet::detail
