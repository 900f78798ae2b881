#pragma once
// Batch normalization over the last axis, with batch statistics (training) or given ones (frozen), and fused with the
// clamp of a following ReLU or ReLU6.

#include <stet/autograd/tape.hpp>
#include <stet/ops/channel_periods.hpp>
#include <stet/ops/scale_shift.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace stet {

/// Attributes of batch normalization.
struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;  ///< weight of the batch in the running statistics, as PyTorch counts it
};

/// Parameters of one batch normalization, for the plain functions.
/// Shapes:    gamma, beta [C]; moments [C]
template <class T>
struct BatchNorm {
  Tensor<T> gamma, beta;
  Moments moments;
  double eps = 1e-5;
  Clamp clamp = Clamp::none;
  bool frozen = false;  ///< moments are given: they do not depend on x
  BatchParts* parts = nullptr;  ///< x is one part of the batch whose moments these are; null: all of it
};

/// Which gradients of a batch normalization are wanted, and the gradients.
template <class T>
struct BatchNormGradients {
  Tensor<T> dx{}, dgamma{}, dbeta{};
};

/// Computes mean and biased variance of every channel in one pass, in double.
/// Formula:   variance[c] = mean over rows of (x - mean[c])^2
/// Shapes:    x [..., C] -> mean, variance [C]
template <class T>
Moments batch_moments(const Tensor<T>& x) {
  const std::int64_t channels = x.shape().back();
  const std::int64_t rows = channels > 0 ? x.size() / channels : 0;
  Moments m{Tensor<double>::zeros({channels}), Tensor<double>::zeros({channels})};
  if (rows == 0) return m;
  const detail::ChannelPeriods pattern(channels, x.size());
  // Sums of deviations from the first row: no cancellation when the mean is large.
  const Tensor<T> first = pattern.repeat<T>(x.data());
  const T* __restrict shift = first.data();
  const T* __restrict from = x.data();
  double* mean = m.mean.edit().data();
  double* variance = m.variance.edit().data();
  const auto deviation = [=](std::int64_t e, std::int64_t p) { return from[e] - shift[p]; };
  pattern.sums<T>(deviation, deviation, mean, variance);
  const auto n = static_cast<double>(rows);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double d = mean[c] / n;
    const double v = variance[c] / n - d * d;
    mean[c] = static_cast<double>(x[c]) + d;
    variance[c] = v < 0 ? 0 : v;
  }
  return m;
}

namespace detail {

// Moments of the whole batch from those of each part, and its rows. Deviations are taken from `centre`, which all parts know,
// so that means that are large beside the deviation cancel only as far as they lie from it.
template <class T>
void combine_moments(BatchParts& parts, Moments& m, std::int64_t& rows, const Tensor<T>& centre) {
  const std::int64_t channels = m.mean.size();
  std::vector<double> sums(2 * static_cast<std::size_t>(channels) + 1);
  double* const deviation = sums.data();
  double* const square = deviation + channels;
  double* const mean = m.mean.edit().data();
  double* const variance = m.variance.edit().data();
  const auto own = static_cast<double>(rows);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double d = mean[c] - static_cast<double>(centre[c]);
    deviation[c] = own * d;
    square[c] = own * (variance[c] + d * d);
  }
  sums.back() = own;
  parts.combine(sums, {});
  const double n = sums.back();
  for (std::int64_t c = 0; c < channels; ++c) {
    const double d = deviation[c] / n;
    const double v = square[c] / n - d * d;
    mean[c] = static_cast<double>(centre[c]) + d;
    variance[c] = v < 0 ? 0 : v;
  }
  rows = static_cast<std::int64_t>(n);
}

}  // namespace detail

/// Moves running statistics towards those of a batch of `rows` rows; the variance as n/(n-1).
/// Formula:   running = (1 - momentum) * running + momentum * batch
/// Source:    PyTorch BatchNorm
template <class T>
void update_running(const Moments& batch, std::int64_t rows, double momentum, Tensor<T>& mean, Tensor<T>& variance) {
  const double unbiased = static_cast<double>(rows) / static_cast<double>(rows - 1);
  const auto m = mean.edit();
  const auto v = variance.edit();
  for (std::size_t c = 0; c < m.size(); ++c) {
    const auto i = static_cast<std::int64_t>(c);
    m[c] = static_cast<T>((1 - momentum) * static_cast<double>(m[c]) + momentum * batch.mean[i]);
    v[c] = static_cast<T>((1 - momentum) * static_cast<double>(v[c]) + momentum * unbiased * batch.variance[i]);
  }
}

namespace detail {
template <class T>
ScaleShift<T> scale_shift(const BatchNorm<T>& bn) {
  return {bn.gamma, bn.beta, bn.moments, bn.eps, bn.clamp};
}
}  // namespace detail

/// Normalizes, scales, shifts and clamps.
/// Formula:   y = clamp(gamma * (x - mean) / sqrt(variance + eps) + beta)
/// Shapes:    x [..., C] -> y [..., C]
template <class T>
Tensor<T> batch_norm_forward(const Tensor<T>& x, const BatchNorm<T>& bn) {
  Tensor<T> result(x.shape());
  if (x.empty()) return result;
  const detail::ChannelPeriods pattern(x.shape().back(), x.size());
  const ScaleShift<T> factors = detail::scale_shift(bn);
  const T* __restrict a = factors.scale();
  const T* __restrict b = factors.shift();
  const T* __restrict from = x.data();
  T* __restrict to = result.edit().data();
  const detail::ClampEnds<T> ends = factors.ends();
  pattern.for_each([=](std::int64_t e, std::int64_t n) {
    lanes(n, [=](std::int64_t i) { to[e + i] = ends(from[e + i] * a[i] + b[i]); });
  });
  return result;
}

/// Gradients of a batch normalization; x is the input, from which the normalized values are computed again.
/// Formula:   g = dy where the clamp passes (z inside its ends, NaN does not), else 0; n rows; h = (x - mean) / sqrt(variance + eps)
///            dbeta = sum g; dgamma = sum g*h; dx = gamma / sqrt(variance + eps) * (g - dbeta/n - h*dgamma/n),
///            frozen: dx = gamma / sqrt(variance + eps) * g; of a part of a batch n and the sums in dx are of all parts, dgamma
///            and dbeta of this one: those of all parts add up to the batch's
/// Shapes:    x, dy [..., C]; dx is left empty unless want_dx
template <class T>
BatchNormGradients<T> batch_norm_backward(const Tensor<T>& x, const Tensor<T>& dy, const BatchNorm<T>& bn,
                                          bool want_dx) {
  const std::int64_t channels = x.shape().back();
  BatchNormGradients<T> result{{}, Tensor<T>::zeros({channels}), Tensor<T>::zeros({channels})};
  if (x.empty()) {
    if (want_dx) result.dx = Tensor<T>(x.shape());
    return result;
  }
  const detail::ChannelPeriods pattern(channels, x.size());
  const ScaleShift<T> factors = detail::scale_shift(bn);
  const Tensor<T> means = pattern.repeat<T>(bn.moments.mean.data());
  const T* __restrict a = factors.scale();
  const T* __restrict b = factors.shift();
  const T* __restrict mean = means.data();
  const T* __restrict from = x.data();
  const T* __restrict gradient = dy.data();
  const detail::ClampEnds<T> ends = factors.ends();
  const auto passed = [=](std::int64_t e, std::int64_t p) {
    const T z = from[e] * a[p] + b[p];
    const T g = gradient[e];  // read in any case: a conditional load does not vectorize
    return ((z > ends.low) & (z < ends.high)) ? g : T{0};
  };

  Tensor<double> sums(Shape{2, channels});
  double* sum = sums.edit().data();
  double* product = sum + channels;
  const auto centred = [=](std::int64_t e, std::int64_t p) { return from[e] - mean[p]; };
  pattern.sums<T>(passed, centred, sum, product);
  T* dgamma = result.dgamma.edit().data();
  T* dbeta = result.dbeta.edit().data();
  Tensor<double> slopes = Tensor<double>::zeros({channels});
  Tensor<double> offsets = Tensor<double>::zeros({channels});
  double* slope = slopes.edit().data();
  double* offset = offsets.edit().data();
  auto rows = static_cast<double>(x.size() / channels);
  const auto inverse_std = [&](std::int64_t c) { return 1.0 / std::sqrt(bn.moments.variance[c] + bn.eps); };
  for (std::int64_t c = 0; c < channels; ++c) {
    dbeta[c] = static_cast<T>(sum[c]);
    dgamma[c] = static_cast<T>(product[c] * inverse_std(c));
  }
  if (bn.parts != nullptr && !bn.frozen) {
    std::vector<double> of_batch(sum, sum + 2 * channels);
    of_batch.push_back(rows);
    bn.parts->combine(of_batch, {});
    std::copy_n(of_batch.data(), 2 * channels, sum);
    rows = of_batch.back();
  }
  for (std::int64_t c = 0; c < channels && !bn.frozen; ++c) {
    const double inverse = inverse_std(c);
    const double scale = static_cast<double>(bn.gamma[c]) * inverse;
    slope[c] = -scale * inverse * inverse * product[c] / rows;
    offset[c] = -scale * sum[c] / rows;
  }
  if (!want_dx) return result;

  // dx = scale * g + slope * (x - mean) + offset
  result.dx = Tensor<T>(x.shape());
  T* __restrict dx = result.dx.edit().data();
  const Tensor<T> pattern_slope = pattern.repeat<T>(slope);
  const Tensor<T> pattern_offset = pattern.repeat<T>(offset);
  const T* __restrict k = pattern_slope.data();
  const T* __restrict d = pattern_offset.data();
  pattern.for_each([=](std::int64_t e, std::int64_t n) {
    lanes(n, [=](std::int64_t i) { dx[e + i] = passed(e + i, i) * a[i] + ((from[e + i] - mean[i]) * k[i] + d[i]); });
  });
  return result;
}

namespace detail {

inline void check_batch_norm(const Shape& x, const Shape& gamma, const Shape& beta, const Shape& mean,
                             const Shape& variance, double eps) {
  require(x.rank() >= 2, Errc::shape, "batch_norm: input must be [..., C] with at least two axes, got {}", x);
  const Shape wanted{x.back()};
  const char* names[] = {"gamma", "beta", "running mean", "running variance"};
  const Shape* shapes[] = {&gamma, &beta, &mean, &variance};
  for (int i = 0; i < 4; ++i) {
    require(*shapes[i] == wanted, Errc::shape, "batch_norm: {} must be {}, got {} (input {})", names[i], wanted,
            *shapes[i], x);
  }
  require(eps > 0, Errc::range, "batch_norm: eps is {}, must be positive", eps);
}

template <class T>
Var<Tensor<T>> record_batch_norm(const Var<Tensor<T>>& x, const Var<Tensor<T>>& gamma, const Var<Tensor<T>>& beta,
                                 BatchNorm<T> bn) {
  Tensor<T> y = batch_norm_forward(x.value(), bn);
  return record(std::move(y), std::tie(x, gamma, beta),
                [x = x.value(), bn = std::move(bn)](const Tensor<T>& dy, auto dx, auto dgamma, auto dbeta) {
                  BatchNormGradients<T> g = batch_norm_backward(x, dy, bn, dx.wanted());
                  if (dx.wanted()) dx.add(std::move(g.dx));
                  if (dgamma.wanted()) dgamma.add(std::move(g.dgamma));
                  if (dbeta.wanted()) dbeta.add(std::move(g.dbeta));
                });
}

template <class T>
Tensor<double> to_double(const Tensor<T>& values) {
  Tensor<double> result(values.shape());
  double* to = result.edit().data();
  for (std::int64_t i = 0; i < values.size(); ++i) to[i] = static_cast<double>(values[i]);
  return result;
}

}  // namespace detail

/// Batch normalization on the tape with the statistics of the batch, followed by a clamp; moves the running statistics.
/// Formula:   y = clamp(gamma * (x - mean) / sqrt(variance + eps) + beta), mean and biased variance over all rows, of a part of
///            a batch over those of all parts (BatchParts)
/// Shapes:    x [..., C], gamma, beta, running_mean, running_variance [C] -> y [..., C]
/// Gradient:  as batch_norm_backward; the clamp passes where 0 < z (and z < 6)
/// Errors:    Errc::shape if a parameter is not [C] or there is only one row; Errc::range if eps or momentum is
///            impossible
/// Source:    Ioffe and Szegedy 2015, arXiv 1502.03167; running variance as PyTorch
template <class T>
Var<Tensor<T>> batch_norm_clamp(const Var<Tensor<T>>& x, const Var<Tensor<T>>& gamma, const Var<Tensor<T>>& beta,
                                Tensor<T>& running_mean, Tensor<T>& running_variance, Clamp clamp,
                                const BatchNormOptions& options = {}) {
  detail::check_batch_norm(x.shape(), gamma.shape(), beta.shape(), running_mean.shape(), running_variance.shape(),
                           options.eps);
  require(options.momentum >= 0 && options.momentum <= 1, Errc::range, "batch_norm: momentum is {}, must be in 0..1",
          options.momentum);
  std::int64_t rows = x.shape().product(0, x.shape().rank() - 1);
  BatchParts* const parts = x.tape().parts();
  require(rows > 1 || parts != nullptr, Errc::shape, "batch_norm: batch statistics need more than one row, input is {}", x.shape());

  Moments moments = batch_moments(x.value());
  if (parts != nullptr) {
    detail::combine_moments(*parts, moments, rows, running_mean);
    require(rows > 1, Errc::shape, "batch_norm: batch statistics need more than one row, all parts of the batch have {}", rows);
  }
  update_running(moments, rows, options.momentum, running_mean, running_variance);
  return detail::record_batch_norm(
      x, gamma, beta, BatchNorm<T>{gamma.value(), beta.value(), std::move(moments), options.eps, clamp, false, parts});
}

/// Batch normalization on the tape with the statistics of the batch.
/// Shapes, errors: as batch_norm_clamp
template <class T>
Var<Tensor<T>> batch_norm(const Var<Tensor<T>>& x, const Var<Tensor<T>>& gamma, const Var<Tensor<T>>& beta,
                          Tensor<T>& running_mean, Tensor<T>& running_variance, const BatchNormOptions& options = {}) {
  return batch_norm_clamp(x, gamma, beta, running_mean, running_variance, Clamp::none, options);
}

/// Batch normalization with the statistics of the batch and ReLU in one pass.
/// Shapes, errors: as batch_norm_clamp
template <class T>
Var<Tensor<T>> batch_norm_relu(const Var<Tensor<T>>& x, const Var<Tensor<T>>& gamma, const Var<Tensor<T>>& beta,
                               Tensor<T>& running_mean, Tensor<T>& running_variance,
                               const BatchNormOptions& options = {}) {
  return batch_norm_clamp(x, gamma, beta, running_mean, running_variance, Clamp::relu, options);
}

/// Batch normalization on the tape with given statistics, an affine map per channel, followed by a clamp.
/// Shapes:    x [..., C], gamma, beta, mean, variance [C] -> y [..., C]
/// Gradient:  as batch_norm_backward, frozen
/// Errors:    Errc::shape if a parameter is not [C]; Errc::range if eps <= 0
template <class T>
Var<Tensor<T>> batch_norm_frozen(const Var<Tensor<T>>& x, const Var<Tensor<T>>& gamma, const Var<Tensor<T>>& beta,
                                 const Tensor<T>& mean, const Tensor<T>& variance, double eps = 1e-5,
                                 Clamp clamp = Clamp::none) {
  detail::check_batch_norm(x.shape(), gamma.shape(), beta.shape(), mean.shape(), variance.shape(), eps);
  return detail::record_batch_norm(
      x, gamma, beta,
      BatchNorm<T>{gamma.value(), beta.value(), Moments{detail::to_double(mean), detail::to_double(variance)}, eps,
                   clamp, true});
}

}  // namespace stet
