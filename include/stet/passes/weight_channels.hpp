#pragma once
// Which channels of a layer's input and output a weight joins.

#include <stet/graph/match.hpp>

#include <cstdint>

namespace stet::detail {

// Layers whose channels passes over float models can follow.
inline bool follows_channels(const graph::Operator& op) {
  return graph::is<graph::op::Conv2D>(op) || graph::is<graph::op::DepthwiseConv2D>(op) || graph::is<graph::op::Linear>(op);
}

inline std::int64_t output_channel(const graph::Operator& op, const Shape& w, std::int64_t i) {
  const int axis = graph::channel_axis(op);
  return i / w.product(axis + 1, w.rank()) % w[axis];
}

inline std::int64_t input_channel(const graph::Operator& op, const Shape& w, std::int64_t i) {
  const std::int64_t last = i % w.back();
  if (const auto* depthwise = graph::as<graph::op::DepthwiseConv2D>(op)) return last / depthwise->multiplier;
  const auto* conv = graph::as<graph::op::Conv2D>(op);
  return conv == nullptr ? last : output_channel(op, w, i) / (conv->filters / conv->groups) * w.back() + last;
}

}  // namespace stet::detail
