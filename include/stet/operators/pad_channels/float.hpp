#pragma once
// Padding of channels, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/shape.hpp>

#include <cstddef>
#include <vector>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::PadChannels& o, NodeContext& c) {
  std::vector<Margin> margins(static_cast<std::size_t>(c.input().shape().rank()));
  margins.back() = {o.before, o.after};
  return pad(c.input(), std::move(margins));
}

}  // namespace stet::train_op
