#pragma once
// What learned ranges start from where there are no values yet.

#include <stet/core/random.hpp>
#include <stet/core/tensor.hpp>
#include <stet/quant/choose_qparams.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace stet::detail {

// x itself, but for scales all of whose values are 0, or too small for any code: there normal numbers, as which values
// mostly come. A scale of nothing would start at its lower limit, and no small step of its logarithm would leave it. The
// deviation is that of the other scales' values if there are any, else `deviation`.
// Shapes:    as x
// Errors:    Errc::state if x is empty; Errc::range if a value is NaN or infinite; Errc::shape as scale_map
inline Tensor<float> starting_values(const Tensor<float>& x, const Granularity& granularity, double deviation = 1.0) {
  const std::vector<Range> ranges = min_max(x, granularity);
  std::vector<bool> missing;
  bool any = false;
  for (const Range& range : ranges) {
    missing.push_back(negligible(range));
    any = any || missing.back();
  }
  if (!any) return x;
  const ScaleMap map = scale_map(granularity, x.shape());
  double squares = 0.0, count = 0.0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    if (missing[static_cast<std::size_t>(map.index(i))]) continue;
    squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    count += 1.0;
  }
  if (count > 0.0) deviation = std::sqrt(squares / count);
  Tensor<float> values = x;
  const auto to = values.edit();
  Rng rng(1);
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (missing[static_cast<std::size_t>(map.index(static_cast<std::int64_t>(i)))]) {
      to[i] = static_cast<float>(deviation * rng.normal());
    }
  }
  return values;
}

// The deviation of weights that keeps that of values: 1/sqrt of the numbers that one output adds up.
inline double expected_deviation(const Shape& weights) {
  return weights.rank() < 2 || weights[0] == 0 ? 1.0 : 1.0 / std::sqrt(static_cast<double>(weights.elements() / weights[0]));
}

}  // namespace stet::detail
