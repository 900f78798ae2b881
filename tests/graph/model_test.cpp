#include "support/catch.hpp"

#include <stet/graph/builder.hpp>
#include <stet/graph/model.hpp>

#include <cmath>

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

Graph small() {
  Graph g;
  auto x = g.input({8, 8, 3});
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3})));
  x = relu6(batch_norm(depthwise_conv2d(x, {.kernel = 3, .bias = false})));
  g.output(linear(flatten(x), {.units = 10}).named("logits"));
  return g;
}

bool same(const Tensor<float>& a, const Tensor<float>& b) {
  return a.shape() == b.shape() && std::equal(a.span().begin(), a.span().end(), b.span().begin());
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

TEST_CASE("weights start normal with variance 2/fan_in within two deviations, the rest constant") {
  Model m(small(), Rng(7));
  const auto w = m.parameter("logits.weight").value.span();
  const double deviation = std::sqrt(2.0 / 1024.0);
  double sum = 0, squares = 0, largest = 0;
  for (const float x : w) {
    sum += static_cast<double>(x);
    squares += static_cast<double>(x) * static_cast<double>(x);
    largest = std::max(largest, std::abs(static_cast<double>(x)));
  }
  const auto n = static_cast<double>(w.size());
  CHECK(std::abs(sum / n) < 4 * deviation / std::sqrt(n));
  CHECK(std::sqrt(squares / n) == Approx(deviation).epsilon(0.02));
  CHECK(largest <= 2 * deviation / 0.8796);
  CHECK(graph::fan_in({16, 3, 3, 8}) == 72);
  CHECK(graph::fan_in({1, 3, 3, 8}) == 9);
  for (const char* zero : {"logits.bias", "conv2d_1.bias", "batch_norm_1.beta"}) {
    for (const float x : m.parameter(zero).value.span()) CHECK(x == 0.0f);
  }
  for (const float x : m.parameter("batch_norm_1.gamma").value.span()) CHECK(x == 1.0f);
  for (const float x : m.buffer("batch_norm_1.mean").span()) CHECK(x == 0.0f);
  for (const float x : m.buffer("batch_norm_1.variance").span()) CHECK(x == 1.0f);
}

TEST_CASE("the seed decides all initial values") {
  Model a(small(), Rng(3)), b(small(), Rng(3)), c(small(), Rng(4));
  for (const auto& p : a.parameters()) CHECK(same(p.parameter.value, b.parameter(p.name).value));
  CHECK_FALSE(same(a.parameter("logits.weight").value, c.parameter("logits.weight").value));
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
