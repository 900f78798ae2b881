#pragma once
// The networks of the examples, for images [28,28,1] and 10 classes.

#include <stet/graph/builder.hpp>

#include <string>
#include <vector>

#include <fmt/format.h>

namespace example {

namespace detail {

using stet::graph::Value;

inline Value conv(Value x, int filters, int kernel, int stride = 1) {
  return batch_norm(conv2d(x, {.filters = filters, .kernel = kernel, .stride = stride, .bias = false}));
}

inline stet::Graph plain() {
  stet::Graph g;
  Value x = g.input({28, 28, 1});
  x = max_pool(relu(conv(x, 16, 3)), {.size = 2});
  x = max_pool(relu(conv(x, 32, 3)), {.size = 2});
  x = relu(conv(x, 64, 3)).named("features");
  g.output(linear(flatten(x), {.units = 10}).named("logits"));
  return g;
}

inline Value separable_block(Value x, int filters, int stride) {
  x = relu6(batch_norm(depthwise_conv2d(x, {.kernel = 3, .stride = stride, .bias = false})));
  return relu6(conv(x, filters, 1));
}

inline stet::Graph separable() {
  stet::Graph g;
  Value x = g.input({28, 28, 1});
  x = relu6(conv(x, 16, 3));
  x = separable_block(x, 32, 1);
  x = separable_block(x, 64, 2);
  x = separable_block(x, 64, 1);
  x = separable_block(x, 128, 2);
  x = separable_block(x, 128, 1);
  g.output(linear(global_average_pool(x), {.units = 10}).named("logits"));
  return g;
}

inline Value residual_block(Value x, int filters, int stride) {
  const bool same = stride == 1 && x.shape()[2] == filters;
  const Value shortcut = same ? x : conv(x, filters, 1, stride);
  const Value y = conv(relu(conv(x, filters, 3, stride)), filters, 3);
  return relu(add(y, shortcut));
}

inline stet::Graph residual() {
  stet::Graph g;
  Value x = relu(conv(g.input({28, 28, 1}), 16, 3));
  x = residual_block(x, 16, 1);
  x = residual_block(x, 32, 2);
  x = residual_block(x, 64, 2);
  g.output(linear(global_average_pool(x), {.units = 10}).named("logits"));
  return g;
}

}  // namespace detail

struct NamedNetwork {
  std::string name;
  stet::Graph (*make)();
};

/// All of them, the default first: another network is a function above and a line here.
inline const std::vector<NamedNetwork>& networks() {
  static const std::vector<NamedNetwork> all{
      {"plain", detail::plain},
      {"separable", detail::separable},
      {"residual", detail::residual},
  };
  return all;
}

inline std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const NamedNetwork& n : networks()) names.push_back(n.name);
  return names;
}

/// Errors:    Errc::range for a name that none has
inline stet::Graph make_network(const std::string& name) {
  for (const NamedNetwork& n : networks()) {
    if (n.name == name) return n.make();
  }
  const std::string names = fmt::format("{}", fmt::join(network_names(), ", "));
  stet::fail(stet::Errc::range, "no network is named {}; there are {}", name, names);
}

}  // namespace example
