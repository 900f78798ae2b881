#pragma once
// Maxima and minima: their step on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/extremum.hpp>

namespace stet::detail {

inline EngineRun step(const graph::op::Extremum& o, const StepSite& s) {
  return s.binary(o.largest, [](const auto& a, const auto& b, bool largest, auto y) { integer::extremum(a, b, largest, y); });
}

}  // namespace stet::detail
