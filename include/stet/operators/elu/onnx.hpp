#pragma once
// The exponential linear unit in .onnx: written and read. Codes are looked up in a table.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

namespace stet::onnx {

inline void write(const graph::op::Elu& o, FloatWriter& w) { w.emit_computed(o, "Elu", {attribute("alpha", o.alpha)}); }
inline void write(const graph::op::Elu& o, IntegerWriter& w) { w.emit_lookup(w.resolve(o)); }

inline void read_elu(Importer& g, Attributes& a) { g.give_same(graph::op::Elu{a.real("alpha", 1.0f)}); }

/// CELU, which is an ELU where alpha is 1.
inline void read_celu(Importer& g, Attributes& a) {
  const float alpha = a.real("alpha", 1.0f);
  require(alpha == 1.0f, Errc::unsupported, "attribute alpha is {}; only 1 is understood", alpha);
  g.give_same(graph::op::Elu{});
}

inline constexpr OperatorReader elu_readers[] = {{"Celu", read_celu}, {"Elu", read_elu}};

}  // namespace stet::onnx
