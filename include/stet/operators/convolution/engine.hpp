#pragma once
// Convolutions: their steps on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/convolution.hpp>
#include <stet/integer/depthwise.hpp>
#include <stet/integer/requantize.hpp>

#include <cstdint>
#include <memory>

namespace stet::detail {

inline EngineRun step(const graph::op::Conv2D& o, const StepSite& s) {
  return s.layer(o, std::make_shared<const integer::ConvolutionWeights>(s.weights(), o.groups),
                 [w = window(o, s.image())](const auto& x, std::int32_t z, const auto& weights, const auto& r, std::int8_t* y) {
                   integer::convolve_to_codes(x, z, weights, w, r, y);
                 });
}
inline EngineRun step(const graph::op::DepthwiseConv2D& o, const StepSite& s) {
  return s.layer(o, std::make_shared<const integer::DepthwiseWeights>(s.weights(), s.image()[2]),
                 [w = window(o, s.image())](const auto& x, std::int32_t z, const auto& weights, const auto& r, std::int8_t* y) {
                   integer::depthwise(x, z, weights, w, integer::CodesSink{r, y});
                 });
}

}  // namespace stet::detail
