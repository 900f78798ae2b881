#pragma once
// LSQ: the scale itself is learned.

#include <stet/qat/learned_range.hpp>
#include <stet/qat/starting_values.hpp>
#include <stet/quant/mean_magnitude.hpp>
#include <stet/quant/mse_range.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace stet {

/// Factor on the gradient of a learned scale; N elements share its tensor (one image of it), Qp = p - z.
enum class GradientScale {
  none,             ///< 1
  count_and_steps,  ///< 1 / sqrt(N Qp), as in the paper
  count,            ///< 1 / sqrt(N)
  scale_and_steps   ///< 1 / sqrt(N_k Qp) with the N_k elements of one scale
};

/// Where a learned scale starts.
enum class RangeStart {
  mse,  ///< least squared error, by search
  lsq   ///< 2 mean|x| / sqrt(Qp), as in the paper: far too coarse above 4 bits
};

struct LsqOptions {
  Grid grid = Grid::int8_narrow();
  Granularity granularity{};
  std::int32_t zero_point = 0;  ///< fixed; grid.lo for values that are not negative
  bool log_scale = true;        ///< the parameter is ln s: a step is relative, s cannot change its sign
  GradientScale gradient_scale = GradientScale::count_and_steps;
  RangeStart start = RangeStart::mse;
  bool batched = false;  ///< the first dimension of x is the batch and does not count in N
  ScaleLimits limits{};
};

namespace detail {

/// A trained scale, stored as it is or as its logarithm.
struct ScaleParameter {
  Parameter parameter;
  bool log_scale;
  ScaleLimits limits;

  [[nodiscard]] std::int64_t size() const { return parameter.value.size(); }
  /// Errors:    Errc::range if the parameter is NaN
  [[nodiscard]] float scale(const char* range, std::int64_t k) const {
    return clamped_parameter(range, "scale", static_cast<std::size_t>(k), std::abs(unlimited(k)), limits.smallest,
                             limits.largest);
  }
  void set(std::int64_t k, float s) {
    parameter.value.edit()[static_cast<std::size_t>(k)] =
        log_scale ? std::log(s) : s;
  }
  /// d(parameter) for each d(scale): times s for a logarithm, the sign for |s|.
  [[nodiscard]] double chain(const char* range, std::int64_t k) const {
    if (log_scale) return static_cast<double>(scale(range, k));
    return parameter.value[k] < 0.0f ? -1.0 : 1.0;
  }
  /// Brings a parameter beyond the limits back to them; leaves the others as they are, to the bit.
  void clamp(const char* range) {
    for (std::int64_t k = 0; k < size(); ++k) {
      const float inside = scale(range, k);
      if (unlimited(k) == inside) continue;
      set(k, inside);
      // A logarithm is rounded: let it lie just beyond the limit, which is then the scale, to the bit.
      const float outwards = inside == limits.smallest ? -INFINITY : INFINITY;
      while (log_scale && scale(range, k) != inside) {
        float& v = parameter.value.edit()[static_cast<std::size_t>(k)];
        v = std::nextafter(v, outwards);
      }
    }
  }
  // What the parameter says; finite or NaN, and negative only if it is not a logarithm.
  [[nodiscard]] float unlimited(std::int64_t k) const {
    const double v = static_cast<double>(parameter.value[k]);
    if (log_scale) return static_cast<float>(std::exp(v < 85.0 || std::isnan(v) ? v : 85.0));
    return static_cast<float>(v > 1e37 ? 1e37 : v < -1e37 ? -1e37 : v);
  }
};

// What gradients are divided by: one rounding less than a factor.
inline double gradient_divisor(GradientScale kind, std::int64_t elements, std::int64_t scales, double steps) {
  const double n = static_cast<double>(elements > 0 ? elements : 1);
  switch (kind) {
    case GradientScale::none:
      return 1.0;
    case GradientScale::count_and_steps:
      return std::sqrt(n * steps);
    case GradientScale::count:
      return std::sqrt(n);
    case GradientScale::scale_and_steps:
      return std::sqrt(n / static_cast<double>(scales) * steps);
  }
  fail(Errc::range, "GradientScale: unknown kind");
}

inline std::int64_t elements_of(const Shape& shape, bool batched) {
  return batched && shape.rank() > 0 && shape[0] > 0 ? shape.elements() / shape[0] : shape.elements();
}

inline void check_limits(const char* range, const ScaleLimits& limits) {
  require(limits.smallest >= 0x1p-120f && limits.smallest <= limits.largest && limits.largest <= 0x1p120f, Errc::range,
          "{}: limits {}..{} of the scale must be ordered and within 2^-120..2^120", range, limits.smallest,
          limits.largest);
}

}  // namespace detail

/// Learned step size.
/// Formula:   s = exp(parameter) or |parameter|, kept within the limits; the zero point is fixed
/// Shapes:    one parameter per scale: x of `shape` gives them by the granularity
/// Gradient:  d(s) = G * sum dy * { rne(x/s) - x/s inside; n - z below; p - z above }, inside strictly; not the
///            derivative (STE). G by options.gradient_scale; times s for a logarithm
/// Errors:    Errc::range if the zero point lies outside the grid, is its upper end, or limits are wrong; Errc::shape
///            if the granularity does not fit the shape; Errc::state if used before it was initialized
/// Source:    Esser 2020, arXiv 1902.08153, equations 1 to 3 and section 2.2
class LsqRange {
 public:
  /// `shape` is that of the tensor (its elements count as N); per tensor it may be left out until initialize.
  explicit LsqRange(const LsqOptions& options = {}, const Shape& shape = {})
      : options_(options),
        scale_{
            {Tensor<float>::filled(detail::scales_shape(options.granularity, shape), options.log_scale ? 0.0f : 1.0f)},
            options.log_scale,
            options.limits},
        elements_(detail::elements_of(shape, options.batched)) {
    require(options.grid.contains(options.zero_point) && options.zero_point < options.grid.hi, Errc::range,
            "LsqRange: zero point {} must lie on the grid {}..{}, below its upper end", options.zero_point,
            options.grid.lo, options.grid.hi);
    detail::check_limits("LsqRange", options.limits);
  }

  [[nodiscard]] const char* name() const { return options_.log_scale ? "lsq(log)" : "lsq"; }
  [[nodiscard]] std::string describe() const {
    return formatted("{}, gradient scale {}, limits {}..{}", name(), static_cast<int>(options_.gradient_scale),
                       options_.limits.smallest, options_.limits.largest);
  }
  [[nodiscard]] const LsqOptions& options() const { return options_; }
  [[nodiscard]] bool initialized() const { return initialized_; }

  /// Starts from values: weights, or the first batch of an activation. A scale whose values are all 0 starts as on normal
  /// numbers, of the deviation of the others if there are any, else of 1 (weights: 1/sqrt of the inputs of an output).
  /// Errors:    Errc::state if x is empty; Errc::range if it has NaN or infinities; Errc::shape if it has another
  ///            number of scales
  void initialize(const Tensor<float>& x) {
    const Tensor<float> values =
        detail::starting_values(x, options_.granularity, options_.batched ? 1.0 : detail::expected_deviation(x.shape()));
    std::vector<float> scales;
    if (options_.start == RangeStart::mse) {
      scales = mse_scales(values, options_.granularity, options_.grid, options_.zero_point, options_.limits.smallest);
    } else {
      for (const double mean : mean_magnitude(values.span(), x.shape(), options_.granularity)) {
        scales.push_back(static_cast<float>(2.0 * mean / std::sqrt(steps())));
      }
    }
    set(scales);
    elements_ = detail::elements_of(x.shape(), options_.batched);
  }
  /// False where the zero points differ.
  /// Errors:    Errc::range if a scale is not positive and finite
  bool begin(const QParams& p) {
    const std::optional<std::int32_t> zero_point = detail::common_zero_point(p);
    if (!zero_point) return false;
    options_.grid = p.grid;
    options_.granularity = p.granularity;
    options_.zero_point = *zero_point;
    scale_.parameter.value = Tensor<float>::zeros(Shape{static_cast<std::int64_t>(p.scale.size())});
    set(p.scale);
    return true;
  }
  void set_elements(std::int64_t elements) { elements_ = elements; }
  /// Starts from given scales.
  /// Errors:    Errc::shape if there is not one per scale; Errc::range if one is not positive and finite
  void set(std::span<const float> scales) {
    require(static_cast<std::int64_t>(scales.size()) == scale_.size(), Errc::shape, "LsqRange: has {} scales, got {}",
            scale_.size(), scales.size());
    for (const float s : scales) {
      require(std::isfinite(s) && s > 0.0f, Errc::range, "LsqRange: scale {} must be positive and finite", s);
    }
    for (std::size_t k = 0; k < scales.size(); ++k) scale_.set(static_cast<std::int64_t>(k), scales[k]);
    scale_.clamp("LsqRange");
    initialized_ = true;
  }

  [[nodiscard]] std::vector<Parameter*> parameters() { return {&scale_.parameter}; }
  [[nodiscard]] QParams qparams() const {
    detail::require_initialized("LsqRange", initialized_);
    const auto count = static_cast<std::size_t>(scale_.size());
    QParams p{options_.grid, options_.granularity, std::vector<float>(count),
              std::vector<std::int32_t>(count, options_.zero_point)};
    for (std::size_t k = 0; k < count; ++k) p.scale[k] = scale_.scale("LsqRange", static_cast<std::int64_t>(k));
    return p;
  }
  [[nodiscard]] ScaleGradientRule rule() const { return {ClipMask::raw_exclusive, true}; }
  /// Errors:    Errc::shape if there is not one gradient per scale; Errc::range if one is NaN or infinite
  void pull(std::span<const double> dscale, std::span<const double> dzero_point) {
    detail::check_scale_gradients("LsqRange", scale_.size(), dscale, dzero_point);
    const double divisor = detail::gradient_divisor(options_.gradient_scale, elements_, scale_.size(), steps());
    std::vector<double> d;
    for (std::size_t k = 0; k < dscale.size(); ++k) {
      d.push_back(dscale[k] * scale_.chain("LsqRange", static_cast<std::int64_t>(k)) / divisor);
    }
    detail::add_gradients("LsqRange", scale_.parameter, d);
  }
  /// Errors:    Errc::range if a parameter is NaN
  void clamp_parameters() { scale_.clamp("LsqRange"); }
  template <class F>
  void fields(F&& f) {
    f("scale", scale_.parameter.value);
    f("zero_point", options_.zero_point);
    f("elements", elements_);
    f("initialized", initialized_);
  }

 private:
  [[nodiscard]] double steps() const { return std::max(options_.grid.hi - options_.zero_point, 1); }

  LsqOptions options_;
  detail::ScaleParameter scale_;
  std::int64_t elements_;
  bool initialized_ = false;
};

/// LSQ as low-bit recipes have it: the logarithm of each scale is trained, with one gradient scale per channel.
/// Source:    Esser 2020, arXiv 1902.08153; start and logarithm: docs/results.md
inline LsqRange lsq() {
  return LsqRange({.gradient_scale = GradientScale::scale_and_steps, .limits = {.smallest = 0x1p-86f, .largest = 0x1p86f}});
}

}  // namespace stet
