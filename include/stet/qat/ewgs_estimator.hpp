#pragma once
// EWGS: the gradient scaled element by element with the rounding error.

#include <stet/qat/pull_by_input.hpp>

#include <string>

namespace stet {

/// Element-wise gradient scaling: the gradient grows where it drives x further from its code's value.
/// Formula:   with e = clamp(x, lo, hi)/s - rne(x/s), in steps: factor 1 + delta * sign(dy) * e
/// Gradient:  dx = dy * factor inside the range (ends included), else 0; not the derivative of anything
/// Errors:    Errc::range if delta is not in [0, 2): beyond, a factor could change the sign; Errc::shape if x was not
///            kept
/// Source:    Lee 2021, EWGS, arXiv 2104.00903. There x is normalised to a range of 1, so that its delta is
///            (p - n) times this one
class EwgsEstimator {
 public:
  static constexpr bool needs_input = true;
  static constexpr bool needs_mask = false;

  explicit EwgsEstimator(double delta = 0.2) : delta_(delta) {
    require(delta >= 0.0 && delta < 2.0, Errc::range, "EwgsEstimator: delta {} must be in [0, 2)", delta);
  }
  [[nodiscard]] double delta() const { return delta_; }
  [[nodiscard]] std::string name() const { return formatted("ewgs({})", delta_); }
  [[nodiscard]] ClipMask mask() const { return ClipMask::raw_inclusive; }
  [[nodiscard]] Pulled pull(const Tensor<float>& dy, const Kept& kept, const QParams& p) const {
    const auto delta = static_cast<float>(delta_);
    return detail::pull_by_input("EwgsEstimator", dy, kept, p, [=](float x, float g, const detail::CodeRule<float>& r) {
      // Factors of 0 and 1 instead of choices, which would not vectorize; NaN and infinities end at the clamp.
      const auto flag = [](bool b) { return static_cast<float>(static_cast<int>(b)); };
      float t = x / r.scale;
      t = t > r.lo - 1 ? t : r.lo - 1;
      t = t < r.hi + 1 ? t : r.hi + 1;
      const float error = t - detail::steps_inside(x, r);
      const float sign = 1.0f - 2.0f * flag(g < 0.0f);
      return (1.0f + delta * sign * error) * flag(detail::in_range(x, r));
    });
  }

 private:
  double delta_;
};

}  // namespace stet
