#pragma once
// Bilinear interpolation: its step on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/resize_bilinear.hpp>

namespace stet::detail {

inline EngineRun step(const graph::op::ResizeBilinear& o, const StepSite& s) {
  return s.unary(s.resolve(o), [](const auto& x, const auto& p, auto y) { integer::resize_bilinear(x, p, y); });
}

}  // namespace stet::detail
