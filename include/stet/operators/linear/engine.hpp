#pragma once
// Linear layers: their steps on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/convolution.hpp>

#include <cstdint>
#include <memory>

namespace stet::detail {

inline EngineRun step(const graph::op::Linear& o, const StepSite& s) {
  return s.layer(o, std::make_shared<const integer::ConvolutionWeights>(s.weights()),
                 [](const auto& x, std::int32_t z, const auto& weights, const auto& r, std::int8_t* y) {
                   integer::linear_to_codes(x, z, weights, r, y);
                 });
}

}  // namespace stet::detail
