#pragma once
// int16_scales: which values of a float model become 16-bit codes, and their scales.

#include <stet/graph/activation_ranges.hpp>
#include <stet/graph/graph.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace stet::onnx {

/// Scales of codes -32767..32767 that reach to the larger end of each value's range; 0 for a value that stays as it is,
/// because it only moves codes or because the activation behind it decides.
/// Formula:   s = max(|lo|, |hi|) / 32767, or 1/32767 if that is 0
/// Errors:    as check() of ranges
inline std::vector<float> int16_scales(const Graph& graph, const ActivationRanges& ranges) {
  check("save_onnx: int16x8", ranges, graph);
  std::vector<float> scales;
  for (int id = 0; id < graph.size(); ++id) {
    const graph::Operator& o = graph.node(id).op;
    const std::vector<int> readers = graph.consumers(id);
    bool activated = readers.size() == 1 && !graph.is_output(id);
    if (activated) {
      const graph::Operator& next = graph.node(readers[0]).op;
      activated = graph::clamp_of(next) != integer::Activation::none || graph::is<graph::op::BatchNorm>(next);
    }
    const Range& r = ranges.of_node[static_cast<std::size_t>(id)];
    const float scale = std::max(std::fabs(r.lo), std::fabs(r.hi)) / 32767.0f;
    const bool usable = scale > 0.0f && std::isfinite(1.0f / scale);
    scales.push_back(graph::keeps_values(o) || activated ? 0.0f : usable ? scale : 1.0f / 32767.0f);
  }
  return scales;
}

}  // namespace stet::onnx
