#pragma once
// The three networks of the example, for images [28,28,1] and 10 classes.

#include <stet/graph/builder.hpp>

#include <string>

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

/// plain, separable or residual.
/// Errors:    Errc::range for another name
inline stet::Graph make_network(const std::string& name) {
  if (name == "plain") return detail::plain();
  if (name == "separable") return detail::separable();
  if (name == "residual") return detail::residual();
  stet::fail(stet::Errc::range, "no network is named {}; there are plain, separable and residual", name);
}

}  // namespace example
