#pragma once
// Sums, differences and products, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/elementwise.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Add&, NodeContext& c) { return add(c.input(0), c.input(1)); }
inline Var<Tensor<float>> forward(const graph::op::Sub&, NodeContext& c) { return sub(c.input(0), c.input(1)); }
inline Var<Tensor<float>> forward(const graph::op::Mul&, NodeContext& c) { return mul(c.input(0), c.input(1)); }

}  // namespace stet::train_op
