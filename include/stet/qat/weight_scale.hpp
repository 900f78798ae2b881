#pragma once
// The scale of weight codes as a trained parameter: where it starts, and its gradient.

#include <stet/autograd/tape.hpp>
#include <stet/qat/weight_codes.hpp>
#include <stet/quant/mse_range.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

namespace stet {

/// Scales at which weights start when their scale is kept or learned.
/// Formula:   as scheme.range says: absmax/p, or the least mean squared error; at 1 bit the mean magnitude
/// Shapes:    w any, output channels along `axis` -> one scale per channel, or one
/// Units:     real per code, before quantize_weights shifts codes
/// Errors:    Errc::range if a weight is not finite
inline std::vector<float> initial_weight_scale(const Tensor<float>& w, int axis, const WeightScheme& scheme) {
  const Granularity granularity = weight_granularity(scheme, axis);
  if (scheme.bits == 1) return detail::mean_magnitudes(w, granularity);
  const Grid grid = Grid::narrow(scheme.bits);
  if (scheme.range == WeightRange::absmax) return weight_qparams(w, granularity, grid).scale;
  return weight_qparams(mse_range(w, granularity, grid, true), granularity, grid).scale;
}

/// Real scale of a learned logarithm. Never zero, infinite or negative, whatever the optimizer did.
/// Formula:   s = exp(clamp(log_s, -60, 60)), NaN counts as the lower end
inline float scale_of_log(float log_scale) {
  const float bounded = log_scale > -60.0f ? std::min(log_scale, 60.0f) : -60.0f;
  return static_cast<float>(std::exp(static_cast<double>(bounded)));
}

/// Passes weights on to a layer that multiplies with their codes: the value is w itself, the gradient that of rounding
/// with a learned scale.
/// Formula:   s = scale_of_log(log_scale), v = w/s; value w
/// Shapes:    w any, output channels along `axis`; log_scale one per channel, or one -> as w
/// Gradient:  from D, the gradient of the quantized weights: dw = D where |v| <= p, else 0 (at 1 bit: D everywhere);
///            dlog_s = s/sqrt(n*p) * sum D*c, c = rne(v) - v inside, -p below, p above (at 1 bit: sign w); n weights
///            share s. Not the derivative (STE)
/// Source:    Esser 2020, LSQ, arXiv 1902.08153, equations 3 and 5, with the logarithm as parameter
inline Var<Tensor<float>> through_weight_codes(const Var<Tensor<float>>& w, const Var<Tensor<float>>& log_scale, int axis,
                                               const WeightScheme& scheme) {
  const ScaleMap map = scale_map(weight_granularity(scheme, axis), w.shape());
  require(log_scale.value().size() == map.count, Errc::shape, "weights {}: need {} learned scales, got {}", w.shape(),
          map.count, log_scale.value().size());
  return record(w.value(), std::tie(w, log_scale),
                [map, bits = scheme.bits, weights = w.value(), logs = log_scale.value()](
                    const Tensor<float>& d, const auto& dw, const auto& dlog) {
                  const bool binary = bits == 1;
                  const float top = binary ? 1.0f : static_cast<float>(Grid::narrow(bits).hi);
                  Tensor<float> through(d.shape());
                  const std::span<float> to = through.edit();
                  std::vector<double> sum(static_cast<std::size_t>(map.count), 0.0);
                  for (std::int64_t i = 0; i < d.size(); ++i) {
                    const std::int64_t k = map.index(i);
                    const float v = weights[i] / scale_of_log(logs[k]);
                    const bool inside = binary || (v >= -top && v <= top);
                    const float ends = v < 0.0f ? -top : top;
                    const float slope = inside && !binary ? round_half_even(v) - v : ends;
                    to[static_cast<std::size_t>(i)] = inside ? d[i] : 0.0f;
                    sum[static_cast<std::size_t>(k)] += static_cast<double>(d[i]) * static_cast<double>(slope);
                  }
                  if (dlog.wanted()) {
                    const double count = static_cast<double>(d.size()) / static_cast<double>(map.count);
                    Tensor<float> values(logs.shape());
                    const std::span<float> out = values.edit();
                    for (std::size_t k = 0; k < sum.size(); ++k) {
                      const auto scale = static_cast<double>(scale_of_log(logs[static_cast<std::int64_t>(k)]));
                      out[k] = static_cast<float>(sum[k] * scale / std::sqrt(count * static_cast<double>(top)));
                    }
                    dlog.add(std::move(values));
                  }
                  if (dw.wanted()) dw.add(std::move(through));
                });
}

}  // namespace stet
