#pragma once
// Operators that are kept in float in .onnx files of codes: float operators between DequantizeLinear and QuantizeLinear.

#include <stet/graph/graph.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <concepts>
#include <cstdint>

namespace stet::onnx {

/// That of the operator itself. A template, because which operators have one is known where all are.
template <std::same_as<graph::op::Real> Op>
std::int64_t least_opset(const Op& o, OperatorSets sets) {
  return graph::match(function_of(o).graph().nodes().back().op, [&](const auto& x) -> std::int64_t {
    if constexpr (requires { least_opset(x, sets); }) return least_opset(x, sets);
    return 0;
  });
}
inline void write(const graph::op::Real& o, IntegerWriter& w) { w.emit_real(function_of(o)); }
inline void write(const graph::op::Real& o, FloatWriter& w) {
  fail(Errc::unsupported, "save_onnx: {}: a {} that is kept in float is no operator of a graph", w.name(), kind(o));
}

}  // namespace stet::onnx
