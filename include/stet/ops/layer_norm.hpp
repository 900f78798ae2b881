#pragma once
// Layer normalization: every row of the last axis by its own mean and variance.

#include <stet/autograd/tape.hpp>
#include <stet/core/parallel.hpp>
#include <stet/ops/channel_sums.hpp>

#include <cmath>
#include <cstdint>
#include <tuple>
#include <utility>

namespace stet {

namespace detail {

// Mean and 1/sqrt(biased variance + eps) of one row, in double.
struct RowMoments {
  double mean, inverse;
};
template <class T>
RowMoments row_moments(const T* x, std::int64_t n, double eps) {
  double sum = 0, squares = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
  const double mean = sum / static_cast<double>(n);
  for (std::int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(x[i]) - mean;
    squares += d * d;
  }
  return {mean, 1.0 / std::sqrt(squares / static_cast<double>(n) + eps)};
}

// Calls f(row, offset, length) for every row of the last axis, in parallel.
template <class F>
void for_each_normalized_row(const Shape& shape, F&& f) {
  const std::int64_t n = shape.back();
  parallel_chunks(shape.elements() / n, n * 4, [&](Chunk rows) {
    for (std::int64_t r = rows.first; r < rows.last; ++r) f(r, r * n, n);
  });
}

}  // namespace detail

/// Normalizes every row by its own mean and biased variance, then scales and shifts its elements.
/// Formula:   y[i] = gamma[i] * (x[i] - mean) / sqrt(variance + eps) + beta[i]; mean and variance of the row, in double
/// Shapes:    x [..., C], gamma, beta [C] -> y [..., C]
/// Source:    Ba 2016, arXiv 1607.06450
template <class T>
Tensor<T> layer_norm_forward(const Tensor<T>& x, const Tensor<T>& gamma, const Tensor<T>& beta, double eps) {
  Tensor<T> result(x.shape());
  if (x.empty()) return result;
  T* y = result.edit().data();
  detail::for_each_normalized_row(x.shape(), [&](std::int64_t, std::int64_t offset, std::int64_t n) {
    const T* from = x.data() + offset;
    const detail::RowMoments m = detail::row_moments(from, n, eps);
    for (std::int64_t i = 0; i < n; ++i) {
      const double h = (static_cast<double>(from[i]) - m.mean) * m.inverse;
      y[offset + i] = static_cast<T>(h * static_cast<double>(gamma[i]) + static_cast<double>(beta[i]));
    }
  });
  return result;
}

/// Gradients of a layer normalization.
template <class T>
struct LayerNormGradients {
  Tensor<T> dx{}, dgamma{}, dbeta{};
};

/// Formula:   h = (x - mean) * r, r = 1/sqrt(variance + eps), g = dy * gamma; means over the row:
///            dx = r * (g - mean(g) - h * mean(g*h)); dgamma = sum over rows of dy*h; dbeta = sum over rows of dy
/// Shapes:    x, dy [..., C]
template <class T>
LayerNormGradients<T> layer_norm_backward(const Tensor<T>& x, const Tensor<T>& dy, const Tensor<T>& gamma, double eps) {
  LayerNormGradients<T> result{Tensor<T>(x.shape()), Tensor<T>::zeros(gamma.shape()), Tensor<T>::zeros(gamma.shape())};
  if (x.empty()) return result;
  Tensor<T> products(x.shape());  // dy * h
  T *dx = result.dx.edit().data(), *product = products.edit().data();
  detail::for_each_normalized_row(x.shape(), [&](std::int64_t, std::int64_t offset, std::int64_t n) {
    const T *from = x.data() + offset, *gradient = dy.data() + offset;
    const detail::RowMoments m = detail::row_moments(from, n, eps);
    double sum = 0, dot = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double h = (static_cast<double>(from[i]) - m.mean) * m.inverse;
      const double g = static_cast<double>(gradient[i]) * static_cast<double>(gamma[i]);
      sum += g;
      dot += g * h;
      product[offset + i] = static_cast<T>(static_cast<double>(gradient[i]) * h);
    }
    sum /= static_cast<double>(n);
    dot /= static_cast<double>(n);
    for (std::int64_t i = 0; i < n; ++i) {
      const double h = (static_cast<double>(from[i]) - m.mean) * m.inverse;
      const double g = static_cast<double>(gradient[i]) * static_cast<double>(gamma[i]);
      dx[offset + i] = static_cast<T>(m.inverse * (g - sum - h * dot));
    }
  });
  result.dgamma = channel_sums(products);
  result.dbeta = channel_sums(dy);
  return result;
}

/// Layer normalization over the last axis on the tape; see layer_norm_forward.
/// Gradient:  as layer_norm_backward
/// Errors:    Errc::shape unless gamma and beta are [C] and C is positive; Errc::range unless eps is positive
template <class T>
Var<Tensor<T>> layer_norm(const Var<Tensor<T>>& x, const Var<Tensor<T>>& gamma, const Var<Tensor<T>>& beta,
                          double eps = 1e-5) {
  const Shape& s = x.shape();
  require(s.rank() >= 1 && s.back() > 0, Errc::shape, "layer_norm: input must be [..., C], got {}", s);
  require(gamma.shape() == Shape{s.back()} && beta.shape() == Shape{s.back()}, Errc::shape,
          "layer_norm: gamma {} and beta {} must be [{}] (input {})", gamma.shape(), beta.shape(), s.back(), s);
  require(eps > 0, Errc::range, "layer_norm: eps is {}, must be positive", eps);
  return record(layer_norm_forward(x.value(), gamma.value(), beta.value(), eps), std::tie(x, gamma, beta),
                [x = x.value(), gamma = gamma.value(), eps](const Tensor<T>& dy, auto dx, auto dgamma, auto dbeta) {
                  LayerNormGradients<T> g = layer_norm_backward(x, dy, gamma, eps);
                  if (dx.wanted()) dx.add(std::move(g.dx));
                  if (dgamma.wanted()) dgamma.add(std::move(g.dgamma));
                  if (dbeta.wanted()) dbeta.add(std::move(g.dbeta));
                });
}

}  // namespace stet
