#pragma once
// Initial values of parameters and buffers.

#include <stet/core/random.hpp>
#include <stet/core/tensor.hpp>
#include <stet/graph/op/spec.hpp>

#include <cmath>

namespace stet::graph {

/// Number of inputs that one output of a weight sums up: taps times input channels for OHWI and [out,in] weights, taps
/// alone for depthwise ones [1,kh,kw,C].
inline std::int64_t fan_in(const Shape& weight) {
  const bool depthwise = weight.rank() == 4 && weight[0] == 1;
  return depthwise ? weight[1] * weight[2] : weight.product(1, weight.rank());
}

/// Makes the initial value of a parameter or buffer.
/// Formula:   weight: normal, deviation sqrt(2/fan_in), truncated at two deviations before scaling (so the deviation
///            holds after truncation); gamma and variance 1; bias, beta and mean 0
/// Source:    He et al. 2015, equation 10, arXiv 1502.01852; truncation as Keras he_normal
inline Tensor<float> initial_value(const ParameterSpec& spec, Rng rng) {
  if (spec.role == Role::gamma || spec.role == Role::variance) return Tensor<float>::filled(spec.shape, 1.0f);
  if (spec.role != Role::weight) return Tensor<float>::zeros(spec.shape);
  constexpr double truncated = 0.87962566103423978;  // deviation of a normal that is cut at two deviations
  const double scale = std::sqrt(2.0 / static_cast<double>(fan_in(spec.shape))) / truncated;
  Tensor<float> value(spec.shape);
  for (float& x : value.edit()) {
    double z = rng.normal();
    while (std::abs(z) > 2.0) z = rng.normal();
    x = static_cast<float>(scale * z);
  }
  return value;
}

}  // namespace stet::graph
