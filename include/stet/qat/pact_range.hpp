#pragma once
// PACT: the upper end of activations behind a ReLU is learned.

#include <stet/qat/lsq_range.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace stet {

struct PactOptions {
  Grid grid = Grid::activation(8);
  float alpha = 10.0f;  ///< where the upper end starts; the paper's 10, and large on purpose: decay brings it down
  ScaleLimits limits{};
};

/// Learned clipping level alpha; values below 0 are clipped to 0. One alpha per tensor.
/// Formula:   s = alpha / (p - n), z = n
/// Gradient:  d(alpha) = sum of dy where x >= alpha: rounding errors do not count; not the derivative (STE). It never
///            shrinks alpha to fit the values: give alpha weight decay in the optimizer, as the paper does (the same
///            coefficient as the weights)
/// Errors:    Errc::range if alpha is not positive and finite, or limits are wrong
/// Source:    Choi 2018, PACT, arXiv 1805.06085
class PactRange {
 public:
  static constexpr bool decays = true;

  explicit PactRange(const PactOptions& options = {}) : options_(options) {
    detail::check_limits("PactRange", options.limits);
    set(options.alpha);
  }

  [[nodiscard]] const char* name() const { return "pact"; }
  [[nodiscard]] std::string describe() const {
    return formatted("pact, limits {}..{}", options_.limits.smallest, options_.limits.largest);
  }
  [[nodiscard]] const PactOptions& options() const { return options_; }
  [[nodiscard]] bool initialized() const { return true; }

  /// Starts from the largest value; where none is above 0, or only by less than any code, from the options' alpha.
  /// Errors:    Errc::state if x is empty; Errc::range if it has NaN or infinities
  void initialize(const Tensor<float>& x) {
    const float highest = min_max(x, Granularity::per_tensor())[0].hi;
    set(highest > 0.0f && !negligible({0.0f, highest}) ? highest : options_.alpha);
  }
  /// False unless there is one scale and 0 is the lowest code.
  bool begin(const QParams& p) {
    if (p.scale.size() != 1 || p.zero_point[0] != p.grid.lo) return false;
    options_.grid = p.grid;
    set(p.scale[0] * levels());
    return true;
  }
  /// Errors:    Errc::range if alpha is not positive and finite
  void set(float alpha) {
    require(std::isfinite(alpha) && alpha > 0.0f, Errc::range, "PactRange: alpha {} must be positive and finite",
            alpha);
    alpha_.value = Tensor<float>::filled({1}, alpha);
    clamp_parameters();
  }

  [[nodiscard]] std::vector<Parameter*> parameters() { return {&alpha_}; }
  [[nodiscard]] QParams qparams() const {
    return QParams::per_tensor(alpha() / levels(), options_.grid.lo, options_.grid);
  }
  [[nodiscard]] ScaleGradientRule rule() const { return {ClipMask::raw_exclusive, false}; }
  /// Errors:    Errc::shape if there is not one gradient; Errc::range if it is NaN or infinite
  void pull(std::span<const double> dscale, std::span<const double> dzero_point) {
    detail::check_scale_gradients("PactRange", 1, dscale, dzero_point);
    detail::add_gradients("PactRange", alpha_, {dscale[0] / static_cast<double>(levels())});
  }
  /// Errors:    Errc::range if the parameter is NaN
  void clamp_parameters() {
    if (alpha_.value[0] != alpha()) alpha_.value.edit()[0] = alpha();
  }
  template <class F>
  void fields(F&& f) {
    f("alpha", alpha_.value);
  }

 private:
  [[nodiscard]] float levels() const { return static_cast<float>(options_.grid.hi - options_.grid.lo); }
  [[nodiscard]] float alpha() const {
    return detail::clamped_parameter("PactRange", "alpha", 0, alpha_.value[0], options_.limits.smallest * levels(),
                                     options_.limits.largest * levels());
  }

  PactOptions options_;
  Parameter alpha_{Tensor<float>::zeros({1})};
};

}  // namespace stet
