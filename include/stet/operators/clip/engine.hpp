#pragma once
// Clipping: its step on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/elementwise.hpp>

namespace stet::detail {

inline EngineRun step(const graph::op::Clip& o, const StepSite& s) {
  return s.unary(s.resolve(o), [](const auto& x, const auto& q, auto y) { integer::clamp(x, q, y); });
}

}  // namespace stet::detail
