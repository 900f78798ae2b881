#include "support/catch.hpp"

#include <stet/graph/builder.hpp>

#include <string>

namespace builder_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

Graph two_blocks() {
  Graph g;
  auto x = g.input({28, 28, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3})));
  x = max_pool(x, {.size = 2});
  x = relu(batch_norm(conv2d(x, {.filters = 32, .kernel = 3}))).named("features");
  g.output(linear(global_average_pool(x), {.units = 10}));
  return g;
}

}  // namespace

TEST_CASE("nodes are named by kind and number, or as the user says") {
  const Graph g = two_blocks();
  std::string names;
  for (const auto& node : g.nodes()) names += node.name + " ";
  CHECK(
      names ==
      "input_1 conv2d_1 batch_norm_1 relu_1 max_pool_1 conv2d_2 batch_norm_2 features global_average_pool_1 linear_1 ");
  CHECK(g.find("features") == 7);
  CHECK(g.find("relu_2") == -1);
  CHECK(g.node(7).shape == Shape{14, 14, 32});
}

TEST_CASE("a default name passes over names that a user has taken") {
  Graph g;
  auto x = g.input({4});
  relu(x).named("relu_2");
  CHECK(relu(x).name() == "relu_3");
  CHECK(relu(x).name() == "relu_4");
}

TEST_CASE("two nodes cannot share a name, and names are plain words") {
  Graph g;
  auto x = g.input({4}).named("x");
  CHECK_THROWS_WITH(relu(x).named("x"), ContainsSubstring("two nodes named 'x'"));
  CHECK_THROWS_WITH(g.add(graph::op::Relu{}, {0}, "x"), ContainsSubstring("two nodes named 'x'"));
  CHECK_THROWS_WITH(relu(x).named(""), ContainsSubstring("is no node name"));
  CHECK_THROWS_WITH(relu(x).named("a b"), ContainsSubstring("is no node name"));
  CHECK_NOTHROW(x.named("x"));
  CHECK_NOTHROW(relu(x).named("block1/relu.a-b_c"));
}

TEST_CASE("values stay valid when their graph is moved, and a copy is another graph") {
  Graph g;
  auto x = g.input({8});
  Graph moved = std::move(g);
  auto y = relu(x);
  moved.output(y);
  CHECK(moved.size() == 2);

  Graph copy = moved;
  copy.output(copy.value(0));
  CHECK(copy.outputs().size() == 2);
  CHECK(moved.outputs().size() == 1);
  CHECK_THROWS_WITH(copy.output(x), ContainsSubstring("another graph"));
  CHECK_THROWS_WITH(add(copy.value(0), x), ContainsSubstring("different graphs"));
  CHECK_THROWS_WITH(g.size(), ContainsSubstring("moved"));  // NOLINT: that it is reported is the test
}

TEST_CASE("consumers and outputs of a branching graph") {
  Graph g;
  auto x = g.input({8});
  auto a = relu(x), b = sigmoid(x);
  auto sum = a + b;
  g.output(concat({sum, x}));
  g.output(sum);
  CHECK(g.consumers(x.id()) == std::vector<int>{a.id(), b.id(), sum.id() + 1});
  CHECK(g.consumers(sum.id()) == std::vector<int>{sum.id() + 1});
  CHECK(g.is_output(sum.id()));
  CHECK_FALSE(g.is_output(a.id()));
  CHECK(g.consumers((x * x).id()).empty());
  CHECK(g.consumers(x.id()).size() == 4);  // a node that reads a value twice is named once
  CHECK_THROWS_WITH(g.output(sum), ContainsSubstring("is an output already"));
}

TEST_CASE("an operator may be exchanged for one of the same shape") {
  Graph g;
  auto x = g.input({8});
  auto y = relu(x);
  g.replace(y.id(), graph::op::Relu6{});
  CHECK(kind(g.node(y.id()).op) == "relu6");
  CHECK(y.name() == "relu_1");
  CHECK_THROWS_WITH(g.replace(y.id(), graph::op::Linear{.units = 3}), ContainsSubstring("relu_1: the replacement"));
}

TEST_CASE("ids that do not exist are refused") {
  Graph g;
  g.input({8});
  CHECK_THROWS_WITH(g.add(graph::op::Relu{}, {1}), ContainsSubstring("relu_1: input 1 does not exist"));
  CHECK_THROWS_WITH(g.node(1), ContainsSubstring("node 1 does not exist"));
  CHECK_THROWS_WITH(g.output(-1), ContainsSubstring("node -1 does not exist"));
  CHECK_THROWS_AS(concat(std::span<const graph::Value>{}), Error);
}

TEST_CASE("a graph knows names, readers and outputs while it grows, is renamed, copied and moved") {
  Graph g;
  const auto x = g.input({4}).named("x");
  const auto a = relu(x).named("a"), b = add(a, a).named("b"), c = add(a, x);
  g.output(b);
  CHECK(g.consumers(a.id()) == std::vector<int>{b.id(), c.id()});  // who reads it twice is named once
  CHECK(g.consumers(b.id()).empty());
  c.named("c");
  a.named("first");
  CHECK(g.find("a") == -1);
  CHECK(g.find("first") == a.id());
  CHECK(g.find("add_2") == -1);
  Graph copy = g;
  copy.output(c.id());
  CHECK(copy.is_output(c.id()));
  CHECK_FALSE(g.is_output(c.id()));
  CHECK(relu(copy.value(x.id())).name() == "relu_2");
  CHECK(copy.consumers(x.id()).size() == 3);
  CHECK(g.consumers(x.id()).size() == 2);
  const Graph moved = std::move(copy);
  CHECK(moved.find("first") == a.id());
}

}  // namespace builder_test
