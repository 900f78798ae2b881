#pragma once
// Layer normalization in .onnx: written and read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>

#include <utility>
#include <vector>

namespace stet::onnx {

inline void write(const graph::op::LayerNorm& o, FloatWriter& w) {
  w.emit("LayerNormalization",
         {w.get(w.input(), Layout::last), w.vector(graph::Role::gamma, ".gamma"), w.vector(graph::Role::beta, ".beta")},
         Layout::last, {attribute("axis", -1), attribute("epsilon", o.eps)});
}

inline void read_layer_norm(Importer& g, Attributes& a) {
  Arrangement x = g.arranger.ordered(g.value());
  require(!x.dims.empty() && sample_axis(a.integer("axis", -1), x.dims.size()) + 1 == static_cast<int>(x.dims.size()),
          Errc::unsupported, "attribute axis: only the last dimension is understood");
  a.expect("stash_type", 1);
  const Constant& scale = g.reals(1, "scale");
  const std::int64_t channels = x.dims.back();
  require(scale.size() == at(channels), Errc::unsupported, "scale has {} numbers for {} channels", scale.size(),
          channels);
  std::vector<float> beta(at(channels), 0.0f);
  if (g.has_input(2)) beta = g.reals(2, "bias").reals;
  require(beta.size() == at(channels), Errc::unsupported, "bias has {} numbers for {} channels", beta.size(), channels);
  if (x.axis.back() != g.graph.node(x.node).shape.rank() - 1) {  // elsewhere than last
    x = Arranger::make(g.arranger.arrange(x, natural_order(x.dims.size())), x.dims, natural_order(x.dims.size()));
  }
  const int id = g.add(graph::op::LayerNorm{a.real("epsilon", 1e-5f)}, {x.node}, scale.name);
  g.assign(id, graph::Role::gamma, scale.reals, scale.name);
  if (g.has_input(2)) {
    g.assign(id, graph::Role::beta, std::move(beta), g.constant(2, "bias").name);
  } else {
    g.assign_made(id, graph::Role::beta, std::move(beta));
  }
  x.node = id;
  x.name.clear();
  g.give(std::move(x));
}

inline constexpr OperatorReader layer_norm_readers[] = {{"LayerNormalization", read_layer_norm}};

}  // namespace stet::onnx
