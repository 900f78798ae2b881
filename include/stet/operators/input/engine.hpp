#pragma once
// The input: their steps on codes.

#include <stet/engine/step_site.hpp>

namespace stet::detail {

// The engine makes the codes of inputs by itself.
inline EngineRun step(const graph::op::Input&, const StepSite&) { return {}; }

}  // namespace stet::detail
