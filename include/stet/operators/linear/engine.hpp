#pragma once
// Linear layers: their steps on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/convolution.hpp>

#include <memory>

namespace stet::detail {

inline EngineRun step(const graph::op::Linear& o, const StepSite& s) {
  return s.layer(o, std::make_shared<const integer::ConvolutionWeights>(s.weights()),
                 [](const auto& x, std::int32_t z, const auto& weights, integer::AccumulatorSink sink) {
                   integer::linear(x, z, weights, sink);
                 });
}

}  // namespace stet::detail
