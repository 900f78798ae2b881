#pragma once
// The scale of activation codes as a trained parameter: its gradient, without keeping the values before rounding.

#include <stet/autograd/tape.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/qat/qvar.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

namespace stet {

/// Trained logarithm of a scale, [1]; absent where the scale is fixed or follows the data.
using LogScale = std::optional<Var<Tensor<float>>>;

namespace detail {

// The same real values on eight bits, for codes of fewer: what orders values that share a code, so that a maximum pool
// hands its gradient to the largest and not to the first.
struct FinerCodes {
  float factor;
  std::int32_t zero_point;
  explicit FinerCodes(const QParams& p)
      : factor(static_cast<float>(256 / p.grid.levels())),
        zero_point((p.zero_point[0] - p.grid.lo) * (256 / p.grid.levels()) - 128) {}
};

// Sum of f(i) over [0, n), in chunks that depend on n alone.
template <class F>
double chunked_sum(std::int64_t n, F f) {
  const std::int64_t chunks = chunk_count(n, 1);
  std::vector<double> parts(static_cast<std::size_t>(chunks), 0.0);
  parallel(chunks, [&](std::int64_t index) {
    const Chunk c = chunk_of(n, chunks, index);
    const float sum = lanes_reduce(
        c.size(), 0.0f, [&](std::int64_t i) { return f(c.first + i); }, [](float a, float b) { return a + b; });
    parts[static_cast<std::size_t>(index)] = static_cast<double>(sum);
  });
  double total = 0.0;
  for (const double part : parts) total += part;
  return total;
}

// Sum of dy times the real values that the codes stand for.
inline double sum_over_codes(const Tensor<float>& dy, const QTensor& y) {
  const float* g = dy.data();
  const std::int8_t* q = y.codes.data();
  const std::int32_t zero = y.params.zero_point[0];
  return static_cast<double>(y.params.scale[0]) *
         chunked_sum(dy.size(), [=](std::int64_t i) { return g[i] * static_cast<float>(q[i] - zero); });
}

inline double inner_product(const Tensor<float>& a, const Tensor<float>& b) {
  const float* x = a.data();
  const float* y = b.data();
  return chunked_sum(a.size(), [=](std::int64_t i) { return x[i] * y[i]; });
}

// Gradient of log s: `passed` is the sum of dy times the real value before rounding, over what was not clipped.
inline Tensor<float> log_scale_gradient(const Tensor<float>& dy, const QTensor& y, double passed) {
  const double features = static_cast<double>(dy.size()) / static_cast<double>(dy.shape()[0]);
  const double top = y.params.grid.hi - y.params.zero_point[0];
  return Tensor<float>::filled(
      Shape{1}, static_cast<float>((sum_over_codes(dy, y) - passed) / std::sqrt(features * (top > 0.0 ? top : 1.0))));
}

}  // namespace detail
}  // namespace stet
