#pragma once
// Elementary functions, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/scalar_function.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Elementary& o, NodeContext& c) { return apply_function(c.input(), scalar_function(o)); }

}  // namespace stet::train_op
