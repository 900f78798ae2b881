#pragma once
// LSQ+: scale and offset are learned.

#include <stet/qat/lsq_range.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace stet {

struct LsqPlusOptions {
  Grid grid = Grid::activation(8);
  Granularity granularity{};
  bool log_scale = true;
  GradientScale gradient_scale = GradientScale::count_and_steps;  ///< Qp = p - n here
  bool batched = true;  ///< the first dimension of x is the batch and does not count in N
  ScaleLimits limits{};
};

/// Learned step size and offset. 0 stays exact: the zero point is rounded and lies on the grid, so that the codes run
/// on every target; the paper's offset is real.
/// Formula:   beta is the real value of the lowest code; z = clamp(n + rne(-beta / s), n, p)
/// Shapes:    one scale and one offset per scale: x of `shape` gives them by the granularity
/// Rounding:  half to even
/// Gradient:  d(s) = G * sum dy * { (y - x)/s inside; 0 below; p - n above }; d(beta) = G * sum dy * { 0 inside; 1
///            outside }: straight through the rounding of z; not the derivative (STE)
/// Errors:    Errc::range if limits are wrong; Errc::shape if the granularity does not fit the shape; Errc::state if
///            used before it was initialized
/// Source:    Bhalgat 2020, LSQ+, arXiv 2004.09576
class LsqPlusRange {
 public:
  static constexpr bool moves_zero_point = true;

  explicit LsqPlusRange(const LsqPlusOptions& options = {}, const Shape& shape = {})
      : options_(options),
        scale_{
            {Tensor<float>::filled(detail::scales_shape(options.granularity, shape), options.log_scale ? 0.0f : 1.0f)},
            options.log_scale,
            options.limits},
        offset_{Tensor<float>::zeros(scale_.parameter.value.shape())},
        elements_(detail::elements_of(shape, options.batched)) {
    detail::check_limits("LsqPlusRange", options.limits);
  }

  [[nodiscard]] const char* name() const { return options_.log_scale ? "lsq+(log)" : "lsq+"; }
  [[nodiscard]] std::string describe() const {
    return formatted("{}, gradient scale {}, limits {}..{}", name(), static_cast<int>(options_.gradient_scale),
                       options_.limits.smallest, options_.limits.largest);
  }
  [[nodiscard]] const LsqPlusOptions& options() const { return options_; }
  [[nodiscard]] bool initialized() const { return initialized_; }

  /// Starts from scale and offset of least squared error on values, usually the first batch; on zeros as LsqRange.
  /// Errors:    Errc::state if x is empty; Errc::range if it has NaN or infinities; Errc::shape if it has another
  ///            number of scales
  void initialize(const Tensor<float>& x) {
    std::vector<float> scales, offsets;
    const double steps = options_.grid.hi - options_.grid.lo;
    const Tensor<float> values =
        detail::starting_values(x, options_.granularity, options_.batched ? 1.0 : detail::expected_deviation(x.shape()));
    for (const Range& r : mse_range(values, options_.granularity, options_.grid, false)) {
      const double width = static_cast<double>(r.hi) - static_cast<double>(r.lo);
      scales.push_back(static_cast<float>(width / steps));
      offsets.push_back(r.lo);
    }
    set(scales, offsets);
    elements_ = detail::elements_of(x.shape(), options_.batched);
  }
  bool begin(const QParams& p) {
    options_.grid = p.grid;
    options_.granularity = p.granularity;
    scale_.parameter.value = offset_.value = Tensor<float>::zeros(Shape{static_cast<std::int64_t>(p.scale.size())});
    std::vector<float> offsets;
    for (std::size_t k = 0; k < p.scale.size(); ++k) {
      offsets.push_back(p.scale[k] * static_cast<float>(p.grid.lo - p.zero_point[k]));
    }
    set(p.scale, offsets);
    return true;
  }
  void set_elements(std::int64_t elements) { elements_ = elements; }
  /// Starts from given scales and offsets (the real value of the lowest code).
  /// Errors:    Errc::shape if there is not one of each per scale; Errc::range if a scale is not positive and finite or
  ///            an offset not finite
  void set(std::span<const float> scales, std::span<const float> offsets) {
    require(static_cast<std::int64_t>(scales.size()) == scale_.size() && scales.size() == offsets.size(), Errc::shape,
            "LsqPlusRange: has {} scales, got {} scales and {} offsets", scale_.size(), scales.size(), offsets.size());
    for (std::size_t k = 0; k < scales.size(); ++k) {
      require(std::isfinite(scales[k]) && scales[k] > 0.0f && std::isfinite(offsets[k]), Errc::range,
              "LsqPlusRange: scale {} must be positive and finite, offset {} finite", scales[k], offsets[k]);
    }
    for (std::size_t k = 0; k < scales.size(); ++k) {
      scale_.set(static_cast<std::int64_t>(k), scales[k]);
      offset_.value.edit()[k] = offsets[k];
    }
    initialized_ = true;
    clamp_parameters();
  }

  [[nodiscard]] std::vector<Parameter*> parameters() { return {&scale_.parameter, &offset_}; }
  [[nodiscard]] QParams qparams() const {
    detail::require_initialized("LsqPlusRange", initialized_);
    QParams p{options_.grid, options_.granularity, {}, {}};
    for (std::int64_t k = 0; k < scale_.size(); ++k) {
      p.scale.push_back(scale_.scale("LsqPlusRange", k));
      const float below = -offset_of(k) / p.scale.back();  // in [0, p - n]
      p.zero_point.push_back(options_.grid.lo + static_cast<std::int32_t>(round_half_even(below)));
    }
    return p;
  }
  [[nodiscard]] ScaleGradientRule rule() const { return {ClipMask::raw_exclusive, true}; }
  /// Errors:    Errc::shape if there is not one gradient per scale; Errc::range if one is NaN or infinite
  void pull(std::span<const double> dscale, std::span<const double> dzero_point) {
    detail::check_scale_gradients("LsqPlusRange", scale_.size(), dscale, dzero_point);
    const double factor =
        1.0 / detail::gradient_divisor(options_.gradient_scale, elements_, scale_.size(), options_.grid.hi - options_.grid.lo);
    const QParams p = qparams();
    std::vector<double> ds, doffset;
    for (std::size_t k = 0; k < dscale.size(); ++k) {
      const double s = static_cast<double>(p.scale[k]);
      // z = n - beta/s as if it were not rounded; of the beta that acts, so n - z steps.
      const double below = static_cast<double>(options_.grid.lo - p.zero_point[k]);
      ds.push_back(factor * scale_.chain("LsqPlusRange", static_cast<std::int64_t>(k)) *
                   (dscale[k] + dzero_point[k] * below / s));
      doffset.push_back(-factor * dzero_point[k] / s);
    }
    Parameter scale = scale_.parameter, offset = offset_;  // both or none
    detail::add_gradients("LsqPlusRange", scale, ds);
    detail::add_gradients("LsqPlusRange", offset, doffset);
    scale_.parameter = std::move(scale);
    offset_ = std::move(offset);
  }
  /// Errors:    Errc::range if a parameter is NaN
  void clamp_parameters() {
    scale_.clamp("LsqPlusRange");
    for (std::int64_t k = 0; k < scale_.size(); ++k) {
      if (offset_.value[k] != offset_of(k)) offset_.value.edit()[static_cast<std::size_t>(k)] = offset_of(k);
    }
  }
  template <class F>
  void fields(F&& f) {
    f("scale", scale_.parameter.value);
    f("offset", offset_.value);
    f("elements", elements_);
    f("initialized", initialized_);
  }

 private:
  // The offset, such that 0 lies between the lowest and the highest code.
  [[nodiscard]] float offset_of(std::int64_t k) const {
    const float width = scale_.scale("LsqPlusRange", k) * static_cast<float>(options_.grid.hi - options_.grid.lo);
    return detail::clamped_parameter("LsqPlusRange", "offset", static_cast<std::size_t>(k), offset_.value[k], -width,
                                     0.0f);
  }

  LsqPlusOptions options_;
  detail::ScaleParameter scale_;
  Parameter offset_;
  std::int64_t elements_;
  bool initialized_ = false;
};

}  // namespace stet
