#pragma once
// Slices: their step on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/shape.hpp>

namespace stet::detail {

inline EngineRun step(const graph::op::Slice& o, const StepSite& s) {
  return s.unary(o, [](const auto& x, const graph::op::Slice& p, auto y) { integer::slice(x, p.axis + 1, progression(p), y); });
}

}  // namespace stet::detail
