#pragma once
// The exponential linear unit in .onnx: written and read. Codes are looked up in a table.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>
#include <stet/io/onnx/steps.hpp>

#include <cmath>

namespace stet::onnx {

inline void write(const graph::op::Elu& o, FloatWriter& w) { w.emit_computed(o, "Elu", {attribute("alpha", o.alpha)}); }
inline void write(const graph::op::Elu& o, IntegerWriter& w) { w.emit_lookup(w.resolve(o)); }

inline void read_elu(Importer& g, Attributes& a) { g.give_same(graph::op::Elu{a.real("alpha", 1.0f)}); }

/// CELU, which is an ELU where alpha is 1, and otherwise alpha times that of x/alpha.
inline void read_celu(Importer& g, Attributes& a) {
  const float alpha = a.real("alpha", 1.0f);
  require(std::isfinite(alpha) && alpha > 0.0f, Errc::unsupported, "attribute alpha is {}, must be positive", alpha);
  if (alpha == 1.0f) return g.give_same(graph::op::Elu{});
  g.give(times(g, stepped(g, graph::op::Elu{}, times(g, g.value(), 1.0f / alpha)), alpha));
}

inline constexpr OperatorReader elu_readers[] = {{"Celu", read_celu}, {"Elu", read_elu}};

}  // namespace stet::onnx
