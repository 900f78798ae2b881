#pragma once
// Operators that are kept in float, on the tape between codes.

#include <stet/model/forward.hpp>
#include <stet/model/unit_site.hpp>

#include <string>

namespace stet::detail {

// The node of the float graph on reals. A batch norm freezes with all others: its statistics stop, gamma and beta go on. A new
// estimate of statistics is for batch norms alone.
inline Var<Tensor<float>> run_real(const UnitSite& s) {
  const int id = s.unit().node;
  graph::Operator op = s.qat().graph().node(id).op;
  const auto* norm = graph::as<graph::op::BatchNorm>(op);
  NodeContext c(s.tape(), s.qat().model(), s.trains() || norm != nullptr ? s.trained_model() : nullptr, id, s.random());
  if (norm != nullptr && s.momentum()) {
    op = graph::op::BatchNorm{norm->eps, *s.momentum()};
  } else if (norm != nullptr && s.qat().batch_norm_frozen()) {
    c.evaluate();
  }
  for (std::size_t i = 0; i < s.inputs(); ++i) c.add_input(s.real_input(i));
  Var<Tensor<float>> y = run_node(op, c);
  require_finite(formatted("forward: the value of {}", s.unit().deployed.name).c_str(), y.value().span());
  if (s.follows()) s.observe(range_of("forward", s.unit().deployed.name, y.value().span()));
  return y;
}

}  // namespace stet::detail
