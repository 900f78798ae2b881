#pragma once
// The requantization of a layer under a target: the one place that says which rule and bounds a layer uses.

#include <stet/integer/requantizer.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/qparams.hpp>

#include <cstdint>
#include <span>

namespace stet::integer {

/// Layers with weights.
enum class LayerKind { convolution, depthwise, linear };

/// Requantization of a layer as the target does it.
/// Shapes:    weight_scale one or one per channel; bias one per channel
/// Errors:    as clamp_bounds and make_requantizer
inline Requantizer layer_requantizer(const Target& target, LayerKind kind, const QParams& input,
                                     std::span<const float> weight_scale, std::span<const std::int32_t> bias,
                                     const QParams& output, Activation activation) {
  const Requantization rule = kind == LayerKind::convolution ? target.convolution
                              : kind == LayerKind::depthwise ? target.depthwise
                                                             : target.linear;
  const Bounds bounds =
      clamp_bounds(target.weighted_clamp, activation, output.scale[0], output.zero_point[0], output.grid);
  return make_requantizer(rule, input.scale[0], weight_scale, output.scale[0], output.zero_point[0], bias, bounds.lo,
                          bounds.hi, activation != Activation::none);
}

}  // namespace stet::integer
