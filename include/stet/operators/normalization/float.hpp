#pragma once
// Batch normalization, from graph to tape, with the clamp of a fused activation.

#include <stet/model/node_context.hpp>

namespace stet::train_op {

// A batch norm in evaluation as the tail of the layer in front of it.
inline ScaleShift<float> prepared_tail(const graph::op::BatchNorm& o, NodeContext& c, Clamp clamp) {
  const Moments moments{stet::detail::to_double(c.buffer("mean")), stet::detail::to_double(c.buffer("variance"))};
  return {c.parameter("gamma").value(), c.parameter("beta").value(), moments, static_cast<double>(o.eps), clamp};
}

inline Var<Tensor<float>> forward(const graph::op::BatchNorm& o, NodeContext& c) {
  const Var<Tensor<float>> gamma = c.parameter("gamma"), beta = c.parameter("beta");
  const auto eps = static_cast<double>(o.eps);
  if (c.mode() == Mode::evaluation || c.frozen()) {
    return batch_norm_frozen(c.input(), gamma, beta, c.buffer("mean"), c.buffer("variance"), eps, c.clamp());
  }
  return batch_norm_clamp(c.input(), gamma, beta, c.moving_buffer("mean"), c.moving_buffer("variance"), c.clamp(),
                          {.eps = eps, .momentum = static_cast<double>(o.momentum)});
}

}  // namespace stet::train_op
