#pragma once
// Operators of the user's own, on the tape.

#include <stet/model/node_context.hpp>
#include <stet/ops/scalar_function.hpp>

namespace stet {

/// Capability of a CustomOp to run in float: derive an operator from graph::CustomOp and from this.
class TapeOp {
 public:
  virtual ~TapeOp() = default;
  /// Computes the node's value from context.input(i) and context.parameter(suffix); record() gives it a gradient.
  /// Shapes:    as the operator's infer says, with the batch in front
  [[nodiscard]] virtual Var<Tensor<float>> forward(NodeContext& context) const = 0;
};

}  // namespace stet

namespace stet::train_op {

inline bool on_tape(const graph::op::Custom& o) {
  return dynamic_cast<const TapeOp*>(o.op.get()) != nullptr || graph::op::scalar_function(o) != nullptr;
}

inline Var<Tensor<float>> forward(const graph::op::Custom& o, NodeContext& c) {
  const auto* op = dynamic_cast<const TapeOp*>(o.op.get());
  if (const auto f = graph::op::scalar_function(o); f != nullptr && op == nullptr) return apply_function(c.input(0), f);
  require(op != nullptr, Errc::unsupported,
          "{}: operator '{}' cannot run on the tape; derive it from stet::TapeOp, or from stet::graph::ScalarOp if it is a "
          "function of one number",
          c.node().name, o.op->kind());
  Var<Tensor<float>> y = op->forward(c);
  require(y.shape() == c.node().shape.batched(c.batch()), Errc::shape, "{}: forward made {}, infer promised {}",
          c.node().name, y.shape(), c.node().shape.batched(c.batch()));
  return y;
}

}  // namespace stet::train_op
