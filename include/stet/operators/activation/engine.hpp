#pragma once
// Activations: their steps on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/elementwise.hpp>

namespace stet::detail {

inline EngineRun clamp(const integer::ClampParameters& p, const StepSite& s) {
  return s.unary(p, [](const auto& x, const auto& q, auto y) { integer::clamp(x, q, y); });
}
inline EngineRun step(const graph::op::Relu& o, const StepSite& s) { return clamp(s.resolve(o), s); }
inline EngineRun step(const graph::op::Relu6& o, const StepSite& s) { return clamp(s.resolve(o), s); }

}  // namespace stet::detail
