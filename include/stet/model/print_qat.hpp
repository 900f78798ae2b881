#pragma once
// Printing a QatModel: the network that will be deployed as a drawing, as far as it is known.

#include <stet/graph/print_integer.hpp>
#include <stet/model/qat_model.hpp>

#include <string>
#include <vector>

namespace stet {

/// The units of a quantized model in Graphviz's language: `dot -Tsvg`. A box has bits, scale and zero point of the value that
/// its unit makes, and the bits of its weights. A value without a range yet says so.
inline std::string dot(const QatModel& qat) {
  std::vector<graph::detail::Box> boxes;
  for (const Unit& unit : qat.units()) {
    const Shape& shape = qat.graph().node(unit.output).shape;
    const Quantizer& q = qat.quantizer(unit.quantizer);
    const std::string weights =
        unit.has_weights() ? formatted("\\nweights of {} bits per {}", unit.weights.bits(), unit.weights.per_channel() ? "channel" : "tensor")
                           : "";
    if (q.calibrated()) {
      boxes.push_back({detail::box_text(unit.deployed, shape, affine(q.params()), weights)});
    } else {
      boxes.push_back({formatted("{}\\n{}{}\\nno range yet", graph::detail::title(unit.deployed.name, unit.op()), shape, weights)});
    }
    boxes.back().output = qat.graph().is_output(unit.output);
    boxes.back().from = unit.deployed.inputs;
  }
  return graph::detail::drawing(boxes);
}

}  // namespace stet
