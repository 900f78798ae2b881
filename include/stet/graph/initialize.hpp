#pragma once
// Initial values of parameters and buffers.

#include <stet/core/random.hpp>
#include <stet/core/tensor.hpp>
#include <stet/graph/operator_spec.hpp>

#include <cmath>

namespace stet::graph {

/// Makes the initial value of a parameter or buffer.
/// Formula:   weight: uniform on [-a, a], a = sqrt(6/(fan_in + fan_out)), fan_in = taps * last dimension, fan_out =
///            taps * first dimension of [O,kh,kw,I], [1,kh,kw,C] or [out,in]; gamma and variance 1; bias, beta, mean 0
/// Before batch norm the length of the weights changes no value, only how large a step of the optimizer is relative to
/// them; this is the default of Keras, so that comparisons with it start alike.
/// Source:    Glorot and Bengio 2010, equation 16
inline Tensor<float> initial_value(const ParameterSpec& spec, Rng rng) {
  if (spec.role == Role::gamma || spec.role == Role::variance) return Tensor<float>::filled(spec.shape, 1.0f);
  if (spec.role != Role::weight) return Tensor<float>::zeros(spec.shape);
  const Shape& w = spec.shape;
  const std::int64_t taps = w.product(1, w.rank() - 1);
  const double limit = std::sqrt(6.0 / static_cast<double>(taps * (w.back() + w[0])));
  Tensor<float> value(w);
  for (float& x : value.edit()) x = static_cast<float>(rng.uniform(-limit, limit));
  return value;
}

}  // namespace stet::graph
