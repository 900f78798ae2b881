#pragma once
// int4_weights: an IntegerModel with weight codes that fit two into a byte.

#include <stet/graph/integer_model.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <vector>

namespace stet {

/// Whether runtimes have a kernel of an operator for weights of 4 bits: the reference kernels of LiteRT have no depthwise one.
inline bool has_int4_kernel(const graph::Operator& o) {
  return graph::match(o, [](const auto& x) {
    if constexpr (std::remove_cvref_t<decltype(x)>::form == graph::IntegerForm::layer) {
      return x.int4_kernels;
    } else {
      return false;
    }
  });
}

namespace detail {

// The power of two by which the codes first, first+step, ... are multiples of codes of -7..7; 0 if there is none.
inline int int4_factor(const Tensor<std::int8_t>& codes, std::int64_t first, std::int64_t count) {
  int largest = 0, bits = 0;
  for (std::int64_t i = first; i < first + count; ++i) {
    largest = std::max(largest, std::abs(static_cast<int>(codes[i])));
    bits |= codes[i];
  }
  int factor = 1;
  while (largest > 7 * factor) factor *= 2;
  return (bits & (factor - 1)) == 0 ? factor : 0;
}

// Divides codes and multiplies scales; false, and nothing changed, if the codes are not of 4 bits.
inline bool shrink(LayerConstants& layer) {
  const std::int64_t outputs = layer.bias.size();
  const bool per_channel = layer.weight_scale.size() > 1;
  const std::int64_t group = per_channel ? layer.weights.size() / outputs : layer.weights.size();
  std::vector<int> factors;
  for (std::size_t c = 0; c < layer.weight_scale.size(); ++c) {
    factors.push_back(int4_factor(layer.weights, static_cast<std::int64_t>(c) * group, group));
    if (factors.back() == 0) return false;
  }
  const auto weights = layer.weights.edit();
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<std::int8_t>(weights[i] / factors[i / static_cast<std::size_t>(group)]);
  }
  const auto bias = layer.bias.edit();
  for (std::size_t c = 0; c < bias.size(); ++c) {
    const int factor = factors[per_channel ? c : 0];
    bias[c] = static_cast<std::int32_t>(std::nearbyint(static_cast<double>(bias[c]) / factor));
  }
  for (std::size_t c = 0; c < factors.size(); ++c) layer.weight_scale[c] *= static_cast<float>(factors[c]);
  return true;
}

}  // namespace detail

/// The same network with weight codes of -7..7 in every convolution and linear layer whose codes are such codes times a
/// power of two, which is how weights of up to 4 bits are stored (docs/design.md, Numerical rules). The scale grows by
/// that power, and the bias, which counts in that scale, loses as many bits: this is another network, and the engine shows
/// what it is worth. Depthwise convolutions stay: the reference kernels of LiteRT have none of 4 bits.
/// Rounding:  bias half to even
/// Errors:    Errc::unsupported if no layer has such codes
inline IntegerModel int4_weights(IntegerModel model) {
  bool any = false;
  for (IntegerNode& node : model.nodes) {
    if (has_int4_kernel(node.op)) any = detail::shrink(node.constants) || any;
  }
  require(any, Errc::unsupported,
          "int4_weights: no convolution or linear layer has weights of 4 bits; train with symmetric(4)");
  return model;
}

}  // namespace stet
