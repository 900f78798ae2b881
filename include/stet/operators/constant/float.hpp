#pragma once
// Constant codes stand in networks of integers alone.

#include <stet/model/node_context.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Constant&, NodeContext& c) {
  fail(Errc::unsupported, "{}: a constant is no operator of a graph of floats", c.node().name);
}

}  // namespace stet::train_op
