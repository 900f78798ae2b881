#pragma once
// The scale of weight codes: where it starts, and the gradient of a trained one.

#include <stet/autograd/tape.hpp>
#include <stet/qat/any_estimator.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/qat/learned_scale.hpp>
#include <stet/qat/weight_codes.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace stet {

/// Scales at which weights start when their scale is kept or learned.
/// Formula:   those that the scheme chooses, at least FLT_EPSILON
/// Shapes:    w any, output channels along `axis` -> one scale per channel, or one
/// Units:     real per code, before quantize_weights shifts codes
/// Errors:    Errc::range if a weight is not finite
inline std::vector<float> initial_weight_scale(const Tensor<float>& w, int axis, const AnyScheme& scheme) {
  return detail::integer_qparams(detail::scheme_view(w, axis, scheme), scheme).scale;
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
/// with these scales, which a range may train.
/// Formula:   v = w/s; value w
/// Shapes:    w any, output channels along `axis`; one scale per channel, or one -> as w
/// Gradient:  from D, the gradient of the quantized weights: dw = D where |v| <= p, else 0 (D everywhere if no code is 0),
///            or what `estimator` makes of D, if one is given; a trained range is pulled with ds = sum D*c by its rule. By
///            that of LSQ (ends outside, with the rounding term) in float steps: c = rne(v) - v where |v| <= p, -p below,
///            p above (sign w if no code is 0). Not the derivative (STE)
/// Errors:    Errc::shape if the number of scales is wrong; in backward Errc::range naming the layer if a gradient is NaN
/// Source:    Esser 2020, LSQ, arXiv 1902.08153, equations 3 and 5
inline Var<Tensor<float>> through_weight_codes(const Var<Tensor<float>>& w, std::span<const float> scale, int axis,
                                               const AnyScheme& scheme,
                                               const std::optional<AnyEstimator>& estimator = {},
                                               const LearnedScale& learned = {}) {
  const Granularity granularity = weight_granularity(scheme, axis);
  const ScaleMap map = scale_map(granularity, w.shape());
  require(static_cast<std::int64_t>(scale.size()) == map.count, Errc::shape, "weights {}: need {} scales, got {}",
          w.shape(), map.count, scale.size());
  QParams p{*scheme.traits().grid, granularity, {scale.begin(), scale.end()}, std::vector<std::int32_t>(scale.size(), 0)};
  const Var<Tensor<float>> range = detail::stand_in(w.tape(), learned);
  return record(
      w.value(), std::tie(w, range),
      [map, p = std::move(p), binary = !scheme.traits().has_zero, estimator, learned, weights = w.value()](
          const Tensor<float>& d, const auto& dw, const auto& drange) {
        const auto top = static_cast<float>(p.grid.hi);
        Tensor<float> through(d.shape());
        const std::span<float> to = through.edit();
        std::vector<double> sum(p.scale.size(), 0.0);
        map.runs(d.size(), [&](std::size_t k, std::int64_t first, std::int64_t last) {
          for (std::int64_t i = first; i < last; ++i) {
            const float v = weights[i] / p.scale[k];
            const bool inside = binary || (v >= -top && v <= top);
            const float ends = v < 0.0f ? -top : top;
            const float slope = inside && !binary ? round_half_even(v) - v : ends;
            to[static_cast<std::size_t>(i)] = inside ? d[i] : 0.0f;
            sum[k] += static_cast<double>(d[i]) * static_cast<double>(slope);
          }
        });
        if (drange.wanted()) {
          const ScaleGradientRule rule = learned.range->rule();
          if (!binary && rule != ScaleGradientRule{ClipMask::raw_exclusive, true}) {
            sum = fake_quantize_scale_backward(weights.span(), d.span(), d.shape(), p, rule).scale;
          }
          detail::pull_range(learned, sum, std::vector<double>(sum.size(), 0.0));
        }
        if (dw.wanted()) dw.add(estimator ? detail::estimate_weights(*estimator, d, weights, p) : std::move(through));
      });
}

}  // namespace stet
