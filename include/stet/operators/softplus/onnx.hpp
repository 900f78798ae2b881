#pragma once
// Softplus in .onnx: written and read. Codes are looked up in a table.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

namespace stet::onnx {

inline void write(const graph::op::Softplus& o, FloatWriter& w) { w.emit_computed(o, "Softplus"); }
inline void write(const graph::op::Softplus& o, IntegerWriter& w) { w.emit_lookup(w.resolve(o)); }

inline void read_softplus(Importer& g, Attributes&) { g.give_same(graph::op::Softplus{}); }

inline constexpr OperatorReader softplus_readers[] = {{"Softplus", read_softplus}};

}  // namespace stet::onnx
