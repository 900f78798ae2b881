#pragma once
// A quantized layer whose parameters are folded: the training forward is the target's own arithmetic.

#include <stet/autograd/tape.hpp>
#include <stet/core/bits.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/vectorized.hpp>
#include <stet/integer/requantize.hpp>
#include <stet/qat/accumulators.hpp>
#include <stet/qat/fold.hpp>
#include <stet/qat/layer_kernels.hpp>
#include <stet/qat/learned_scale.hpp>
#include <stet/qat/output_estimator.hpp>
#include <stet/qat/product.hpp>
#include <stet/qat/qvar.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace stet {

/// A layer that was folded: what runs, and what its gradients need of the parameters before folding.
struct FrozenLayer {
  WeightCodes weights{};              ///< codes before folding
  LayerConstants folded{};             ///< codes that run
  integer::Requantizer requantizer{};
  bool per_channel = true;
  std::vector<double> k{};            ///< batch norm's factor per channel; empty without batch norm
  std::vector<double> mean{};         ///< running mean minus the convolution's bias
  std::vector<double> inverse_std{};  ///< of the running variance
};

/// Trained parameters of a frozen layer on the tape; those that the layer does not have stay empty.
struct FrozenParameters {
  Var<Tensor<float>> w;
  std::optional<Var<Tensor<float>>> bias{}, gamma{}, beta{};
  LearnedScale output{};  ///< trained range of the output codes
  OutputEstimator estimator{};
  Tensor<std::int8_t>* order = nullptr;  ///< receives the outputs as 8-bit codes, see FinerCodes
};

namespace detail {

// Real value of the layer's output before activation and clamping, at the extreme accumulators.
inline Range accumulator_range(const AccumulatorStatistics& s, const LayerConstants& folded, float input_scale) {
  Range range{3.4e38f, -3.4e38f};
  for (std::size_t c = 0; c < s.lowest.size(); ++c) {
    const double unit = static_cast<double>(input_scale) * static_cast<double>(folded.scale(c));
    for (const std::int32_t a : {s.lowest[c], s.highest[c]}) {
      const auto y = static_cast<float>(unit * (static_cast<double>(a) + static_cast<double>(folded.bias[static_cast<std::int64_t>(c)])));
      range = {std::min(range.lo, y), std::max(range.hi, y)};
    }
  }
  return range;
}

// Outputs of rows of accumulators on finer codes.
class FinerRows {
 public:
  FinerRows(const FrozenLayer& layer, const QParams& out, float input_scale) : finer_(out) {
    for (std::size_t c = 0; c < static_cast<std::size_t>(layer.folded.bias.size()); ++c) {
      const float scale = layer.folded.scale(c);
      factor_.push_back(input_scale * scale / out.scale[0] * finer_.factor);
      bias_.push_back(static_cast<float>(layer.folded.bias.span()[c]));
    }
  }
  void operator()(const std::int32_t* acc, std::int64_t stride, std::int64_t rows, std::int8_t* to) const {
    const auto channels = static_cast<std::int64_t>(factor_.size());
    const auto zero = static_cast<float>(finer_.zero_point);
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int32_t* a = acc + r * stride;
      std::int8_t* q = to + r * channels;
      lanes(channels, [=, factor = factor_.data(), bias = bias_.data()](std::int64_t c) {
        float t = (static_cast<float>(a[c]) + bias[c]) * factor[c] + zero;
        t = t > -128.0f ? t : -128.0f;
        t = t < 127.0f ? t : 127.0f;
        q[c] = static_cast<std::int8_t>(round_half_even_small(t));
      });
    }
  }

 private:
  FinerCodes finer_;
  std::vector<float> factor_, bias_;
};

// From the gradient D of the folded weights to that of the layer's weights, k*D, and per channel the sum of D times the
// quantized weights before folding. `Side` channels side by side, so that additions do not wait for one another; each sum
// is in the order of memory.
template <std::size_t Side>
void pull_norm(const FrozenLayer& layer, const Tensor<float>& latent, const ScaleMap& channel, std::size_t first_channel,
               std::span<float> d, std::span<double> sums) {
  constexpr std::int64_t block = 256;
  std::array<std::array<double, block>, Side> terms;
  std::array<double, Side> sum{};
  const auto elements = static_cast<std::int64_t>(d.size());
  const std::int64_t start = static_cast<std::int64_t>(first_channel) * channel.inner;
  for (std::int64_t run = start; run < elements; run += channel.inner * channel.count) {
    for (std::int64_t done = 0; done < channel.inner; done += block) {
      const std::int64_t length = std::min(block, channel.inner - done);
      for (std::size_t r = 0; r < Side; ++r) {
        const std::size_t c = first_channel + r;
        const double scale = static_cast<double>(layer.weights.scale[layer.weights.scale.size() == 1 ? 0 : c]);
        const double k = layer.k[c];
        const std::int64_t first = run + static_cast<std::int64_t>(r) * channel.inner + done;
        const std::int8_t* codes = layer.weights.codes.data() + first;
        const float* real = latent.data() + first;
        float* g = d.data() + first;
        double* term = terms[r].data();
        const bool per_channel = layer.per_channel;
        const auto slope = static_cast<float>(k);
        vectorized([=] {
          if (per_channel) {
            lanes(length, [=](std::int64_t i) { term[i] = static_cast<double>(codes[i]) * scale * static_cast<double>(g[i]); });
          } else if (k != 0.0) {
            lanes(length, [=](std::int64_t i) { term[i] = static_cast<double>(codes[i]) * scale / k * static_cast<double>(g[i]); });
          } else {  // per tensor the codes are those of k*W
            lanes(length, [=](std::int64_t i) { term[i] = static_cast<double>(real[i]) * static_cast<double>(g[i]); });
          }
          lanes(length, [=](std::int64_t i) { g[i] *= slope; });
        });
      }
      for (std::size_t i = 0; i < static_cast<std::size_t>(length); ++i) {
        for (std::size_t r = 0; r < Side; ++r) sum[r] += terms[r][i];
      }
    }
  }
  std::copy(sum.begin(), sum.end(), sums.begin() + static_cast<std::ptrdiff_t>(first_channel));
}

inline void pull_norm(const FrozenLayer& layer, const Tensor<float>& latent, const ScaleMap& channel,
                      Tensor<float>& gradient, std::span<double> sums) {
  const std::span<float> d = gradient.edit();
  parallel_chunks(channel.count, gradient.size() / channel.count, [&](Chunk channels) {
    std::int64_t c = channels.first;
    for (; c + 4 <= channels.last; c += 4) pull_norm<4>(layer, latent, channel, static_cast<std::size_t>(c), d, sums);
    for (; c < channels.last; ++c) pull_norm<1>(layer, latent, channel, static_cast<std::size_t>(c), d, sums);
  });
}

// Sum of the passing gradient times the layer's real output, from the gradient of the folded weights.
inline double passed_output(const LayerConstants& folded, const Tensor<float>& gradient, const ScaleMap& channel,
                            const ClippedSums& sums, float input_scale) {
  const auto scale = [&](std::size_t c) { return static_cast<double>(folded.scale(c)); };
  double total = 0.0;
  channel.runs(gradient.size(), [&](std::size_t c, std::int64_t first, std::int64_t last) {
    const double s = scale(c);
    for (std::int64_t i = first; i < last; ++i) {
      total += static_cast<double>(folded.weights[i]) * s * static_cast<double>(gradient[i]);
    }
  });
  for (std::size_t c = 0; c < sums.gradient.size(); ++c) {
    const double bias = static_cast<double>(folded.bias[static_cast<std::int64_t>(c)]) * scale(c);
    total += bias * static_cast<double>(input_scale) * sums.gradient[c];
  }
  return total;
}

}  // namespace detail

/// Codes of a folded layer, as the target computes them.
/// Formula:   code = requantize(acc + bias code); integer/requantize.hpp
/// Shapes:    x [N,...] -> codes [N,...,C]
/// Units:     `observed` (may be null) receives the real range before activation and clamping
/// Gradient:  straight-through, g = dy where the code was not clipped and the activation passes: dbeta = sum g, dbias =
///            k * sum g, D = gradient of the folded weights, dw = k*D, dgamma = (<W_q, D> - mean*dbeta)/sigma, dx with the
///            folded codes; without batch norm k = 1. Codes that fold() zeroed or halved are passed straight through too.
///            A trained range: ds = (sum dy*y_q - <W_f, D> - sum_c b*dbeta) / s_y, W_f and b the folded weights and bias
/// Source:    docs/math.md, equations 50 to 53
inline Var<QTensor> frozen_layer(const Product& product, const Var<QTensor>& x, const FrozenParameters& p,
                                 FrozenLayer layer, const QParams& out_params, Range* observed) {
  const Shape out_shape = product.output_shape(x.shape(), p.w.shape());
  const std::int64_t channels = out_shape.back();
  const auto inputs = std::tuple(x, p.w, p.bias ? *p.bias : p.w.tape().constant(Tensor<float>()),
                                 p.gamma ? *p.gamma : p.w.tape().constant(Tensor<float>()),
                                 p.beta ? *p.beta : p.w.tape().constant(Tensor<float>()),
                                 detail::stand_in(p.w.tape(), p.output));
  const bool learns = p.output.range != nullptr;
  const bool trains = x.wanted() || p.w.wanted() || (p.bias && p.bias->wanted()) || (p.gamma && p.gamma->wanted()) ||
                      (p.beta && p.beta->wanted()) || learns;
  QTensor codes{Tensor<std::int8_t>(out_shape), out_params};
  Tensor<std::uint32_t> pass(Shape{trains ? bit_words(codes.codes.size()) : 0});
  std::int8_t* to = codes.codes.edit().data();
  std::uint32_t* bits = trains ? pass.edit().data() : nullptr;
  std::optional<AccumulatorCollector> collector;
  if (observed != nullptr) collector.emplace(channels);
  std::optional<detail::FinerRows> finer;
  std::int8_t* order = nullptr;
  if (p.order != nullptr) {
    finer.emplace(layer, out_params, x.value().params.scale[0]);
    *p.order = Tensor<std::int8_t>(out_shape);
    order = p.order->edit().data();
  }
  product.accumulate(x.value(), layer.folded.weights,
                     [&](std::int64_t first, std::int64_t rows, const std::int32_t* acc, std::int64_t stride) {
                       if (trains) {
                         integer::requantize_rows(acc, stride, rows, channels, layer.requantizer, to + first * channels,
                                                  bits + first * channels / lane_count);
                       } else {
                         integer::requantize_rows(acc, stride, rows, channels, layer.requantizer, to + first * channels);
                       }
                       if (collector) collector->add(first, rows, acc, stride);
                       if (finer) (*finer)(acc, stride, rows, order + first * channels);
                     });
  if (observed != nullptr) {
    *observed = detail::accumulator_range(collector->finish(), layer.folded, x.value().params.scale[0]);
  }
  if (!trains) return p.w.tape().constant(std::move(codes));

  std::optional<QTensor> learned;
  if (learns || p.estimator.estimator != nullptr) learned = codes;
  return record(
      std::move(codes), inputs,
      [product, xq = x.value(), layer = std::move(layer), pass, latent = p.w.value(), learned = std::move(learned), output = p.output, estimator = p.estimator](
          const Tensor<float>& dy, const auto& dx, const auto& dw, const auto& dbias, const auto& dgamma,
          const auto& dbeta, const auto& drange) {
        const std::int64_t count = dy.shape().back();
        const ChannelPattern pattern(count);
        const detail::PassedGradient g = detail::estimated(estimator, dy, pass, learned ? &*learned : nullptr);
        const ClippedSums sums = clipped_sums(g.dy.span(), g.pass.span(), {}, {}, pattern);
        std::vector<float> slope;
        for (std::int64_t c = 0; c < count; ++c) slope.push_back(layer.folded.scale(static_cast<std::size_t>(c)));
        const Tensor<float> steps = accumulator_gradient(g.dy, g.pass.span(), {}, {}, slope, {}, {}, pattern);
        const bool norm = !layer.k.empty();
        const Shape channel_shape{count};
        if (dbeta.wanted() || dbias.wanted()) {
          std::vector<float> dbeta_values, dbias_values;
          for (std::size_t c = 0; c < sums.gradient.size(); ++c) {
            dbeta_values.push_back(static_cast<float>(sums.gradient[c]));
            dbias_values.push_back(static_cast<float>(sums.gradient[c] * (norm ? layer.k[c] : 1.0)));
          }
          if (dbeta.wanted()) dbeta.add(Tensor<float>(channel_shape, dbeta_values));
          if (dbias.wanted()) dbias.add(Tensor<float>(channel_shape, dbias_values));
        }
        if (dx.wanted()) dx.add(product.pull_input(steps, layer.folded.weights, xq.shape()));
        if (!dw.wanted() && !dgamma.wanted() && !drange.wanted()) return;
        // D: gradient of the folded real weights.
        std::vector<float> factor;
        for (const float s : slope) factor.push_back(xq.params.scale[0] / s);
        Tensor<float> gradient = product.pull_weight(xq, steps, layer.weights.codes.shape(), factor);
        const ScaleMap channel = channel_of(gradient.shape(), product.channel_axis());
        if (drange.wanted()) {
          const double passed = detail::passed_output(layer.folded, gradient, channel, sums, xq.params.scale[0]);
          detail::pull_outputs(output, dy, *learned, pass, passed);
        }
        if (!norm) {
          if (dw.wanted()) dw.add(std::move(gradient));
          return;
        }
        std::vector<double> inner(static_cast<std::size_t>(count), 0.0);
        detail::pull_norm(layer, latent, channel, gradient, inner);
        if (dgamma.wanted()) {
          std::vector<float> values;
          for (std::size_t c = 0; c < inner.size(); ++c) {
            values.push_back(static_cast<float>((inner[c] - layer.mean[c] * sums.gradient[c]) * layer.inverse_std[c]));
          }
          dgamma.add(Tensor<float>(channel_shape, values));
        }
        if (dw.wanted()) dw.add(std::move(gradient));
      });
}

}  // namespace stet
