#pragma once
// The scale of weight codes as a trained parameter: where it starts, and its gradient.

#include <stet/autograd/tape.hpp>
#include <stet/qat/any_estimator.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/qat/weight_codes.hpp>
#include <stet/quant/mse_range.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
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
  if (scheme.bits == 1) return detail::binary_scales(w, granularity);
  const Grid grid = Grid::narrow(scheme.bits);
  if (scheme.range == WeightRange::absmax) return weight_qparams(w, granularity, grid).scale;
  return weight_qparams(mse_range(w, granularity, grid, true), granularity, grid).scale;
}

/// Real scale of a learned logarithm. Never zero, infinite or negative, however far the optimizer moved it.
/// Formula:   s = exp(clamp(log_s, -60, 60))
/// Errors:    Errc::range naming `of` if the logarithm is NaN or infinite
inline float scale_of_log(float log_scale, std::string_view of = "weights") {
  require(std::isfinite(log_scale), Errc::range,
          "{}: the logarithm of a learned scale is {}; training has diverged, lower the learning rate or scale_lr_factor, "
          "or set clip_norm",
          of, log_scale);
  return static_cast<float>(std::exp(static_cast<double>(std::clamp(log_scale, -60.0f, 60.0f))));
}

/// What scale_of_log turns back into scales.
inline Tensor<float> logarithms(std::span<const float> scale) {
  Tensor<float> logs(Shape{static_cast<std::int64_t>(scale.size())});
  const std::span<float> to = logs.edit();
  for (std::size_t k = 0; k < to.size(); ++k) to[k] = std::log(scale[k]);
  return logs;
}

namespace detail {

inline Tensor<float> estimate_weights(const AnyEstimator& estimator, const Tensor<float>& d, const Tensor<float>& w,
                                      const QParams& p) {
  Kept kept;
  static_cast<void>(encode_kept(w, p, AffineCodes<std::int8_t>(), estimator, kept));
  return estimator.pull(d, kept, p).dx;
}

}  // namespace detail

/// Passes weights on to a layer that multiplies with their codes: the value is w itself, the gradient that of rounding
/// with a learned scale.
/// Formula:   s = scale_of_log(log_scale), v = w/s; value w
/// Shapes:    w any, output channels along `axis`; log_scale one per channel, or one -> as w
/// Gradient:  from D, the gradient of the quantized weights: dw = D where |v| <= p, else 0 (at 1 bit: D everywhere), or
///            what `estimator` makes of D, if one is given; dlog_s = s/sqrt(n*p) * sum D*c, c = rne(v) - v inside, -p
///            below, p above (at 1 bit: sign w); n weights share s. Not the derivative (STE)
/// Errors:    Errc::shape if the number of scales is wrong
/// Source:    Esser 2020, LSQ, arXiv 1902.08153, equations 3 and 5, with the logarithm as parameter
inline Var<Tensor<float>> through_weight_codes(const Var<Tensor<float>>& w, const Var<Tensor<float>>& log_scale, int axis,
                                               const WeightScheme& scheme,
                                               const std::optional<AnyEstimator>& estimator = {}) {
  const Granularity granularity = weight_granularity(scheme, axis);
  const ScaleMap map = scale_map(granularity, w.shape());
  require(log_scale.value().size() == map.count, Errc::shape, "weights {}: need {} learned scales, got {}", w.shape(),
          map.count, log_scale.value().size());
  QParams p{scheme.bits == 1 ? Grid{-1, 1} : Grid::narrow(scheme.bits), granularity, {}, {}};
  for (const float log : log_scale.value().span()) p.scale.push_back(scale_of_log(log));
  p.zero_point.assign(p.scale.size(), 0);
  return record(
      w.value(), std::tie(w, log_scale),
      [map, p = std::move(p), binary = scheme.bits == 1, estimator, weights = w.value()](
          const Tensor<float>& d, const auto& dw, const auto& dlog) {
        const auto top = static_cast<float>(p.grid.hi);
        Tensor<float> through(d.shape());
        const std::span<float> to = through.edit();
        std::vector<double> sum(p.scale.size(), 0.0);
        for (std::int64_t i = 0; i < d.size(); ++i) {
          const auto k = static_cast<std::size_t>(map.index(i));
          const float v = weights[i] / p.scale[k];
          const bool inside = binary || (v >= -top && v <= top);
          const float ends = v < 0.0f ? -top : top;
          const float slope = inside && !binary ? round_half_even(v) - v : ends;
          to[static_cast<std::size_t>(i)] = inside ? d[i] : 0.0f;
          sum[k] += static_cast<double>(d[i]) * static_cast<double>(slope);
        }
        if (dlog.wanted()) {
          const double count = static_cast<double>(d.size()) / static_cast<double>(map.count);
          Tensor<float> values(Shape{static_cast<std::int64_t>(sum.size())});
          const std::span<float> out = values.edit();
          for (std::size_t k = 0; k < sum.size(); ++k) {
            out[k] = static_cast<float>(sum[k] * static_cast<double>(p.scale[k]) /
                                        std::sqrt(count * static_cast<double>(top)));
          }
          dlog.add(std::move(values));
        }
        if (dw.wanted()) dw.add(estimator ? detail::estimate_weights(*estimator, d, weights, p) : std::move(through));
      });
}

}  // namespace stet
