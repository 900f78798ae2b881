#pragma once
// TQT: the logarithm of the clipping threshold is learned, the scale is a power of two.

#include <stet/qat/lsq_range.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <string>
#include <vector>

namespace stet {

struct TqtOptions {
  Grid grid = Grid::int8();
  Granularity granularity{};
  std::int32_t zero_point = 0;  ///< fixed; grid.lo for values that are not negative
  ScaleLimits limits{};
};

/// Trained threshold.
/// Formula:   s = 2^ceil(log2 t) / (p - z + 1); the parameter is log2 t
/// Shapes:    one threshold per scale: x of `shape` gives them by the granularity
/// Gradient:  d(log2 t) = s ln 2 * sum dy * { rne(x/s) - x/s inside; n - z below; p - z above }, inside by the rounded
///            code: straight through ceil and rounding; not the derivative (STE)
/// Errors:    Errc::range if p - z + 1 is not a power of two or limits are wrong; Errc::shape if the granularity does
///            not fit the shape; Errc::state if used before it was initialized
/// Source:    Jain 2020, TQT, arXiv 1903.08066; their normalised gradient is left to the optimizer
class TqtRange {
 public:
  explicit TqtRange(const TqtOptions& options = {}, const Shape& shape = {})
      : options_(options), threshold_{Tensor<float>::zeros(detail::scales_shape(options.granularity, shape))} {
    require(options.grid.contains(options.zero_point) && std::has_single_bit(static_cast<std::uint32_t>(steps())) &&
                steps() > 1,
            Errc::range, "TqtRange: {} codes from the zero point {} up to {} must be a power of two, at least 2",
            steps(), options.zero_point, options.grid.hi);
    detail::check_limits("TqtRange", options.limits);
  }

  [[nodiscard]] const char* name() const { return "tqt"; }
  [[nodiscard]] std::string describe() const {
    return formatted("tqt, limits {}..{}", options_.limits.smallest, options_.limits.largest);
  }
  [[nodiscard]] const TqtOptions& options() const { return options_; }
  [[nodiscard]] bool initialized() const { return initialized_; }

  /// Starts from the power of two of least squared error, in the middle of its interval of log2 t. A scale whose values are
  /// all 0 starts as on normal numbers, of the deviation of the others if there are any, else of 1.
  /// Errors:    Errc::state if x is empty; Errc::range if it has NaN or infinities; Errc::shape if it has another
  ///            number of scales
  void initialize(const Tensor<float>& x) {
    std::vector<float> thresholds(static_cast<std::size_t>(scale_map(options_.granularity, x.shape()).count));
    const Tensor<float> values = detail::starting_values(x, options_.granularity);
    detail::for_each_scale(values.span(), x.shape(), options_.granularity, [&](std::size_t k, std::span<const float> own) {
      const SortedMoments moments(own);
      const float near = detail::mse_scale(moments, options_.grid, options_.zero_point, options_.limits.smallest);
      detail::ZeroPointSearch search(options_.grid, options_.zero_point);
      const double exponent = std::floor(std::log2(static_cast<double>(near)));
      const bool lower =
          search.at(moments, std::exp2(exponent)).error <= search.at(moments, std::exp2(exponent + 1)).error;
      thresholds[k] = static_cast<float>(exponent + (lower ? 0.0 : 1.0) + std::log2(steps()) - 0.5);
    });
    set(thresholds);
  }
  /// At the nearest powers of two, in the middle of their intervals of log2 t. A zero point inside an asymmetric grid moves
  /// to the middle of the grid, which covers the same values. False where the zero points differ, or there are not as many
  /// codes above them as a power of two has.
  bool begin(const QParams& p) {
    const std::optional<std::int32_t> zero_point = detail::common_zero_point(p);
    if (!zero_point) return false;
    const auto codes_above = [&](std::int32_t z) { return static_cast<std::uint32_t>(p.grid.hi - z + 1); };
    std::int32_t z = *zero_point;
    if (z != p.grid.lo && z != symmetric_zero_point(p.grid)) z = p.grid.lo + p.grid.levels() / 2;
    if (!std::has_single_bit(codes_above(z)) || codes_above(z) < 2) return false;
    const double reach = std::max(p.grid.hi - *zero_point, *zero_point - p.grid.lo);
    const double wider = z == *zero_point ? 1.0 : reach / (p.grid.hi - z);
    options_.grid = p.grid;
    options_.granularity = p.granularity;
    options_.zero_point = z;
    threshold_.value = Tensor<float>::zeros(Shape{static_cast<std::int64_t>(p.scale.size())});
    std::vector<float> thresholds;
    for (const float s : p.scale) {
      const double exponent = std::nearbyint(std::log2(static_cast<double>(s) * wider));
      thresholds.push_back(static_cast<float>(exponent + std::log2(steps()) - 0.5));
    }
    set(thresholds);
    return true;
  }
  /// Starts from given log2 t.
  /// Errors:    Errc::shape if there is not one per scale; Errc::range if one is not finite
  void set(std::span<const float> log2_thresholds) {
    require(static_cast<std::int64_t>(log2_thresholds.size()) == threshold_.value.size(), Errc::shape,
            "TqtRange: has {} thresholds, got {}", threshold_.value.size(), log2_thresholds.size());
    for (const float t : log2_thresholds) {
      require(std::isfinite(t), Errc::range, "TqtRange: log2 threshold {} must be finite", t);
    }
    for (std::size_t k = 0; k < log2_thresholds.size(); ++k) threshold_.value.edit()[k] = log2_thresholds[k];
    initialized_ = true;
    clamp_parameters();
  }

  [[nodiscard]] std::vector<Parameter*> parameters() { return {&threshold_}; }
  [[nodiscard]] QParams qparams() const {
    detail::require_initialized("TqtRange", initialized_);
    QParams p{options_.grid, options_.granularity, {}, {}};
    for (std::int64_t k = 0; k < threshold_.value.size(); ++k) {
      const int exponent = static_cast<int>(std::ceil(threshold_of(k))) - log2_steps();
      p.scale.push_back(std::ldexp(1.0f, exponent));
      p.zero_point.push_back(options_.zero_point);
    }
    return p;
  }
  [[nodiscard]] ScaleGradientRule rule() const { return {ClipMask::rounded_inclusive, true}; }
  /// Errors:    Errc::shape if there is not one gradient per scale; Errc::range if one is NaN or infinite
  void pull(std::span<const double> dscale, std::span<const double> dzero_point) {
    detail::check_scale_gradients("TqtRange", threshold_.value.size(), dscale, dzero_point);
    const QParams p = qparams();
    std::vector<double> d;
    for (std::size_t k = 0; k < dscale.size(); ++k) {
      d.push_back(dscale[k] * static_cast<double>(p.scale[k]) * std::numbers::ln2);
    }
    detail::add_gradients("TqtRange", threshold_, d);
  }
  /// Errors:    Errc::range if a parameter is NaN
  void clamp_parameters() {
    for (std::int64_t k = 0; k < threshold_.value.size(); ++k) {
      if (threshold_.value[k] != threshold_of(k))
        threshold_.value.edit()[static_cast<std::size_t>(k)] = threshold_of(k);
    }
  }
  template <class F>
  void fields(F&& f) {
    f("log2_threshold", threshold_.value);
    f("zero_point", options_.zero_point);
    f("initialized", initialized_);
  }

 private:
  [[nodiscard]] std::int32_t steps() const { return options_.grid.hi - options_.zero_point + 1; }
  [[nodiscard]] int log2_steps() const { return std::countr_zero(static_cast<std::uint32_t>(steps())); }
  // log2 t, such that the scale stays within its limits, and half an octave inside the lowest one.
  [[nodiscard]] float threshold_of(std::int64_t k) const {
    const float lowest = std::ceil(std::log2(options_.limits.smallest)),
                highest = std::floor(std::log2(options_.limits.largest));
    const auto shift = static_cast<float>(log2_steps());
    return detail::clamped_parameter("TqtRange", "log2 threshold", static_cast<std::size_t>(k), threshold_.value[k],
                                     lowest + shift - 0.5f, highest + shift);
  }

  TqtOptions options_;
  Parameter threshold_;
  bool initialized_ = false;
};

}  // namespace stet
