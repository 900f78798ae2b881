#pragma once
// The networks whose steps are timed: those of the examples, and larger and narrower ones. benchmarks/peers/networks.py
// has the same for PyTorch.

#include "../examples/fashion_mnist/networks.hpp"

#include <stet/graph/builder.hpp>

#include <string>
#include <vector>

namespace bench {

namespace detail {

using example::detail::conv;
using example::detail::residual_block;
using stet::graph::Value;

inline stet::Graph mlp() {
  stet::Graph g;
  Value x = flatten(g.input({28, 28, 1}));
  x = relu(linear(x, {.units = 512}));
  x = relu(linear(x, {.units = 512}));
  g.output(linear(x, {.units = 10}));
  return g;
}

// With so many times as many filters.
template <int times = 1>
stet::Graph convolutions() {
  stet::Graph g;
  Value x = max_pool(relu(conv(g.input({28, 28, 1}), times * 32, 3)), {.size = 2});
  x = max_pool(relu(conv(x, times * 64, 3)), {.size = 2});
  x = relu(conv(relu(conv(x, times * 128, 3)), times * 128, 3));
  g.output(linear(global_average_pool(x), {.units = 10}));
  return g;
}

inline stet::Graph depthwise() {
  stet::Graph g;
  Value x = relu(conv(g.input({28, 28, 1}), 64, 3));
  for (const int stride : {1, 1, 2, 1}) {
    x = relu(batch_norm(depthwise_conv2d(x, {.kernel = 3, .stride = stride, .bias = false})));
  }
  g.output(linear(global_average_pool(x), {.units = 10}));
  return g;
}

inline stet::Graph resnet20() {
  stet::Graph g;
  Value x = relu(conv(g.input({32, 32, 3}), 16, 3));
  for (const int filters : {16, 32, 64}) {
    for (int block = 0; block < 3; ++block) x = residual_block(x, filters, block == 0 && filters > 16 ? 2 : 1);
  }
  g.output(linear(global_average_pool(x), {.units = 10}));
  return g;
}

inline stet::Graph resnet18() {
  stet::Graph g;
  Value x = max_pool(relu(conv(g.input({32, 32, 3}), 64, 7, 2)), {.size = 3, .stride = 2, .padding = stet::Padding::same()});
  for (const int filters : {64, 128, 256, 512}) {
    for (int block = 0; block < 2; ++block) x = residual_block(x, filters, block == 0 && filters > 64 ? 2 : 1);
  }
  g.output(linear(global_average_pool(x), {.units = 10}));
  return g;
}

inline Value inverted_block(Value x, int expand, int filters, int stride) {
  const auto channels = static_cast<int>(x.shape()[2]);
  Value y = expand == 1 ? x : relu6(conv(x, channels * expand, 1));
  y = relu6(batch_norm(depthwise_conv2d(y, {.kernel = 3, .stride = stride, .bias = false})));
  y = conv(y, filters, 1);
  return stride == 1 && channels == filters ? add(x, y) : y;
}

inline stet::Graph mobilenetv2() {
  struct Stage {
    int expand, filters, blocks, stride;
  };
  stet::Graph g;
  Value x = relu6(conv(g.input({64, 64, 3}), 32, 3, 2));
  for (const Stage s : {Stage{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}}) {
    for (int block = 0; block < s.blocks; ++block) x = inverted_block(x, s.expand, s.filters, block == 0 ? s.stride : 1);
  }
  x = relu6(conv(x, 1280, 1));
  g.output(linear(global_average_pool(x), {.units = 10}));
  return g;
}

}  // namespace detail

/// All of them; the first three are those of the examples.
inline std::vector<example::NamedNetwork> networks() {
  std::vector<example::NamedNetwork> all = example::networks();
  all.insert(all.end(), {{"mlp", detail::mlp},
                         {"conv", detail::convolutions<>},
                         {"conv_x2", detail::convolutions<2>},
                         {"conv_x3", detail::convolutions<3>},
                         {"conv_x4", detail::convolutions<4>},
                         {"depthwise", detail::depthwise},
                         {"resnet20", detail::resnet20},
                         {"mobilenetv2", detail::mobilenetv2},
                         {"resnet18", detail::resnet18}});
  return all;
}

/// Errors:    Errc::range for a name that none has
inline stet::Graph make_network(const std::string& name) {
  for (const example::NamedNetwork& n : networks()) {
    if (n.name == name) return n.make();
  }
  return example::make_network(name);  // refuses it
}

}  // namespace bench
