#pragma once
// Learned minimum and maximum, as in TensorFlow's fake_quant_with_min_max_vars.

#include <stet/qat/lsq_range.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace stet {

struct MinMaxRangeOptions {
  Grid grid = Grid::activation(8);
  Granularity granularity{};
  bool rounding_term = false;  ///< true: rounding errors inside the range count too, as in LSQ; TensorFlow has false
  ScaleLimits limits{};
};

/// Learned minimum and maximum, moved so that 0 is a code.
/// Formula:   s = (max - min)/(p - n); z = n - min/s, clamped to n..p and rounded: a range without 0 is shifted to it
/// Shapes:    one minimum and maximum per scale: x of `shape` gives them by the granularity
/// Rounding:  z: half up, as TensorFlow. Values: half to even, as everywhere in stet (TensorFlow: half up)
/// Gradient:  d(min) = sum of dy below, d(max) = sum of dy above the moved range; with the rounding term, E = sum of
///            dy (y - x) inside over max - min is added to d(max), subtracted from d(min); straight through the
///            rounding of z; not the derivative (STE)
/// Errors:    Errc::range if limits are wrong; Errc::shape if the granularity does not fit the shape; Errc::state if
///            used before it was initialized
/// Source:    TensorFlow 2.21, fake_quant_ops_functor.h (golden set tf_fake_quant)
class MinMaxRange {
 public:
  static constexpr bool moves_zero_point = true;

  explicit MinMaxRange(const MinMaxRangeOptions& options = {}, const Shape& shape = {})
      : options_(options),
        min_{Tensor<float>::filled(detail::scales_shape(options.granularity, shape), -1.0f)},
        max_{Tensor<float>::filled(min_.value.shape(), 1.0f)} {
    detail::check_limits("MinMaxRange", options.limits);
  }

  [[nodiscard]] const char* name() const { return options_.rounding_term ? "min_max(rounding)" : "min_max"; }
  [[nodiscard]] std::string describe() const {
    return formatted("{}, limits {}..{}", name(), options_.limits.smallest, options_.limits.largest);
  }
  [[nodiscard]] const MinMaxRangeOptions& options() const { return options_; }
  [[nodiscard]] bool initialized() const { return initialized_; }

  /// Starts from the extreme values. A range whose values are all 0 starts as on normal numbers, of the deviation of the
  /// others if there are any, else of 1.
  /// Errors:    Errc::state if x is empty; Errc::range if it has NaN or infinities; Errc::shape if it has another
  ///            number of scales
  void initialize(const Tensor<float>& x) {
    set(min_max(detail::starting_values(x, options_.granularity), options_.granularity));
  }
  bool begin(const QParams& p) {
    options_.grid = p.grid;
    options_.granularity = p.granularity;
    min_.value = max_.value = Tensor<float>::zeros(Shape{static_cast<std::int64_t>(p.scale.size())});
    std::vector<Range> ranges;
    for (std::size_t k = 0; k < p.scale.size(); ++k) {
      ranges.push_back({p.scale[k] * static_cast<float>(p.grid.lo - p.zero_point[k]),
                        p.scale[k] * static_cast<float>(p.grid.hi - p.zero_point[k])});
    }
    set(ranges);
    return true;
  }
  /// Starts from given ranges.
  /// Errors:    Errc::shape if there is not one per scale; Errc::range if one is not finite and ordered
  void set(std::span<const Range> ranges) {
    require(static_cast<std::int64_t>(ranges.size()) == min_.value.size(), Errc::shape,
            "MinMaxRange: has {} ranges, got {}", min_.value.size(), ranges.size());
    for (const Range& r : ranges) {
      require(r.finite() && r.lo <= r.hi, Errc::range, "MinMaxRange: range {}..{} must be finite and ordered", r.lo,
              r.hi);
    }
    for (std::size_t k = 0; k < ranges.size(); ++k) {
      min_.value.edit()[k] = ranges[k].lo;
      max_.value.edit()[k] = ranges[k].hi;
    }
    initialized_ = true;
    clamp_parameters();
  }

  [[nodiscard]] std::vector<Parameter*> parameters() { return {&min_, &max_}; }
  [[nodiscard]] QParams qparams() const {
    detail::require_initialized("MinMaxRange", initialized_);
    const auto n = static_cast<float>(options_.grid.lo), p = static_cast<float>(options_.grid.hi);
    QParams params{options_.grid, options_.granularity, {}, {}};
    for (std::int64_t k = 0; k < min_.value.size(); ++k) {
      const Range r = range_of(k);
      const float s = (r.hi - r.lo) / (p - n);
      const float z = n - r.lo / s;
      params.scale.push_back(s);
      params.zero_point.push_back(z < n   ? options_.grid.lo
                                  : z > p ? options_.grid.hi
                                          : static_cast<std::int32_t>(round_half_up(z)));
    }
    return params;
  }
  [[nodiscard]] ScaleGradientRule rule() const { return {ClipMask::raw_inclusive, options_.rounding_term}; }
  /// Errors:    Errc::shape if there is not one gradient per scale; Errc::range if one is NaN or infinite
  void pull(std::span<const double> dscale, std::span<const double> dzero_point) {
    detail::check_scale_gradients("MinMaxRange", min_.value.size(), dscale, dzero_point);
    const QParams params = qparams();
    const double levels = options_.grid.hi - options_.grid.lo;
    std::vector<double> dmin, dmax;
    for (std::size_t k = 0; k < dscale.size(); ++k) {
      const double outside = -dzero_point[k] / static_cast<double>(params.scale[k]);  // sum of dy below and above
      const double below = static_cast<double>(options_.grid.lo - params.zero_point[k]);
      dmax.push_back((dscale[k] - outside * below) / levels);
      dmin.push_back(outside - dmax.back());
    }
    Parameter min = min_, max = max_;  // both or none
    detail::add_gradients("MinMaxRange", min, dmin);
    detail::add_gradients("MinMaxRange", max, dmax);
    min_ = std::move(min);
    max_ = std::move(max);
  }
  /// Errors:    Errc::range if a parameter is NaN
  void clamp_parameters() {
    for (std::int64_t k = 0; k < min_.value.size(); ++k) {
      const Range r = range_of(k);
      const auto at = static_cast<std::size_t>(k);
      if (min_.value[k] != r.lo) min_.value.edit()[at] = r.lo;
      if (max_.value[k] != r.hi) max_.value.edit()[at] = r.hi;
    }
  }
  template <class F>
  void fields(F&& f) {
    f("min", min_.value);
    f("max", max_.value);
    f("initialized", initialized_);
  }

 private:
  // The range, finite, ordered and wide enough for a scale within the limits; widened about its middle if it is not.
  [[nodiscard]] Range range_of(std::int64_t k) const {
    const auto levels = static_cast<float>(options_.grid.hi - options_.grid.lo);
    const float most = options_.limits.largest * levels / 2;  // so that max - min cannot exceed the largest scale
    Range r{
        detail::clamped_parameter("MinMaxRange", "minimum", static_cast<std::size_t>(k), min_.value[k], -most, most),
        detail::clamped_parameter("MinMaxRange", "maximum", static_cast<std::size_t>(k), max_.value[k], -most, most)};
    const float least = options_.limits.smallest * levels;
    if (r.hi - r.lo >= least) return r;
    float middle = r.lo / 2 + r.hi / 2;
    middle = middle < -most / 2 ? -most / 2 : middle > most / 2 ? most / 2 : middle;  // room for the ends
    // More by a part in 2^20 of the middle, lest the ends round to it.
    const float half = least * 0.5001f + std::abs(middle) * 0x1p-20f;
    return {middle - half, middle + half};
  }

  MinMaxRangeOptions options_;
  Parameter min_, max_;
  bool initialized_ = false;
};

}  // namespace stet
