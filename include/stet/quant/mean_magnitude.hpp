#pragma once
// Means of magnitudes, which schemes with few codes take their scales from.

#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/quant/granularity.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace stet {

namespace detail {

struct MagnitudeSum {
  double sum = 0, count = 0;
};

// Over the values of one run that lie farther from 0 than the threshold; NaN counts nowhere.
inline MagnitudeSum sum_run(const float* x, std::int64_t n, double threshold) {
  const auto magnitude = [=](std::int64_t i) { return static_cast<double>(std::abs(x[i])); };
  if (n < lane_count) {
    MagnitudeSum total;
    for (std::int64_t i = 0; i < n; ++i) {
      if (magnitude(i) > threshold) total = {total.sum + magnitude(i), total.count + 1};
    }
    return total;
  }
  const auto add = [](double a, double b) { return a + b; };
  return {lanes_reduce(n, 0.0, [=](std::int64_t i) { return magnitude(i) > threshold ? magnitude(i) : 0.0; }, add),
          lanes_reduce(n, 0.0, [=](std::int64_t i) { return magnitude(i) > threshold ? 1.0 : 0.0; }, add)};
}

}  // namespace detail

/// Mean of |x| over the values with |x| > threshold, per tensor, channel or group; 0 where there is none.
/// Shapes:    x of `shape`; thresholds empty (all values count) or one per scale of the granularity -> one mean per
///            scale
/// Errors:    Errc::shape if the sizes or the granularity do not fit
inline std::vector<double> mean_magnitude(std::span<const float> x, const Shape& shape, const Granularity& granularity,
                                          std::span<const double> thresholds = {}) {
  const ScaleMap map = scale_map(granularity, shape);
  require(static_cast<std::int64_t>(x.size()) == shape.elements(), Errc::shape,
          "mean_magnitude: shape {} needs {} values, got {}", shape, shape.elements(), x.size());
  require(thresholds.empty() || static_cast<std::int64_t>(thresholds.size()) == map.count, Errc::shape,
          "mean_magnitude: {} thresholds for {} scales", thresholds.size(), map.count);
  std::vector<double> means(static_cast<std::size_t>(map.count));
  const std::int64_t period = map.inner * map.count;
  const std::int64_t outer = period > 0 ? shape.elements() / period : 0;
  parallel_chunks(map.count, map.inner * outer, [&](Chunk c) {
    for (std::int64_t k = c.first; k < c.last; ++k) {
      const double threshold = thresholds.empty() ? -1.0 : thresholds[static_cast<std::size_t>(k)];
      detail::MagnitudeSum total;
      for (std::int64_t o = 0; o < outer; ++o) {
        const detail::MagnitudeSum run =
            detail::sum_run(x.data() + o * period + k * map.inner, map.inner, threshold);
        total = {total.sum + run.sum, total.count + run.count};
      }
      means[static_cast<std::size_t>(k)] = total.count > 0 ? total.sum / total.count : 0.0;
    }
  });
  return means;
}

}  // namespace stet
