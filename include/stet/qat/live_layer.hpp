#pragma once
// A quantized layer while its batch norm is live: integer product, float normalization with batch statistics, codes.

#include <stet/autograd/tape.hpp>
#include <stet/qat/accumulators.hpp>
#include <stet/qat/fold.hpp>
#include <stet/qat/layer_kernels.hpp>
#include <stet/qat/learned_scale.hpp>
#include <stet/qat/output_estimator.hpp>
#include <stet/qat/product.hpp>
#include <stet/qat/qvar.hpp>
#include <stet/qat/silent_channels.hpp>
#include <stet/quant/range.hpp>

#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

namespace stet {

/// Batch norm of a layer in training: trained parameters on the tape, running statistics beside it.
struct LiveNorm {
  Var<Tensor<float>> gamma, beta;
  Tensor<float>* running_mean = nullptr;
  Tensor<float>* running_variance = nullptr;
  std::span<const float> bias{};  ///< of the convolution before it: no effect but on the running mean
  float eps = 1e-5f;
  float momentum = 0.1f;
};

/// Scales of a layer that do not come from its weights' range or its output's observer.
struct LayerScaling {
  std::span<const float> weights{};  ///< of the weight codes, see quantize_weights; empty: from the range
  LearnedScale output{};             ///< trained range of the output codes
  Tensor<std::int8_t>* order = nullptr;  ///< receives the outputs as 8-bit codes, see FinerCodes
  OutputEstimator estimator{};
};

namespace detail {

// Coefficients per channel of the live layer, equations 44 to 46 of docs/math.md.
struct LiveCoefficients {
  std::vector<std::int32_t> centre;           // m: integer near the mean accumulator
  std::vector<float> slope, offset;           // output steps per accumulator step, and at the centre
  std::vector<double> unit, inverse_std;      // s_u: real per accumulator step; 1/sqrt(var_u + eps_u)
  std::vector<double> gamma, shift;           // gamma_u; mean_u - m*s_u
};

}  // namespace detail

/// Codes of act(batch_norm(product(x, w))) with statistics of this batch.
/// Formula:   u = acc*s_x*s_w[c]; y = gamma*(u - mean)/sqrt(var + eps) + beta; code = clamp(rne(act(y)/s_y) + z_y);
///            per-tensor weights are those of k*W, k = gamma/sqrt(running_var+eps): gamma becomes |gamma|, eps becomes
///            eps*k^2, and y = beta where k = 0
/// Shapes:    x [N,...], w as the float layer -> codes [N,...,C]
/// Units:     `observed` (may be null) receives the real range before activation and clamping
/// Rounding:  half to even
/// Gradient:  straight-through: g = dy where the code was not clipped and the activation passes, or what an estimator
///            makes of it where the activation passes; batch norm's true
///            gradient; dw and dx of the product with the other's dequantized codes; k is a constant; per-tensor channels
///            without a code but 0 as in a frozen layer (132); a trained range: ds = (sum dy*y_q -
///            sum_c(gamma*dgamma + beta*dbeta)) / s_y
///            Of a part of a batch (BatchParts) statistics and the sums in the gradient of acc are those of all parts
/// Errors:    Errc::shape if fewer than two values per channel are normalized
/// Source:    docs/math.md, equations 44 to 49; Krishnamoorthi 2018, arXiv 1806.08342, section 3.2
inline Var<QTensor> live_layer(const Product& product, const Var<QTensor>& x, const Var<Tensor<float>>& w,
                               const AnyScheme& scheme, const LiveNorm& norm, const OutputCodes& out,
                               const QParams& out_params, Range* observed, const LayerScaling& scaling = {}) {
  const auto channels = static_cast<std::size_t>(norm.gamma.value().size());
  const bool per_channel = scheme.per_channel();
  const ChannelPattern pattern(static_cast<std::int64_t>(channels));
  std::vector<float> k(channels, 1.0f);
  const NormView view{norm.gamma.value().span(), norm.beta.value().span(), norm.running_mean->span(),
                      norm.running_variance->span(), norm.eps};
  if (!per_channel) k = view.weight_factors();
  const WeightCodes weights = quantize_weights(w.value(), product.channel_axis(), scheme,
                                               per_channel ? std::span<const float>() : std::span<const float>(k),
                                               scaling.weights);
  const detail::SilentChannels silent =
      per_channel ? detail::SilentChannels()
                         : detail::SilentChannels(w.value(), weights, product.channel_axis(), view, norm.bias);

  // Accumulators and their statistics.
  const Shape out_shape = product.output_shape(x.shape(), w.shape());
  Tensor<std::int32_t> acc(out_shape);
  AccumulatorCollector collector(static_cast<std::int64_t>(channels));
  {
    std::int32_t* to = acc.edit().data();
    product.accumulate(x.value(), weights.codes,
                       [&](std::int64_t first, std::int64_t rows, const std::int32_t* tile, std::int64_t stride) {
                         std::int32_t* start = to + first * static_cast<std::int64_t>(channels);
                         for (std::int64_t r = 0; r < rows; ++r) {
                           std::memcpy(start + r * static_cast<std::int64_t>(channels), tile + r * stride,
                                       channels * sizeof(std::int32_t));
                         }
                         collector.add(first, rows, start, static_cast<std::int64_t>(channels));
                       });
  }
  AccumulatorStatistics statistics = collector.finish();
  BatchParts* const parts = w.tape().parts();
  if (parts != nullptr) statistics.combine(*parts);
  require(statistics.rows > 1, Errc::shape,
          "live_layer: batch norm needs at least two values per channel, output is {}", out_shape);

  // Per-channel coefficients; running statistics move as PyTorch's (n/(n-1) for the variance).
  const double sx = static_cast<double>(x.value().params.scale[0]);
  detail::LiveCoefficients co;
  const auto beta = norm.beta.value().span();
  const std::span<float> running_mean = norm.running_mean->edit();
  const std::span<float> running_variance = norm.running_variance->edit();
  const double n = static_cast<double>(statistics.rows);
  Range range{3.4e38f, -3.4e38f};
  for (std::size_t c = 0; c < channels; ++c) {
    const double gamma = static_cast<double>(norm.gamma.value().span()[c]);
    const double kc = static_cast<double>(k[c]);
    const double unit = sx * static_cast<double>(weights.scale[per_channel ? c : 0]);
    const double mean = statistics.mean(c);
    const double variance = statistics.variance(c) * unit * unit;
    const double eps = static_cast<double>(norm.eps) * kc * kc;
    const double gamma_u = per_channel ? gamma : std::fabs(gamma);
    const double inverse = kc == 0.0 ? 0.0 : 1.0 / std::sqrt(variance + eps);
    const auto centre = static_cast<std::int32_t>(std::nearbyint(mean));
    const double shift = (mean - static_cast<double>(centre)) * unit;
    const double slope = gamma_u * inverse * unit;
    const double offset = static_cast<double>(beta[c]) - gamma_u * inverse * shift;
    co.centre.push_back(centre);
    co.unit.push_back(unit);
    co.inverse_std.push_back(inverse);
    co.gamma.push_back(gamma_u);
    co.shift.push_back(shift);
    co.slope.push_back(static_cast<float>(slope / static_cast<double>(out.scale)));
    co.offset.push_back(static_cast<float>(offset / static_cast<double>(out.scale)));
    for (const std::int32_t a : {statistics.lowest[c], statistics.highest[c]}) {
      const auto y = static_cast<float>(slope * (static_cast<double>(a) - static_cast<double>(centre)) + offset);
      range = {std::min(range.lo, y), std::max(range.hi, y)};
    }
    if (kc != 0.0) {
      const double momentum = static_cast<double>(norm.momentum);
      const double bias = norm.bias.empty() ? 0.0 : static_cast<double>(norm.bias[c]);
      const double batch_mean = mean * unit / kc + bias;
      const double batch_variance = variance / (kc * kc) * n / (n - 1.0);
      running_mean[c] = static_cast<float>((1.0 - momentum) * static_cast<double>(running_mean[c]) + momentum * batch_mean);
      running_variance[c] =
          static_cast<float>((1.0 - momentum) * static_cast<double>(running_variance[c]) + momentum * batch_variance);
    }
  }
  if (observed != nullptr) *observed = range;

  QTensor codes{Tensor<std::int8_t>(out_shape), out_params};
  Tensor<std::uint32_t> pass(Shape{bit_words(acc.size())});
  std::optional<FinerOutput> finer;
  if (scaling.order != nullptr) {
    const detail::FinerCodes grid(out_params);
    *scaling.order = Tensor<std::int8_t>(out_shape);
    finer = {grid.factor, grid.zero_point, scaling.order->edit()};
  }
  affine_to_codes(acc.span(), pattern, co.centre, co.slope, co.offset, out, codes.codes.edit(), pass.edit(),
                  finer ? &*finer : nullptr);

  const Var<Tensor<float>> range_of_output = detail::stand_in(w.tape(), scaling.output);
  std::optional<QTensor> learned;
  if (range_of_output.wanted() || scaling.estimator.estimator != nullptr) learned = codes;
  return record(
      std::move(codes), std::tie(x, w, norm.gamma, norm.beta, range_of_output),
      [parts, product, xq = x.value(), weights, per_channel, silent, k = std::move(k), co = std::move(co), acc, pass, pattern, n,
       beta = norm.beta.value(), learned = std::move(learned), output = scaling.output, estimator = scaling.estimator](const Tensor<float>& dy, const auto& dx, const auto& dw,
                                                               const auto& dgamma, const auto& dbeta, const auto& drange) {
        const std::size_t count = co.centre.size();
        const detail::PassedGradient g = detail::estimated(estimator, dy, pass, learned ? &*learned : nullptr);
        const ClippedSums sums = clipped_sums(g.dy.span(), g.pass.span(), acc.span(), co.centre, pattern);
        const ClippedSums of_batch = parts == nullptr ? sums : sums.combined(*parts);
        // With xhat = (acc - m)*s_u*r - shift*r: sum g*xhat from the two sums; then
        // du = gamma*r*(g - sum g/n - xhat * (sum g*xhat)/n), scaled to weight steps for the products.
        std::vector<float> slope(count), curve(count), offset(count), dgamma_values(count), dbeta_values(count);
        double passed = 0.0;  // sum of g times batch norm's output
        for (std::size_t c = 0; c < count; ++c) {
          const double r = co.inverse_std[c];
          const auto with_xhat = [&](const ClippedSums& s) { return r * (co.unit[c] * s.product[c] - co.shift[c] * s.gradient[c]); };
          const double gx = with_xhat(sums), gx_of_batch = with_xhat(of_batch);
          const double scale = co.gamma[c] * r * static_cast<double>(weights.scale[per_channel ? c : 0]);
          slope[c] = static_cast<float>(scale);
          curve[c] = static_cast<float>(-scale * (gx_of_batch / n) * r * co.unit[c]);
          offset[c] = static_cast<float>(-scale * (of_batch.gradient[c] / n - (gx_of_batch / n) * r * co.shift[c]));
          dgamma_values[c] = static_cast<float>(k[c] < 0.0f ? -gx : gx);
          dbeta_values[c] = static_cast<float>(sums.gradient[c]);
          passed += co.gamma[c] * gx + static_cast<double>(beta[static_cast<std::int64_t>(c)]) * sums.gradient[c];
          if (silent[c]) {  // the gradient itself, for D
            slope[c] = 1.0f;
            curve[c] = offset[c] = 0.0f;
          }
        }
        if (drange.wanted()) detail::pull_outputs(output, dy, *learned, pass, passed);
        const Shape channel_shape{static_cast<std::int64_t>(count)};
        if (dbeta.wanted()) dbeta.add(Tensor<float>(channel_shape, dbeta_values));
        const bool weights_too = dw.wanted() || (dgamma.wanted() && silent.any());
        if (dx.wanted() || weights_too) {
          const Tensor<float> steps =
              accumulator_gradient(g.dy, g.pass.span(), acc.span(), co.centre, slope, curve, offset, pattern);
          if (dx.wanted()) dx.add(product.pull_input(steps, weights.codes, xq.shape()));
          if (weights_too) {
            std::vector<float> factor(count);
            for (std::size_t c = 0; c < count; ++c) {
              const float s = xq.params.scale[0];
              factor[c] = silent[c] ? s : k[c] * s / weights.scale[per_channel ? c : 0];
            }
            Tensor<float> gradient = product.pull_weight(xq, steps, weights.codes.shape(), factor);
            if (silent.any()) silent.pull(gradient, k, sums.gradient, dgamma_values);
            if (dw.wanted()) dw.add(std::move(gradient));
          }
        }
        if (dgamma.wanted()) dgamma.add(Tensor<float>(channel_shape, dgamma_values));
      });
}

}  // namespace stet
