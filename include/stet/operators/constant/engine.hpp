#pragma once
// Constant codes: their step, for memory is shared between values.

#include <stet/engine/step_site.hpp>

#include <cstddef>

namespace stet::detail {

inline EngineRun step(const graph::op::Constant&, const StepSite& s) {
  return [codes = s.weights(), to = s.node().output](EngineValues& v) {
    const auto out = v.codes[static_cast<std::size_t>(to)].edit();
    const auto one = codes.span();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = one[i % one.size()];
  };
}

}  // namespace stet::detail
