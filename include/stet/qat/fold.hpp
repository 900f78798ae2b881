#pragma once
// fold(): the one function that makes deployed weights. The frozen training forward, evaluate and convert call it, which
// is why they cannot differ.

#include <stet/core/rounding.hpp>
#include <stet/core/tensor.hpp>
#include <stet/integer/layer.hpp>
#include <stet/integer/multiplier.hpp>
#include <stet/qat/weight_codes.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

/// Batch norm as a layer sees it; spans of one number per output channel.
struct NormView {
  std::span<const float> gamma, beta, mean, variance;
  float eps = 1e-5f;

  /// k = gamma / sqrt(variance + eps), in double.
  [[nodiscard]] double factor(std::size_t c) const {
    return static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + static_cast<double>(eps));
  }
  /// Errors:    Errc::range if a variance is negative or anything is not finite; the message names layer and channel
  void check(std::string_view layer) const {
    for (std::size_t c = 0; c < gamma.size(); ++c) {
      require(
          std::isfinite(variance[c]) && variance[c] >= 0.0f, Errc::range,
          "{}: variance of channel {} is {}, must be finite and not negative; training has diverged, or the buffer was "
          "overwritten",
          layer, c, variance[c]);
      require(
          std::isfinite(gamma[c]) && std::isfinite(beta[c]) && std::isfinite(mean[c]), Errc::range,
          "{}: gamma {}, beta {} and mean {} of channel {} must be finite; training has diverged, lower the learning "
          "rate",
          layer, gamma[c], beta[c], mean[c], c);
    }
  }
  /// All k as float, by which per-tensor weights are multiplied before they become codes: in training with live
  /// statistics, frozen, and deployed, so that no code jumps between them.
  [[nodiscard]] std::vector<float> weight_factors() const {
    std::vector<float> k;
    for (std::size_t c = 0; c < gamma.size(); ++c) k.push_back(static_cast<float>(factor(c)));
    return k;
  }
};

namespace detail {

// What stands below divides by these scales, and doubles scales until sums fit: with others it would not end.
inline void check_scales(std::string_view layer, const WeightCodes& weights, const Affine& in, const Affine& out) {
  const std::string name(layer);
  stet::check((name + ": input").c_str(), qparams(in), Shape{});
  stet::check((name + ": output").c_str(), QParams::per_tensor(out.scale, 0), Shape{});
  for (std::size_t k = 0; k < weights.scale.size(); ++k) {
    require(std::isfinite(weights.scale[k]) && weights.scale[k] > 0.0f, Errc::range,
            "{}: weight scale {} is {}, must be positive and finite", layer, k, weights.scale[k]);
  }
}

// Largest magnitude that an accumulator without bias can reach, per output channel.
inline std::vector<double> accumulator_bounds(const Tensor<std::int8_t>& codes, const ScaleMap& channel,
                                              const Affine& in) {
  const int reach = std::max(in.grid.hi - in.zero_point, in.zero_point - in.grid.lo);
  std::vector<double> bound;
  for (const std::int64_t m : magnitudes(codes, channel)) bound.push_back(static_cast<double>(m) * reach);
  return bound;
}

}  // namespace detail

/// Folds batch norm and bias into codes that the target executes.
/// Formula:   k = gamma/sqrt(var+eps) (1 without batch norm), b = beta + (b_conv - mean)*k (b_conv without);
///            per channel: q = codes*sign(k), s = fl32(s_w*|k|); per tensor: codes and s_w are those of k*W already;
///            bias code = rne(b / (s_x*s)), m = s_x*s/s_y
/// Channels whose product can never move the output by an eighth of a step become zero with m = 2^-16 (per tensor: only
/// if that holds for all of them); a bias is
/// limited to 2^14 output steps; codes are halved until accumulator and bias fit 32 bits.
/// Shapes:    bias and norm spans empty or [C]
/// Rounding:  half to even, in double
/// Errors:    Errc::range if m reaches 256 (the message names layer and channel), a parameter is not finite, a variance
///            negative, a scale not positive and finite, or the zero point not in the grid
/// Source:    docs/math.md, equations 37 to 43
inline LayerConstants fold(std::string_view layer, const WeightCodes& weights, int axis, bool per_channel,
                           std::span<const float> bias, const NormView* norm, const Affine& in, const Affine& out) {
  const ScaleMap channel = channel_of(weights.codes.shape(), axis);
  const auto channels = static_cast<std::size_t>(channel.count);
  detail::check_scales(layer, weights, in, out);
  if (norm != nullptr) norm->check(layer);
  LayerConstants folded{weights.codes, weights.scale, Tensor<std::int32_t>(Shape{channel.count})};
  std::vector<double> real_bias(channels, 0.0);
  std::vector<bool> negative(channels, false);
  for (std::size_t c = 0; c < channels; ++c) {
    const double b = bias.empty() ? 0.0 : static_cast<double>(bias[c]);
    real_bias[c] = b;
    if (norm != nullptr) {
      const double k = norm->factor(c);
      real_bias[c] = static_cast<double>(norm->beta[c]) + rounded_product(b - static_cast<double>(norm->mean[c]), k);
      if (per_channel) {
        negative[c] = k < 0.0;
        folded.weight_scale[c] = static_cast<float>(static_cast<double>(folded.weight_scale[c]) * std::fabs(k));
      }
    }
    require(std::isfinite(real_bias[c]), Errc::range,
            "{}: bias of channel {} is {}; training has diverged, lower the learning rate", layer, c, real_bias[c]);
    const double limit = 16384.0 * static_cast<double>(out.scale);
    real_bias[c] = std::clamp(real_bias[c], -limit, limit);
  }
  auto codes = folded.weights.edit();
  const auto each_code = [&](std::size_t only, bool all, auto change) {
    channel.runs(static_cast<std::int64_t>(codes.size()), [&](std::size_t c, std::int64_t first, std::int64_t last) {
      if (!all && c != only) return;
      for (std::int64_t i = first; i < last; ++i) codes[static_cast<std::size_t>(i)] = change(codes[static_cast<std::size_t>(i)]);
    });
  };
  for (std::size_t c = 0; c < channels; ++c) {
    if (negative[c]) each_code(c, false, [](std::int8_t code) { return static_cast<std::int8_t>(-code); });
  }
  std::vector<double> bound = detail::accumulator_bounds(folded.weights, channel, in);
  const auto scale_index = [&](std::size_t c) { return per_channel ? c : 0; };
  const auto multiplier = [&](std::size_t c) {
    return static_cast<double>(in.scale) * static_cast<double>(folded.weight_scale[scale_index(c)]) /
           static_cast<double>(out.scale);
  };
  const auto zero_or_halve = [&](std::size_t only, bool all, bool zero) {
    each_code(only, all, [=](std::int8_t code) { return zero ? std::int8_t{0} : halved(code); });
  };
  const auto dead_scale =
      static_cast<float>(static_cast<double>(out.scale) / static_cast<double>(in.scale) / 65536.0);
  bool all_dead = true;
  for (std::size_t c = 0; c < channels; ++c) {
    const bool dead = bound[c] * multiplier(c) < 0.125;
    all_dead = all_dead && dead;
    if (!dead || !per_channel) continue;
    zero_or_halve(c, false, true);
    bound[c] = 0.0;
    folded.weight_scale[c] = dead_scale;
  }
  // One scale for all: it belongs to the channels that live, unless none does.
  if (!per_channel && all_dead) {
    zero_or_halve(0, true, true);
    std::fill(bound.begin(), bound.end(), 0.0);
    folded.weight_scale[0] = dead_scale;
  }
  auto bias_codes = folded.bias.edit();
  for (std::size_t c = 0; c < channels; ++c) {
    for (;;) {
      const double m = multiplier(c);
      require(m < 256.0, Errc::range,
              "{}: channel {} would be multiplied by {} after the product, the limit is 256; its output range is too "
              "small for its weights (calibrate on more data, or raise batch norm's eps)",
              layer, c, m);
      const double step = static_cast<double>(in.scale) * static_cast<double>(folded.weight_scale[scale_index(c)]);
      require(step > 0.0, Errc::range, "{}: output scale {} is too small beside the input scale {}", layer,
              out.scale, in.scale);
      const double code = round_half_even(real_bias[c] / step);
      const double shift = std::ldexp(1.0, std::max(integer::quantize_multiplier(m).shift, 0));
      if ((bound[c] + std::fabs(code)) * shift < 2147483647.0) {
        bias_codes[c] = static_cast<std::int32_t>(code);
        break;
      }
      // Per tensor all channels share the scale, so all are halved and the biases before this one are made again.
      zero_or_halve(c, !per_channel, false);
      folded.weight_scale[scale_index(c)] *= 2.0f;
      bound = detail::accumulator_bounds(folded.weights, channel, in);
      if (!per_channel) c = 0;
    }
  }
  return folded;
}

}  // namespace stet
