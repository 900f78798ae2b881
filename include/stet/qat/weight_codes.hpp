#pragma once
// Weight codes: how the weights of a layer become integers, once per step.

#include <stet/core/finite.hpp>
#include <stet/core/rounding.hpp>
#include <stet/core/tensor.hpp>
#include <stet/integer/kernel/packed.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/mean_magnitude.hpp>
#include <stet/quant/quantize.hpp>

#include <algorithm>
#include <cfloat>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <utility>
#include <vector>

namespace stet {

/// Where the scale of weights comes from, unless it is learned.
enum class WeightRange {
  absmax,  ///< the largest magnitude, anew in every step: nothing is clipped
  mse      ///< least mean squared error, found when the model is prepared, then kept
};

/// How the weights of a layer are quantized: on the symmetric narrow grid of `bits`, which is ternary at 2 bits; 1 bit
/// means the two codes -1 and 1.
struct WeightScheme {
  int bits = 8;
  bool per_channel = true;
  WeightRange range = WeightRange::absmax;
};

/// Weight codes of one step: one scale per output channel or one for all.
struct WeightCodes {
  Tensor<std::int8_t> codes{};
  std::vector<float> scale{};
};

/// Index of the output channel of weight element i: the leading axis, or the last one for depthwise weights.
struct ChannelOf {
  std::int64_t inner, channels;
  std::int64_t operator()(std::int64_t i) const { return i / inner % channels; }
};
inline ChannelOf channel_of(const Shape& weights, int axis) {
  return {weights.product(axis + 1, weights.rank()), weights[axis]};
}

/// A code at twice the scale, rounded half to even.
inline std::int8_t halved(std::int8_t code) {
  return static_cast<std::int8_t>(round_half_even(0.5 * static_cast<double>(code)));
}

/// Sum of absolute codes per output channel.
inline std::vector<std::int64_t> magnitudes(const Tensor<std::int8_t>& codes, const ChannelOf& channel) {
  std::vector<std::int64_t> sum(static_cast<std::size_t>(channel.channels), 0);
  for (std::int64_t i = 0; i < codes.size(); ++i) {
    sum[static_cast<std::size_t>(channel(i))] += std::abs(static_cast<int>(codes[i]));
  }
  return sum;
}

/// Which weights share a scale.
inline Granularity weight_granularity(const WeightScheme& scheme, int axis) {
  return scheme.per_channel ? Granularity::per_channel(axis) : Granularity::per_tensor();
}

namespace detail {

// Mean magnitude per scale: the scale of binary weights with the least squared error (Rastegari 2016, equation 6). There is
// no code for 0, so weights that are all 0 have the smallest scale, as near to 0 as codes come.
inline std::vector<float> binary_scales(const Tensor<float>& w, const Granularity& granularity) {
  static_cast<void>(min_max(w, granularity));  // refuses what has no mean
  std::vector<float> scale;
  for (const double mean : mean_magnitude(w.span(), w.shape(), granularity)) {
    scale.push_back(std::max(static_cast<float>(mean), FLT_EPSILON));
  }
  return scale;
}

// The codes -1 and 1; 0 counts as positive.
inline WeightCodes binary_codes(const Tensor<float>& w, std::vector<float> scale) {
  WeightCodes q{Tensor<std::int8_t>(w.shape()), std::move(scale)};
  std::int8_t* to = q.codes.edit().data();
  const float* from = w.data();
  lanes(w.size(), [=](std::int64_t i) { to[i] = from[i] < 0.0f ? std::int8_t{-1} : std::int8_t{1}; });
  return q;
}

// Halves codes and doubles their scale, per channel or for all that share one, until no product of them overflows.
inline void fit_product(WeightCodes& q, const ChannelOf& channel) {
  constexpr std::int64_t most = kernel::most_magnitude;
  if (q.codes.size() / channel.channels * 127 <= most) return;
  const bool per_channel = q.scale.size() > 1;
  for (;;) {
    const std::vector<std::int64_t> sum = magnitudes(q.codes, channel);
    const bool any = std::any_of(sum.begin(), sum.end(), [](std::int64_t m) { return m > most; });
    if (!any) return;
    const auto codes = q.codes.edit();
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const auto c = static_cast<std::size_t>(channel(static_cast<std::int64_t>(i)));
      if (!per_channel || sum[c] > most) codes[i] = halved(codes[i]);
    }
    for (std::size_t c = 0; c < q.scale.size(); ++c) {
      if (!per_channel || sum[c] > most) q.scale[c] *= 2.0f;
    }
  }
}

}  // namespace detail

/// Quantizes weights for one step.
/// Formula:   quantize on the narrow grid of `bits` with `scale`, or if that is empty with the scales of weight_qparams
///            (mean magnitude at 1 bit); per tensor with batch norm: of k*w, with one scale (docs/math.md, equation 40).
///            Below 8 bits codes are stored times 2^t and the scale times 2^-t, t as large as int8 allows, so that the
///            bias, which is rounded to that scale, stays fine; codes are halved, and their scale doubled, until the sum
///            of their magnitudes is one that every kernel can add up (docs/math.md, equation 23)
/// Shapes:    w any, output channels along `axis`; k empty or [C]; scale empty or one per channel, or one
/// Units:     scale real per code before the shift by t
/// Rounding:  half to even; at 1 bit the sign
/// Errors:    Errc::range if a weight is not finite or a scale is invalid; Errc::shape if their number is wrong
inline WeightCodes quantize_weights(const Tensor<float>& w, int axis, const WeightScheme& scheme,
                                    std::span<const float> k = {}, std::span<const float> scale = {}) {
  Tensor<float> scaled = w;
  if (!k.empty()) {
    const ChannelOf channel = channel_of(w.shape(), axis);
    const auto out = scaled.edit();
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] *= k[static_cast<std::size_t>(channel(static_cast<std::int64_t>(i)))];
    }
  }
  const Granularity granularity = weight_granularity(scheme, axis);
  const int top = scheme.bits == 1 ? 1 : Grid::narrow(scheme.bits).hi;
  if (!scale.empty()) {  // else the range is asked for, which refuses what is not finite
    if (!all_finite(scaled.span())) detail::require_finite("quantize_weights", scan_range(scaled.span()));
    stet::check(
        "quantize_weights",
        QParams{Grid{-top, top}, granularity, {scale.begin(), scale.end()}, std::vector<std::int32_t>(scale.size(), 0)},
        w.shape());
  }
  WeightCodes result;
  if (scheme.bits == 1) {
    result = detail::binary_codes(scaled, scale.empty() ? detail::binary_scales(scaled, granularity)
                                                        : std::vector<float>(scale.begin(), scale.end()));
  } else {
    const Grid grid = Grid::narrow(scheme.bits);
    QTensor q = scale.empty()
                    ? quantize(scaled, weight_qparams(scaled, granularity, grid))
                    : quantize(scaled, QParams{grid, granularity, std::vector<float>(scale.begin(), scale.end()),
                                               std::vector<std::int32_t>(scale.size(), 0)});
    result = {std::move(q.codes), std::move(q.params.scale)};
  }
  int factor = 1;
  while (2 * factor * top <= 127) factor *= 2;
  if (factor > 1) {
    for (std::int8_t& code : result.codes.edit()) code = static_cast<std::int8_t>(code * factor);
    for (float& s : result.scale) s /= static_cast<float>(factor);
  }
  detail::fit_product(result, channel_of(w.shape(), axis));
  return result;
}

}  // namespace stet
