#pragma once
// Sums and products with constants: part of the layer before them, else a depthwise 1x1 convolution. A batch norm would
// replace them by batch statistics.

#include <stet/graph/fold_batch_norm.hpp>
#include <stet/io/channel_line.hpp>
#include <stet/io/onnx/importer.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace stet::onnx {

/// y = factor*x + summand, of one number.
struct Line {
  double factor = 1.0, summand = 0.0;
};
using LineOf = Line (*)(double);

namespace detail {

// The line that a constant's elements are, the order of which is `places` if there are any.
inline ChannelLine channel_line(const Constant& c, LineOf line_of, const std::vector<std::size_t>& places = {}) {
  ChannelLine line{std::vector<double>(c.size()), std::vector<double>(c.size())};
  for (std::size_t i = 0; i < c.size(); ++i) {
    const Line one = line_of(static_cast<double>(c.real ? c.reals[i] : static_cast<float>(c.integers[i])));
    require(std::isfinite(one.factor) && std::isfinite(one.summand), Errc::unsupported,
            "the constant '{}' has the value {}", c.name, c.reals[i]);
    const std::size_t to = places.empty() ? i : places[i];
    line.factor[to] = one.factor;
    line.summand[to] = one.summand;
  }
  return line;
}

// Adds the depthwise convolution that computes a line of a node's value; gives the layer and the node with the value.
inline std::pair<int, int> depthwise_line(Importer& g, int from, const ChannelLine& line, const Constant& source) {
  const Shape in = g.graph.node(from).shape;
  const bool image = in.rank() == 3, moves = line.moves();
  require(in.rank() >= 1, Errc::unsupported, "input has no channels");
  const auto channels = at(in.back());
  g.budget.take((line.factor.size() + line.summand.size()) * sizeof(double));
  if (!image) from = g.graph.add(graph::op::Reshape{as_image(in)}, {from}, {}).id();
  const int layer = g.add(graph::op::DepthwiseConv2D{.kernel = 1, .padding = Padding::valid(), .bias = moves}, {from});
  const auto spread = [&](const std::vector<double>& v) {
    std::vector<float> all(channels);
    for (std::size_t c = 0; c < channels; ++c) all[c] = static_cast<float>(ChannelLine::at(v, c));
    return all;
  };
  g.assign_made(layer, graph::Role::weight, spread(line.factor));
  if (moves) g.assign_made(layer, graph::Role::bias, spread(line.summand));
  if (source.size() > 1) g.uses.add(source.name, layer, graph::Role::bias, source.reals);
  return {layer, image ? layer : g.graph.add(graph::op::Reshape{in}, {layer}, {}).id()};
}

// The dimensions along which a constant differs when it is repeated over those of a value (without the batch).
inline std::vector<std::size_t> varied(const Constant& c, const Ints& dims) {
  const Ints own = c.trimmed();
  require(own.size() <= dims.size() && c.dims.size() <= dims.size() + 1, Errc::unsupported,
          "the constant '{}' has {} dimensions, the value has {}", c.name, c.dims.size(), dims.size() + 1);
  std::vector<std::size_t> list;
  for (std::size_t i = 0; i < own.size(); ++i) {
    const std::size_t d = i + dims.size() - own.size();
    if (own[i] == 1) continue;
    require(own[i] == dims[d], Errc::unsupported, "the constant '{}' has {} elements where the value has {}", c.name,
            own[i], dims[d]);
    list.push_back(d);
  }
  return list;
}

// A constant repeated over all dimensions of a value.
inline Constant repeated(Importer& g, const Constant& c, const Ints& dims) {
  const Ints own = c.trimmed();
  const std::int64_t count = product(dims);
  Constant all{.name = c.name, .dims = dims, .real = true};
  g.budget.take(at(count) * sizeof(float));
  std::vector<std::size_t> step(dims.size(), 0);
  const std::vector<std::size_t> stride = strides(own);
  for (std::size_t i = 0; i < own.size(); ++i) step[i + dims.size() - own.size()] = own[i] == 1 ? 0 : stride[i];
  const std::vector<std::size_t> from = places(at(count), dims, step);
  for (const std::size_t i : from) all.reals.push_back(c.reals[i]);
  return all;
}

}  // namespace detail

/// Makes y = line of x, a value of this name, and a constant, which is one number, one per channel or any shape that is repeated over x.
inline void apply_line(Importer& g, const Arrangement& x, const std::string& name, const Constant& c, LineOf line_of) {
  require(c.size() > 0, Errc::unsupported, "the constant operand has no elements");
  const std::vector<std::size_t> along = detail::varied(c, x.dims);
  const std::string& output = g.node->outputs[0];
  g.budget.take(2 * c.size() * sizeof(double));

  // Into the layer before, if nobody else reads it and the constant differs along its channels at most.
  if (const auto open = g.open.find(name); open != g.open.end() && g.read_once(name)) {
    const OpenLayer layer = open->second;
    if (along.empty() || (along.size() == 1 && static_cast<int>(along[0]) == layer.channel)) {
      g.lines[layer.node].then(detail::channel_line(c, line_of));
      g.open[output] = layer;
      return g.give(Arrangement(x));
    }
  }
  const auto give = [&](Arrangement y, const ChannelLine& line, int channel) {
    const auto [layer, node] = detail::depthwise_line(g, y.node, line, c);
    y.node = node;
    y.name.clear();
    g.give(std::move(y));
    g.open[output] = {layer, channel};
  };
  const int last = x.node < 0 ? -1 : g.graph.node(x.node).shape.rank() - 1;
  require(last >= 0, Errc::unsupported, "the value has no dimensions");
  if (along.empty()) {  // in whatever order its elements lie
    const auto channel = x.reordered() ? x.axis.end() : std::find(x.axis.begin(), x.axis.end(), last);
    return give(x, detail::channel_line(c, line_of),
                channel == x.axis.end() ? -1 : static_cast<int>(channel - x.axis.begin()));
  }
  if (x.reordered()) return give(x, detail::channel_line(c, line_of, Arranger::places(x)), -1);
  if (along.size() == 1 && x.axis[along[0]] == last)
    return give(x, detail::channel_line(c, line_of), static_cast<int>(along[0]));
  std::vector<int> order = usual_order(x.dims.size());
  if (along.size() == 1) {
    const auto at_end = std::find(order.begin(), order.end(), static_cast<int>(along[0]));
    std::rotate(at_end, at_end + 1, order.end());
    const int from = g.arranger.arrange(x, order);
    return give(Arranger::make(from, x.dims, order), detail::channel_line(c, line_of), order.back());
  }
  // A number for each element: all of them are channels.
  order = usual_order(x.dims.size());
  const int from = g.arranger.arrange(x, order);
  const Constant all = transposed(detail::repeated(g, c, x.dims), Ints(order.begin(), order.end()));
  const int flat = g.graph.add(graph::op::Flatten{}, {from}, {}).id();
  const auto [layer, node] = detail::depthwise_line(g, flat, detail::channel_line(all, line_of), all);
  g.give(g.graph.add(graph::op::Reshape{g.graph.node(from).shape}, {node}, {}).id(), x.dims, order);
}

inline void apply_line(Importer& g, std::size_t value, const Constant& c, LineOf line_of) {
  apply_line(g, Arrangement(g.value(value)), g.input_name(value), c, line_of);
}

/// The same of a constant operand of the node that is read.
inline void read_line(Importer& g, std::size_t value, std::size_t constant, LineOf line_of) {
  apply_line(g, value, g.reals(constant, "the constant operand"), line_of);
}

/// Puts the lines behind layers into the layers' constants, once all of them are known.
inline void settle_lines(Importer& g) {
  for (const auto& [id, line] : g.lines) {
    std::vector<float>* const weights = g.assigned(id, graph::Role::weight);
    if (weights == nullptr) {  // a batch norm
      std::vector<float>&gamma = *g.assigned(id, graph::Role::gamma), &beta = *g.assigned(id, graph::Role::beta);
      take_in(line, static_cast<std::int64_t>(gamma.size()), 1, gamma, beta);
      continue;
    }
    const graph::Node& node = g.graph.node(id);
    const std::int64_t channels = node.shape.back(), size = static_cast<std::int64_t>(weights->size());
    if (line.moves() && g.assigned(id, graph::Role::bias) == nullptr) {
      g.graph.replace(id, stet::detail::with_bias(node.op));
      g.assign_made(id, graph::Role::bias, std::vector<float>(at(channels), 0.0f));
    }
    std::vector<float>* const bias = g.assigned(id, graph::Role::bias);
    take_in(line, channels, stet::detail::channels_last(g.graph.node(id).op) ? 1 : size / channels,
            *g.assigned(id, graph::Role::weight), bias == nullptr ? std::span<float>() : std::span<float>(*bias));
  }
}

}  // namespace stet::onnx
