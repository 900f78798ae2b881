#pragma once
// PACT's rule for the gradient of what is quantized.

#include <stet/qat/pull_by_input.hpp>

#include <cstddef>

namespace stet {

/// PACT's rule for the value: clip(x, lo, hi) stands for quantization, and the upper end belongs to the clipped part.
/// Gradient:  dx = dy where lo <= x < hi, else 0; not the derivative (STE)
/// Errors:    Errc::shape if x was not kept
/// Source:    Choi 2018, PACT, arXiv 1805.06085
struct PactEstimator {
  static constexpr bool needs_input = true;
  static constexpr bool needs_mask = false;
  [[nodiscard]] const char* name() const { return "pact"; }
  [[nodiscard]] ClipMask mask() const { return ClipMask::raw_inclusive; }
  [[nodiscard]] Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams& p) const {
    return detail::pull_by_input("PactEstimator", dy, kept, p, [](float x, float, const detail::CodeRule<float>& r) {
      return x >= r.lo * r.scale && x < r.hi * r.scale ? 1.0f : 0.0f;
    });
  }
  [[nodiscard]] double surrogate(double x, const QParams& p, std::size_t i) const {
    const detail::SurrogateRange r(p, i);
    return r.scale * r.clamp(x / r.scale);
  }
};

}  // namespace stet
