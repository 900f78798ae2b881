#pragma once
// The input of a graph, from graph to tape.

#include <stet/model/node_context.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Input&, NodeContext& c) { return c.input(); }

}  // namespace stet::train_op
