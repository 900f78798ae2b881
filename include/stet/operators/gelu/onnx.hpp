#pragma once
// The Gaussian error linear unit in .onnx: written and read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <string>

namespace stet::onnx {

constexpr std::int64_t least_opset(const graph::op::Gelu&, OperatorSets) { return 20; }
void write(const graph::op::Gelu& o, auto& w) {
  w.emit_computed(o, "Gelu", {attribute("approximate", o.tanh ? "tanh" : "none")});
}

inline void read_gelu(Importer& g, Attributes& a) {
  const std::string by = a.text("approximate", "none");
  require(by == "none" || by == "tanh", Errc::unsupported, "attribute approximate is {}, must be none or tanh", by);
  g.give_same(graph::op::Gelu{.tanh = by == "tanh"});
}

inline constexpr OperatorReader gelu_readers[] = {{"Gelu", read_gelu}};

}  // namespace stet::onnx
