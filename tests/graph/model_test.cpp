#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <stet/graph/builder.hpp>
#include <stet/graph/model.hpp>

#include <cmath>

namespace model_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::equal;

namespace {

Graph small() {
  Graph g;
  auto x = g.input({8, 8, 3});
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3})));
  x = relu6(batch_norm(depthwise_conv2d(x, {.kernel = 3, .bias = false})));
  g.output(linear(flatten(x), {.units = 10}).named("logits"));
  return g;
}

}  // namespace

TEST_CASE("a model owns named parameters and buffers in node order") {
  Model m(small(), Rng(1));
  std::string names;
  for (const auto& p : m.parameters()) names += p.name + " ";
  CHECK(names ==
        "conv2d_1.weight conv2d_1.bias batch_norm_1.gamma batch_norm_1.beta depthwise_conv2d_1.weight "
        "batch_norm_2.gamma batch_norm_2.beta logits.weight logits.bias ");
  CHECK(m.buffers().size() == 4);
  CHECK(m.parameter("logits.weight").value.shape() == Shape{10, 1024});
  CHECK(m.buffer("batch_norm_2.variance").shape() == Shape{16});
  CHECK(m.find_parameter("logits.gamma") == nullptr);
  CHECK(m.find_parameter(m.graph().find("logits"), graph::Role::bias) == &m.parameter("logits.bias"));
  CHECK(m.find_buffer(m.graph().find("batch_norm_1"), graph::Role::mean) == &m.buffer("batch_norm_1.mean"));
  CHECK(m.parameter_count() == 16 * 27 + 16 + 32 + 144 + 32 + 10240 + 10);
  CHECK_THROWS_WITH(m.parameter("conv.weight"), ContainsSubstring("no parameter named 'conv.weight'"));
  CHECK_THROWS_WITH(m.buffer("conv2d_1.weight"), ContainsSubstring("no buffer named 'conv2d_1.weight'"));
}

TEST_CASE("weights start uniform within sqrt(6/(fan_in + fan_out)), the rest constant") {
  const auto check = [](const Shape& shape, double fan_in, double fan_out) {
    const Tensor<float> w = graph::initial_value({"weight", shape, graph::Role::weight}, Rng(5));
    const double limit = std::sqrt(6.0 / (fan_in + fan_out));
    double sum = 0, squares = 0;
    for (const float x : w.span()) {
      CHECK(std::abs(static_cast<double>(x)) <= limit);
      sum += static_cast<double>(x);
      squares += static_cast<double>(x) * static_cast<double>(x);
    }
    const auto n = static_cast<double>(w.size());
    CHECK(std::abs(sum / n) < 5 * limit / std::sqrt(3 * n));
    CHECK(squares / n == Approx(limit * limit / 3).epsilon(0.1));
  };
  check({64, 3, 3, 32}, 9 * 32, 9 * 64);
  check({1, 5, 5, 256}, 25 * 256, 25);
  check({100, 300}, 300, 100);
  const auto constant = [](graph::Role role) { return graph::initial_value({"x", {4}, role}, Rng(5))[2]; };
  CHECK(constant(graph::Role::gamma) == 1.0f);
  CHECK(constant(graph::Role::variance) == 1.0f);
  CHECK(constant(graph::Role::beta) == 0.0f);
  CHECK(constant(graph::Role::mean) == 0.0f);
  CHECK(constant(graph::Role::bias) == 0.0f);
}

TEST_CASE("the seed decides all initial values") {
  Model a(small(), Rng(3)), b(small(), Rng(3)), c(small(), Rng(4));
  for (const auto& p : a.parameters()) CHECK(equal(p.parameter.value, b.parameter(p.name).value));
  CHECK_FALSE(equal(a.parameter("logits.weight").value, c.parameter("logits.weight").value));
}

TEST_CASE("a copy of a model shares memory until one of the two is written") {
  Model a(small(), Rng(1));
  Model b = a;
  CHECK(a.parameter("conv2d_1.weight").value.data() == b.parameter("conv2d_1.weight").value.data());
  const float before = a.parameter("conv2d_1.weight").value[0];
  b.parameter("conv2d_1.weight").value.edit()[0] = before + 1.0f;
  b.buffer("batch_norm_1.mean").edit()[0] = 5.0f;
  CHECK(a.parameter("conv2d_1.weight").value[0] == before);
  CHECK(b.parameter("conv2d_1.weight").value[0] == before + 1.0f);
  CHECK(a.buffer("batch_norm_1.mean")[0] == 0.0f);
}

TEST_CASE("state is copied by name, where both have it, and never into another shape") {
  const Model from(small(), Rng(1));
  Graph g;
  auto x = g.input({8, 8, 3});
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3})));
  g.output(linear(flatten(x), {.units = 10}).named("logits"));
  Model to(std::move(g), Rng(2));
  const Model fresh = to;
  copy_state(from, to, to.graph().find("logits"));
  for (const char* name : {"conv2d_1.weight", "conv2d_1.bias", "batch_norm_1.gamma"}) CHECK(equal(to.parameter(name).value, from.parameter(name).value));
  CHECK(equal(to.buffer("batch_norm_1.mean"), from.buffer("batch_norm_1.mean")));
  CHECK(equal(to.parameter("logits.weight").value, fresh.parameter("logits.weight").value));
  CHECK(from.find_buffer("batch_norm_1.mean") == &from.buffer("batch_norm_1.mean"));
  CHECK(from.find_buffer("nobody.mean") == nullptr);
  Graph other;
  other.output(conv2d(other.input({8, 8, 3}), {.filters = 8, .kernel = 3}));
  Model narrow(std::move(other), Rng(1));
  CHECK_THROWS_WITH(copy_state(from, narrow), ContainsSubstring("copy_state: conv2d_1.weight has shape [16,3,3,3] and [8,3,3,3]"));
}

TEST_CASE("a graph that is no model is refused with every problem, nodes by name") {
  CHECK_THROWS_WITH(Model(Graph(), Rng(1)), ContainsSubstring("no input") && ContainsSubstring("no output"));

  Graph g;
  auto x = g.input({8, 8, 3});
  auto unread = g.input({4}).named("unread");
  (void)unread;
  relu(conv2d(x, {.filters = 4}).named("forgotten"));
  g.output(flatten(x));
  CHECK_THROWS_WITH(Model(g, Rng(1)), ContainsSubstring("unread: no output depends on this input") &&
                                          ContainsSubstring("forgotten: no output depends on this conv2d") &&
                                          ContainsSubstring("relu_1: no output"));
}

}  // namespace model_test
