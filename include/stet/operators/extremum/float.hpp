#pragma once
// Maxima and minima, from graph to tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/extremum.hpp>

namespace stet::train_op {

inline Var<Tensor<float>> forward(const graph::op::Extremum& o, NodeContext& c) { return extremum(c.input(0), c.input(1), o.largest); }

}  // namespace stet::train_op
