#pragma once
// Batch norm in .onnx: written and read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/steps.hpp>

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

/// A value [C, ...] normalized over groups of channels and all that lies behind them, then each channel's scale and bias: a
/// LayerNorm over a group's numbers whose own scale of ones training leaves as it is, and a depthwise layer.
inline void give_normalized(Importer& g, const Arrangement& value, std::int64_t groups, float eps, const Constant& scale, const Constant& bias) {
  const std::int64_t channels = value.dims[0], size = product(value.dims) / groups;
  require(scale.size() == at(channels) && bias.size() == at(channels), Errc::unsupported, "scale has {} numbers and bias {} for {} channels", scale.size(), bias.size(),
          channels);
  require(std::isfinite(eps) && eps > 0.0f, Errc::unsupported, "attribute epsilon is {}, must be positive", eps);
  std::vector<int> order = natural_order(value.dims.size());
  int id = g.arranger.arrange(value, order);
  const Shape whole = g.graph.node(id).shape;
  id = g.graph.add(graph::op::Reshape{Shape{groups, size}}, {id}, {}).id();
  id = g.add(graph::op::LayerNorm{eps}, {id});
  g.assign_fixed(id, graph::Role::gamma, size, 1.0f);
  g.assign_fixed(id, graph::Role::beta, size, 0.0f);
  id = g.graph.add(graph::op::Reshape{whole}, {id}, {}).id();
  Arrangement y = Arranger::make(id, value.dims, order);
  std::rotate(order.begin(), order.begin() + 1, order.end());  // channels last
  id = g.arranger.arrange(y, order);
  ChannelLine line{std::vector<double>(scale.reals.begin(), scale.reals.end()), std::vector<double>(bias.reals.begin(), bias.reals.end())};
  g.give(detail::depthwise_line(g, id, line, scale).second, value.dims, order);
}
inline void read_instance_norm(Importer& g, Attributes& a) {
  const Arrangement x = g.arranger.ordered(g.value());
  require(x.dims.size() >= 2, Errc::unsupported, "input has {} dimensions; wants channels and something behind them", x.dims.size() + 1);
  give_normalized(g, x, x.dims[0], a.real("epsilon", 1e-5f), g.reals(1, "scale"), g.reals(2, "bias"));
}
/// Scale and bias are one per channel, before opset 21 one per group.
inline void read_group_norm(Importer& g, Attributes& a) {
  const Arrangement x = g.arranger.ordered(g.value());
  a.expect("stash_type", 1);
  const std::int64_t groups = a.integer("num_groups", 0);
  require(x.dims.size() >= 2 && groups >= 1 && x.dims[0] % groups == 0, Errc::unsupported, "attribute num_groups is {}, which does not divide the channels", groups);
  const auto per_channel = [&](Constant c) {
    if (c.size() != at(groups) || groups == x.dims[0]) return c;
    const std::vector<float> of_group = std::exchange(c.reals, {});
    for (std::int64_t i = 0; i < x.dims[0]; ++i) c.reals.push_back(of_group[at(i / (x.dims[0] / groups))]);
    return c;
  };
  give_normalized(g, x, groups, a.real("epsilon", 1e-5f), per_channel(g.reals(1, "scale")), per_channel(g.reals(2, "bias")));
}
/// Divides by a power of the squares of neighbouring channels: y = x (bias + alpha/size sum of x^2)^-beta, the sum as a 1x1 convolution whose weights
/// training leaves as they are.
inline void read_local_response_norm(Importer& g, Attributes& a) {
  using graph::op::ElementaryFunction;
  const std::int64_t size = a.integer("size", 0), channels = g.value().dims.empty() ? 0 : g.value().dims[0];
  const float alpha = a.real("alpha", 1e-4f), beta = a.real("beta", 0.75f), bias = a.real("bias", 1.0f);
  require(size >= 1 && channels >= 1 && channels <= 4096 && std::isfinite(alpha) && std::isfinite(beta) && std::isfinite(bias), Errc::unsupported,
          "attributes size {}, alpha {}, beta {} and bias {} for {} channels are not understood", size, alpha, beta, bias, channels);
  const bool line = g.value().dims.size() == 2;
  const int x = g.image(g.value()), squares = g.graph.add(graph::op::Elementary{ElementaryFunction::square}, {x}, {}).id();
  const int sums = g.add(graph::op::Conv2D{.filters = static_cast<int>(channels), .kernel = 1}, {squares});
  const std::int64_t before = (size - 1) / 2, behind = size - 1 - before;
  std::vector<float>& weights = g.assign_fixed(sums, graph::Role::weight, channels * channels, 0.0f);
  for (std::int64_t to = 0; to < channels; ++to) {
    for (std::int64_t c = std::max<std::int64_t>(0, to - before); c <= std::min(channels - 1, to + behind); ++c) {
      weights[at(to * channels + c)] = alpha / static_cast<float>(size);
    }
  }
  g.assign_fixed(sums, graph::Role::bias, channels, bias);
  const int divisor = g.graph.add(graph::op::Elementary{ElementaryFunction::pow, -beta}, {sums}, {}).id();
  g.give_image(g.graph.add(graph::op::Mul{}, {x, divisor}, {}).id(), line);
}

inline constexpr OperatorReader normalization_readers[] = {{"BatchNormalization", read_batch_norm},
                                                           {"GroupNormalization", read_group_norm},
                                                           {"InstanceNormalization", read_instance_norm},
                                                           {"LRN", read_local_response_norm}};

}  // namespace stet::onnx
