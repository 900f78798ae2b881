#pragma once
// Operators that are kept in float stand in networks of integers only: in a graph they are what they are.

#include <stet/model/node_context.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Real& o, NodeContext& c) {
  fail(Errc::unsupported, "{}: a {} that is kept in float is no operator of a graph", c.node().name, kind(o));
}

}  // namespace stet::train_op
