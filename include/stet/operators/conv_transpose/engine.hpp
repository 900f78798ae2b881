#pragma once
// The transposed convolution: its step on codes.

#include <stet/engine/step_site.hpp>
#include <stet/integer/conv_transpose.hpp>
#include <stet/integer/requantize.hpp>

#include <cstdint>
#include <memory>

namespace stet::detail {

inline EngineRun step(const graph::op::ConvTranspose& o, const StepSite& s) {
  return s.layer(o, std::make_shared<const integer::ConvTransposeWeights>(s.weights()),
                 [w = window(o, s.image())](const auto& x, std::int32_t z, const auto& weights, const auto& r, std::int8_t* y) {
                   integer::conv_transpose(x, z, weights, w, integer::CodesSink{r, y});
                 });
}

}  // namespace stet::detail
