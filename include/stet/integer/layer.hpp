#pragma once
// A layer on codes: its constants, and its requantization under a target.

#include <stet/core/tensor.hpp>
#include <stet/integer/requantizer.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/affine.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace stet {

/// What a layer on codes computes with.
/// Shapes:    weights as those of the float layer; weight_scale one, or one per output channel; bias [channels]
/// Units:     weight_scale real per step; bias in steps of input scale * weight scale
struct LayerConstants {
  Tensor<std::int8_t> weights{};
  std::vector<float> weight_scale{};
  Tensor<std::int32_t> bias{};

  /// Weight scale of an output channel, also where one stands for all.
  [[nodiscard]] float scale(std::size_t channel) const { return weight_scale[weight_scale.size() == 1 ? 0 : channel]; }
};

}  // namespace stet

namespace stet::integer {

/// Requantization of a layer as the target does it, by its rule for the operator.
/// Shapes:    weight_scale one or one per channel; bias one per channel
/// Errors:    as clamp_bounds and make_requantizer
inline Requantizer layer_requantizer(const Target& target, Requantization rule, const Affine& input,
                                     std::span<const float> weight_scale, std::span<const std::int32_t> bias,
                                     const Affine& output, Activation activation) {
  const Bounds bounds =
      clamp_bounds(target.weighted_clamp, activation, output.scale, output.zero_point, output.grid);
  return make_requantizer(rule, input.scale, weight_scale, output.scale, output.zero_point, bias, bounds.lo,
                          bounds.hi, activation.rectifies());
}

}  // namespace stet::integer
