#pragma once
// The input of a graph, from graph to tape.

#include <stet/train/node_context.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Input&, NodeContext& c) { return c.input(); }

}  // namespace stet::train_op
