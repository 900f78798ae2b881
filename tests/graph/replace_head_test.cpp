#include <stet/graph/replace_head.hpp>

#include <stet/core/error.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/forward.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <string>
#include <utility>

namespace replace_head_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

graph::Value body(Graph& g) {
  return relu(batch_norm(conv2d(g.input({8, 8, 3}), {.filters = 6, .kernel = 3}).named("stem")).named("norm"));
}

}  // namespace

TEST_CASE("a linear head is replaced, and everything before it is what it was") {
  Graph g;
  g.output(softmax(dropout(linear(flatten(body(g)), {.units = 10}).named("scores"), {.rate = 0.5f})));
  const Model model(std::move(g), Rng(1));
  std::string head;
  const Model other = replace_head(model, 3, Rng(2), &head);
  CHECK(head == "scores");
  CHECK(other.graph().node(other.graph().outputs()[0]).shape == Shape{3});
  CHECK(other.parameter("scores.weight").value.shape() == Shape{3, 384});
  for (const char* name : {"stem.weight", "stem.bias", "norm.gamma", "norm.beta"}) CHECK(stet_test::same_bits(other.parameter(name).value, model.parameter(name).value));
  CHECK(stet_test::same_bits(other.buffer("norm.mean"), model.buffer("norm.mean")));
  // What the head reads is the same.
  const Tensor<float> x = stet_test::random_images({8, 8, 3}, 4, 1);
  const auto read = [&](const Model& m) {
    Tensor<float> seen;
    (void)infer(m, x, {.observe = [&](int node, const Tensor<float>& v) {
                  if (m.graph().node(node).name == "norm") seen = v;
                }});
    return seen;
  };
  CHECK(stet_test::same_bits(read(model), read(other)));
  CHECK(stet_test::same_bits(replace_head(model, 3, Rng(2)).parameter("scores.weight").value, other.parameter("scores.weight").value));
  CHECK_FALSE(stet_test::same_bits(replace_head(model, 3, Rng(3)).parameter("scores.weight").value, other.parameter("scores.weight").value));
}

TEST_CASE("a head that is a convolution is followed through pools and a reshape of its scores") {
  Graph g;
  const auto scores = relu(conv2d(body(g), {.filters = 5, .kernel = 1}).named("scores"));
  g.output(reshape(global_average_pool(scores), {1, 5}));
  const Model other = replace_head(Model(std::move(g), Rng(1)), 7);
  CHECK(other.graph().node(other.graph().outputs()[0]).shape == Shape{1, 7});
  CHECK(other.parameter("scores.weight").value.shape() == Shape{7, 1, 1, 6});
  CHECK(infer(other, stet_test::random_images({8, 8, 3}, 2, 1)).shape() == Shape{2, 1, 7});
}

TEST_CASE("what has no head to replace is refused with what stands there") {
  const auto refused = [](auto build) -> std::string {
    Graph g;
    build(g);
    try {
      (void)replace_head(Model(std::move(g), Rng(1)), 3);
    } catch (const Error& e) {
      CHECK(e.code() == Errc::unsupported);
      return e.what();
    }
    return "accepted";
  };
  CHECK_THAT(refused([](Graph& g) { g.output(body(g)); }), ContainsSubstring("norm (batch_norm) stands between the output and the last layer"));
  CHECK_THAT(refused([](Graph& g) { g.output(flatten(g.input({2, 2, 1}))); }), ContainsSubstring("input_1 (input) stands between"));
  CHECK_THAT(refused([](Graph& g) { g.output(depthwise_conv2d(body(g), {.kernel = 3}).named("deep")); }), ContainsSubstring("the last layer deep is a depthwise_conv2d"));
  CHECK_THAT(refused([](Graph& g) { g.output(reshape(conv2d(body(g), {.filters = 4, .kernel = 8, .padding = Padding::valid()}), {2, 2})); }),
             ContainsSubstring("want a last dimension of their own"));
  CHECK_THAT(refused([](Graph& g) {
               const auto y = linear(flatten(body(g)), {.units = 4}).named("scores");
               g.output(y);
               g.output(relu(y));
             }),
             ContainsSubstring("2 outputs"));
  Graph g;
  g.output(linear(flatten(body(g)), {.units = 4}));
  CHECK_THROWS_AS(replace_head(Model(std::move(g), Rng(1)), 0), Error);
}

}  // namespace replace_head_test
