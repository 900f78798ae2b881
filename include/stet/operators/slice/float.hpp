#pragma once
// Slices, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/shape.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Slice& o, NodeContext& c) { return slice(c.input(), o.axis + 1, progression(o)); }

}  // namespace stet::train_op
