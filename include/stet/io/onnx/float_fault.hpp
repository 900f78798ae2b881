#pragma once
// What of a float model .onnx has no form for; by itself, because whoever asks needs no writer.

#include <stet/graph/graph.hpp>

#include <string_view>

namespace stet::onnx {

/// Why ONNX has no form for a node of a float model; empty if it has one.
inline std::string_view float_fault(const graph::Node& node) {
  if (!graph::is<graph::op::Custom>(node.op)) return {};
  return "an operator of your own, which ONNX does not know; replace it by operators of the graph builder";
}
/// The same of the first node that has none.
inline std::string_view float_fault(const Graph& graph) {
  for (const graph::Node& node : graph.nodes()) {
    if (const std::string_view fault = float_fault(node); !fault.empty()) return fault;
  }
  return {};
}

}  // namespace stet::onnx
