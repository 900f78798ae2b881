#pragma once
// The hard sigmoid in .onnx: written and read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <cmath>
#include <utility>

namespace stet::onnx {

void write(const graph::op::HardSigmoid& o, auto& w) {
  w.emit_computed(o, "HardSigmoid", {attribute("alpha", o.alpha), attribute("beta", o.beta)});
}

/// HardSigmoid; where it is a part of x * HardSigmoid(x) with slope 1/6, it is left to the product, which is a HardSwish.
inline void read_hard_sigmoid(Importer& g, Attributes& a) {
  const float alpha = a.real("alpha", 0.2f), beta = a.real("beta", 0.5f);
  bool part = std::abs(alpha - 1.0f / 6.0f) < 1e-6f && beta == 0.5f && !g.is_output(g.node->outputs[0]);
  for (const NodeInfo* reader : g.readers(g.node->outputs[0])) {
    part = part && reader->op_type == "Mul" && reader->inputs.size() == 2 &&
           (reader->inputs[0] == g.node->inputs[0] || reader->inputs[1] == g.node->inputs[0]);
  }
  if (!part) return g.give_same(graph::op::HardSigmoid{alpha, beta});
  Arrangement y = g.value();
  y.name = "hard_sigmoid of " + g.node->inputs[0];
  y.node = -1;  // read by the Mul behind it and nobody else
  g.give(std::move(y));
}

inline constexpr OperatorReader hard_sigmoid_readers[] = {{"HardSigmoid", read_hard_sigmoid}};

}  // namespace stet::onnx
