// Random quantized layers and their float twins in double, for the tests of live and frozen layers.
#pragma once

#include <stet/core/random.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>
#include <stet/ops/linear.hpp>
#include <stet/qat/convolution.hpp>
#include <stet/qat/fold.hpp>
#include <stet/qat/layer_kernels.hpp>
#include <stet/qat/linear.hpp>
#include <stet/quant/qtensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace stet_test {

enum class LayerKind { conv2d, grouped, depthwise, linear };

inline stet::Tensor<double> doubles(const stet::Tensor<float>& x) {
  stet::Tensor<double> y(x.shape());
  const auto to = y.edit();
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<double>(x.span()[i]);
  return y;
}
inline stet::Tensor<float> normal(const stet::Shape& shape, stet::Rng& rng, double scale, double centre = 0) {
  stet::Tensor<float> t(shape);
  for (float& v : t.edit()) v = static_cast<float>(centre + scale * rng.normal());
  return t;
}
template <class T>
bool same_values(const stet::Tensor<T>& a, const stet::Tensor<T>& b) {
  return a.shape() == b.shape() && std::equal(a.span().begin(), a.span().end(), b.span().begin());
}

/// Random input codes, weights, batch norm and bias of a layer with `channels` outputs.
struct LayerFixture {
  LayerKind kind;
  stet::ConvOptions options{};
  stet::Product product = stet::linear_product();
  stet::QTensor x{};
  stet::Tensor<float> w{}, gamma{}, beta{}, mean{}, variance{}, bias{};

  LayerFixture(LayerKind k, std::int64_t channels, stet::Rng& rng) : kind(k) {
    using stet::Shape;
    Shape input{4, 7, 6, channels}, weights{1, 3, 3, channels};
    if (kind == LayerKind::conv2d) {
      options = {.stride = {2, 1}, .padding = stet::Padding::of(1, 0, 2, 1), .dilation = {1, 2}};
      product = stet::conv2d_product(options);
      input = {4, 7, 6, 5};
      weights = {channels, 3, 2, 5};
    } else if (kind == LayerKind::grouped) {
      options = {.groups = 2};
      product = stet::conv2d_product(options);
      input = {4, 7, 6, 6};
      weights = {channels, 3, 3, 3};
    } else if (kind == LayerKind::depthwise) {
      options = {.stride = {1, 2}};
      product = stet::depthwise_product(options);
    } else {
      input = {40, 19};
      weights = {channels, 19};
    }
    x = {stet::Tensor<std::int8_t>(input), stet::QParams::per_tensor(0.05f, -17)};
    for (auto& q : x.codes.edit()) q = static_cast<std::int8_t>(static_cast<int>(rng.below(256)) - 128);
    w = normal(weights, rng, 0.3);
    const Shape c{channels};
    gamma = normal(c, rng, 0.8);
    beta = normal(c, rng, 0.5, 0.3);
    mean = normal(c, rng, 0.3);
    bias = normal(c, rng, 0.3);
    variance = normal(c, rng, 1.0);
    // No gamma near 0: those channels have a test of their own.
    for (float& v : gamma.edit()) v += v < 0.0f ? -0.2f : 0.2f;
    for (float& v : variance.edit()) v = 4.0f + std::fabs(v);
  }

  template <class T>
  stet::Var<stet::Tensor<T>> real_product(const stet::Var<stet::Tensor<T>>& a, const stet::Var<stet::Tensor<T>>& b) const {
    if (kind == LayerKind::depthwise) {
      return depthwise_conv2d(a, b, {.stride = options.stride, .padding = options.padding, .dilation = options.dilation});
    }
    return kind == LayerKind::linear ? linear(a, b) : conv2d(a, b, options);
  }
};

inline stet::Tensor<double> real_values(const stet::QTensor& q) {
  stet::Tensor<double> y(q.shape());
  const auto to = y.edit();
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] = static_cast<double>(q.params.scale[0]) * (q.codes.span()[i] - q.params.zero_point[0]);
  }
  return y;
}
/// What weight codes stand for before k is applied.
template <class K>
stet::Tensor<double> real_weights(const stet::WeightCodes& w, int axis, const std::vector<K>& k) {
  stet::Tensor<double> y(w.codes.shape());
  const stet::ScaleMap channel = stet::channel_of(w.codes.shape(), axis);
  const auto to = y.edit();
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto c = static_cast<std::size_t>(channel.index(static_cast<std::int64_t>(i)));
    to[i] = static_cast<double>(w.codes.span()[i]) * static_cast<double>(w.scale[w.scale.size() == 1 ? 0 : c]) /
            (w.scale.size() == 1 ? static_cast<double>(k[c]) : 1.0);
  }
  return y;
}

inline stet::OutputCodes output_codes(const stet::QParams& p, stet::integer::Activation activation) {
  const auto b = stet::integer::clamp_bounds(stet::integer::ClampRule::half_even, activation, p.scale[0], p.zero_point[0]);
  return {p.scale[0], p.zero_point[0], b.lo, b.hi, activation.rectifies()};
}

/// None, those of runtimes, and bounds of one's own.
inline constexpr stet::integer::Activation tested_activations[] = {
    stet::integer::Activation::none, stet::integer::Activation::relu, stet::integer::Activation::relu6, {-0.5f, 0.25f}};

/// Output scale under which some elements are clipped; layers before ReLU6 are made larger, so that 6 is reached.
inline stet::QParams fixture_output(LayerFixture& f, stet::integer::Activation activation) {
  if (!activation.rectifies()) return stet::QParams::per_tensor(0.006f, 5);
  if (activation == stet::integer::Activation::relu) return stet::QParams::per_tensor(0.007f, -128);
  for (float& v : f.gamma.edit()) v *= 5.0f;
  return stet::QParams::per_tensor(0.029f, -128);
}

/// Which elements pass their gradient by the definition of the codes.
struct Passing {
  std::vector<bool> pass, border;  ///< border: real value too near a change of code or mask to decide here
  int wrong = 0, clipped = 0;
};
inline Passing expected_codes(const stet::Tensor<double>& y, const stet::OutputCodes& out,
                              const stet::Tensor<std::int8_t>& codes) {
  Passing p;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const double steps = y[i] / static_cast<double>(out.scale);
    const double whole = std::nearbyint(steps);
    const bool border = std::fabs(std::fabs(steps - whole) - 0.5) < 1e-3 || std::fabs(steps) < 1e-3;
    const double code = whole + out.zero_point;
    const bool pass = code >= out.lo && code <= out.hi && (!out.relu || steps > 0);
    p.pass.push_back(pass);
    p.border.push_back(border);
    p.clipped += pass ? 0 : 1;
    if (!border && std::clamp(code, static_cast<double>(out.lo), static_cast<double>(out.hi)) != codes[i]) ++p.wrong;
  }
  return p;
}
/// A random gradient that leaves the undecided elements out.
inline stet::Tensor<float> random_gradient(const stet::Shape& shape, stet::Rng& rng, const Passing& p) {
  stet::Tensor<float> dy = normal(shape, rng, 1.0);
  for (std::size_t i = 0; i < p.border.size(); ++i) {
    if (p.border[i]) dy.edit()[i] = 0.0f;
  }
  return dy;
}
inline stet::Tensor<double> masked(const stet::Tensor<float>& dy, const Passing& p) {
  stet::Tensor<double> g = doubles(dy);
  for (std::size_t i = 0; i < p.pass.size(); ++i) {
    if (!p.pass[i]) g.edit()[i] = 0.0;
  }
  return g;
}

/// Largest difference relative to the largest element.
inline double relative_error(const stet::Tensor<float>& got, const stet::Tensor<double>& want) {
  if (got.shape() != want.shape()) return 1e300;
  double error = 0, size = 1e-30;
  for (std::int64_t i = 0; i < want.size(); ++i) {
    error = std::max(error, std::fabs(static_cast<double>(got[i]) - want[i]));
    size = std::max(size, std::fabs(want[i]));
  }
  return error / size;
}

/// Gradient of the logarithm of the output's scale by its formula, from the real values before rounding.
inline double log_scale_gradient(const stet::Tensor<float>& dy, const stet::QTensor& y, const stet::Tensor<double>& g,
                                 const stet::Tensor<double>& real) {
  double sum = 0;
  const int zero = y.params.zero_point[0];
  for (std::int64_t i = 0; i < dy.size(); ++i) {
    sum += static_cast<double>(dy[i]) * static_cast<double>(y.params.scale[0]) * (y.codes[i] - zero) - g[i] * real[i];
  }
  const double features = static_cast<double>(dy.size() / dy.shape()[0]);
  return sum / std::sqrt(features * std::max(1, y.params.grid.hi - zero));
}

}  // namespace stet_test
