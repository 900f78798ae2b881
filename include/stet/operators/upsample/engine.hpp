#pragma once
// Upsampling: its step on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/shape.hpp>

namespace stet::detail {

inline EngineRun step(const graph::op::Upsample& o, const StepSite& s) {
  return s.unary(o.factor, [](const auto& x, Pair factor, auto y) { integer::upsample(x, factor, y); });
}

}  // namespace stet::detail
