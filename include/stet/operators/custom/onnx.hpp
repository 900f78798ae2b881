#pragma once
// Operators of the user's own in .onnx: functions of one number among codes are tables; floats have no operator for them.

#include <stet/io/onnx/float_fault.hpp>
#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

namespace stet::onnx {

/// Refuses the nodes of a float model that ONNX has no form for.
/// Errors:    Errc::unsupported listing all of them
inline void check_float(const Graph& graph) {
  std::string refused;
  for (const graph::Node& node : graph.nodes()) {
    const std::string_view fault = float_fault(node);
    if (!fault.empty()) refused += formatted("\n  {}: a {} is {}", node.name, kind(node.op), fault);
  }
  require(refused.empty(), Errc::unsupported, "save_onnx: these nodes cannot be written:{}", refused);
}
inline void write(const graph::op::Custom& o, IntegerWriter& w) { w.emit_lookup(w.resolve(o)); }
inline void write(const graph::op::Custom&, FloatWriter& w) {  // the checks before have seen to it
  fail(Errc::unsupported, "save_onnx: {} cannot be written", w.name());
}

}  // namespace stet::onnx
