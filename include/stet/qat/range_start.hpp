#pragma once
// Where a learned range starts: the scales of least squared error for given values, by search.

#include <stet/core/parallel.hpp>
#include <stet/core/rounding.hpp>
#include <stet/quant/qparams.hpp>
#include <stet/quant/range.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace stet::detail {

/// Most values that a search looks at; of more, evenly spaced ones.
inline constexpr std::int64_t longest_search = 65536;

/// Values of each scale, at most `limit` of them.
inline std::vector<std::vector<float>> values_by_scale(std::span<const float> x, const ScaleMap& map,
                                                       std::int64_t limit) {
  const auto n = static_cast<std::int64_t>(x.size());
  const std::int64_t each = n / map.count;
  const std::int64_t stride = (each + limit - 1) / limit;
  std::vector<std::vector<float>> values(static_cast<std::size_t>(map.count));
  for (std::int64_t k = 0; k < map.count; ++k) {
    for (std::int64_t j = 0; j < each; j += stride) {
      const std::int64_t i = (j / map.inner * map.count + k) * map.inner + j % map.inner;
      values[static_cast<std::size_t>(k)].push_back(x[static_cast<std::size_t>(i)]);
    }
  }
  return values;
}

/// Sum of squared errors of values on a grid of lo..hi steps from the zero point.
inline double squared_error(std::span<const float> values, double scale, double lo, double hi) {
  double sum = 0;
  for (const float v : values) {
    double q = round_half_even(static_cast<double>(v) / scale);
    q = q < lo ? lo : q > hi ? hi : q;
    const double error = q * scale - static_cast<double>(v);
    sum += error * error;
  }
  return sum;
}

/// Scale of least squared error: a search over scales 3 % apart from the one that clips nothing down to 1/64 of it,
/// then between the neighbours of the best. 1 where all values are 0.
inline double least_error_scale(std::span<const float> values, double lo, double hi) {
  double widest = 0;
  for (const float value : values) {
    const double v = static_cast<double>(value);
    if (v > 0 && hi > 0) widest = std::fmax(widest, v / hi);
    if (v < 0 && lo < 0) widest = std::fmax(widest, v / lo);
  }
  if (widest == 0) return 1.0;
  constexpr double ratio = 0.97;
  double best = widest * 1.03, least = squared_error(values, best, lo, hi);
  const auto consider = [&](double scale) {
    const double error = squared_error(values, scale, lo, hi);
    if (error < least) {
      least = error;
      best = scale;
    }
  };
  double scale = widest;
  for (int i = 0; i < 137; ++i, scale *= ratio) consider(scale);
  const double centre = best;
  for (int i = -15; i <= 15; ++i) consider(centre * (1 + 0.002 * i));
  return best;
}

/// Scales of least squared error for all scales of a tensor, with given zero points.
inline std::vector<float> least_error_scales(const Tensor<float>& x, const Granularity& granularity, const Grid& grid,
                                             std::int32_t zero_point) {
  const auto values = values_by_scale(x.span(), scale_map(granularity, x.shape()), longest_search);
  std::vector<float> scales(values.size());
  parallel(static_cast<std::int64_t>(values.size()), [&](std::int64_t i) {
    const auto k = static_cast<std::size_t>(i);
    scales[k] = static_cast<float>(least_error_scale(values[k], grid.lo - zero_point, grid.hi - zero_point));
  });
  return scales;
}

/// Real value of the lowest code and scale of least squared error for values of one scale: a search over ends of the
/// range, each from its extreme value towards 0; the range contains 0.
inline std::pair<double, double> least_error_offset(std::span<const float> values, const Grid& grid) {
  double lo = 0, hi = 0;
  for (const float v : values) {
    lo = std::fmin(lo, static_cast<double>(v));
    hi = std::fmax(hi, static_cast<double>(v));
  }
  if (lo == hi) return {0.0, 1.0};
  const double levels = grid.hi - grid.lo;
  std::pair<double, double> best{lo, (hi - lo) / levels};
  double least = -1;
  for (int i = 0; i < 24; ++i) {
    for (int j = 0; j < 24; ++j) {
      const double a = lo * (1 - i / 24.0), b = hi * (1 - j / 24.0);
      if (a == b) continue;
      const double scale = (b - a) / levels, below = round_half_even(a / scale);
      const double error = squared_error(values, scale, below, below + levels);
      if (least < 0 || error < least) {
        least = error;
        best = {below * scale, scale};
      }
      if (hi == 0) break;  // the upper end stays 0
    }
    if (lo == 0) break;
  }
  return best;
}

}  // namespace stet::detail
