#pragma once
// Batch norm in .onnx: written and read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace stet::onnx {

inline void write(const graph::op::BatchNorm& o, FloatWriter& w) {
  w.emit("BatchNormalization",
         {w.get(w.input(), Layout::first), w.vector(graph::Role::gamma, ".gamma"), w.vector(graph::Role::beta, ".beta"),
          w.vector(graph::Role::mean, ".mean"), w.vector(graph::Role::variance, ".variance")},
         Layout::first, {attribute("epsilon", o.eps), attribute("momentum", 1.0f - o.momentum)});
}

inline void read_batch_norm(Importer& g, Attributes& a) {
  const Arrangement& x = g.value();
  require(!x.dims.empty(), Errc::unsupported, "input has no channels");
  // Running statistics are its inputs in either mode; before opset 14 more outputs than one say that it trains, before
  // opset 7 is_test.
  bool trains = a.integer("training_mode", 0) != 0;
  if (g.opset > 0 && g.opset < 7) trains = a.integer("is_test", 0) == 0;
  for (std::size_t i = 1; i < g.node->outputs.size(); ++i) trains = trains || !g.node->outputs[i].empty();
  if (trains) g.training.push_back(g.label());
  a.ignore("consumed_inputs");
  a.expect("spatial", 1);
  // To six decimals, because 1 - 0.9f is not 0.1f.
  const double momentum = std::round((1.0 - static_cast<double>(a.real("momentum", 0.9f))) * 1e6) / 1e6;
  const graph::op::BatchNorm op{a.real("epsilon", 1e-5f), static_cast<float>(momentum)};
  std::vector<int> order = natural_order(x.dims.size());
  std::rotate(order.begin(), order.begin() + 1, order.end());  // channels last
  // Where the channels lie last already, as in an image of height 1, nothing is moved.
  const Shape& now = g.graph.node(x.node).shape;
  const bool in_place = x.reordered() || (now.rank() > 0 && x.axis[0] == now.rank() - 1);
  const int from = in_place ? x.node : g.arranger.arrange(x, order);
  require(g.reals(1, "scale").size() == at(x.dims[0]), Errc::unsupported, "scale has {} numbers for {} channels",
          g.reals(1, "scale").size(), x.dims[0]);
  const std::vector<std::size_t> places = x.reordered() ? Arranger::places(x) : std::vector<std::size_t>();
  std::vector<std::vector<float>> numbers;
  for (std::size_t i = 1; i <= 4; ++i) {
    std::vector<float> v = g.reals(i, "scale, bias, mean or variance").reals;
    require(v.size() == at(x.dims[0]), Errc::unsupported, "input {} has {} numbers for {} channels", i, v.size(),
            x.dims[0]);
    for (std::size_t j = 0; j < places.size(); ++j) v[places[j]] = g.reals(i, "scale").reals[j];
    numbers.push_back(std::move(v));
  }
  const int id = g.add(op, {from}, g.reals(1, "scale").name);
  const graph::Role roles[] = {graph::Role::gamma, graph::Role::beta, graph::Role::mean, graph::Role::variance};
  for (std::size_t i = 0; i < 4; ++i) g.assign(id, roles[i], std::move(numbers[i]), g.constant(i + 1, "input").name);
  g.open[g.node->outputs[0]] = {id, x.reordered() ? -1 : 0};
  if (!in_place) return g.give(id, x.dims, order);
  Arrangement y = x;
  y.node = id;
  y.name.clear();
  g.give(std::move(y));
}

inline constexpr OperatorReader normalization_readers[] = {{"BatchNormalization", read_batch_norm}};

}  // namespace stet::onnx
