#pragma once
// Upsampling, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/upsample.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Upsample& o, NodeContext& c) { return upsample(c.input(), o.factor); }

}  // namespace stet::train_op
