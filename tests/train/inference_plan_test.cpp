// InferencePlan: the answers of infer(model, x), bit for bit, for every network that can be drawn.
#include "support/catch.hpp"
#include "support/networks.hpp"

#include <stet/core/parallel.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/inference_plan.hpp>
#include <stet/train/evaluate.hpp>

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace inference_plan_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

bool same_bits(const Tensor<float>& a, const Tensor<float>& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), sizeof(float) * static_cast<std::size_t>(a.size())) == 0;
}

std::vector<Tensor<float>> inputs_of(const Graph& graph, std::int64_t count, std::uint64_t seed) {
  std::vector<Tensor<float>> inputs;
  for (const int id : graph.inputs()) inputs.push_back(stet_test::random_images(graph.node(id).shape, count, seed++));
  return inputs;
}

// A value that several nodes read, outputs inside a chain, and norms that follow no layer.
Model branching() {
  Graph g;
  auto x = g.input({7, 6, 3});
  const auto convolved = conv2d(x, {.filters = 10, .kernel = 3, .bias = false}).named("read_twice");
  const auto normed = batch_norm(convolved).named("an_output");
  const auto lone = relu6(batch_norm(max_pool(relu(normed))));
  const auto tokens = relu(batch_norm(linear(flatten(lone), {.units = 33})));
  g.output(linear(tokens, {.units = 5}));
  g.output(normed);
  g.output(relu(convolved));
  return Model(std::move(g), Rng(3));
}

}  // namespace

TEST_CASE("InferencePlan answers as infer does, bit for bit", "[train][inference]") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    stet_test::NetworkOptions options;
    options.floats = seed % 3 == 0;
    options.several = seed % 2 == 0;
    options.large = seed % 5 == 0;
    const Model model = stet_test::random_model(seed, options);
    const InferencePlan plan(model);
    for (const std::int64_t count : {1, 3, 17}) {
      const std::vector<Tensor<float>> inputs = inputs_of(model.graph(), count, seed * 10);
      const std::vector<Tensor<float>> expected = infer(model, inputs), answers = infer(plan, inputs);
      REQUIRE(expected.size() == answers.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        INFO("seed " << seed << ", " << count << " samples, output " << i);
        CHECK(same_bits(expected[i], answers[i]));
      }
    }
  }
}

TEST_CASE("InferencePlan fuses only what nobody else reads", "[train][inference]") {
  const Model model = branching();
  const InferencePlan plan(model);
  const std::vector<Tensor<float>> inputs = inputs_of(model.graph(), 5, 1);
  const std::vector<Tensor<float>> expected = infer(model, inputs), answers = infer(plan, inputs);
  REQUIRE(answers.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(same_bits(expected[i], answers[i]));
}

TEST_CASE("InferencePlan keeps infinities, NaN and the thread count out of its answers", "[train][inference]") {
  Graph g;
  g.output(relu(batch_norm(conv2d(g.input({9, 9, 2}), {.filters = 40, .kernel = 3}))));
  const Model model(std::move(g), Rng(1));
  const InferencePlan plan(model);
  Tensor<float> x = stet_test::random_images({9, 9, 2}, 40, 2);
  x.edit()[5] = std::numeric_limits<float>::quiet_NaN();
  x.edit()[700] = std::numeric_limits<float>::infinity();
  const Tensor<float> expected = infer(model, x);
  for (const int count : {1, 2, 5}) {
    set_threads(count);
    CHECK(same_bits(expected, infer(plan, x)));
  }
  set_threads(0);
}

TEST_CASE("InferencePlan is the model as it was", "[train][inference]") {
  Model model = stet_test::random_model(4);
  const Tensor<float> x = stet_test::random_images(model.graph().node(model.graph().inputs().front()).shape, 3, 1);
  const Tensor<float> before = infer(model, x);
  const InferencePlan plan(model);
  for (NamedParameter& p : model.parameters()) {
    for (float& v : p.parameter.value.edit()) v += 1.0f;
  }
  CHECK(same_bits(infer(plan, x), before));
  CHECK_FALSE(same_bits(infer(model, x), before));
  CHECK_THROWS_WITH(infer(plan, Tensor<float>(Shape{1, 1})), ContainsSubstring("wants"));
}

TEST_CASE("evaluate of a model is evaluate of its answers", "[train][inference]") {
  Graph g;
  g.output(linear(flatten(relu(batch_norm(conv2d(g.input({6, 6, 3}), {.filters = 8, .kernel = 3})))), {.units = 4}));
  const Model model(std::move(g), Rng(1));
  const Dataset data = stet_test::random_dataset({6, 6, 3}, 50, 4, 9);
  const Evaluation planned = evaluate(model, data, {.batch = 16});
  const Evaluation plain =
      evaluate_logits([&](const Tensor<float>& x) -> Tensor<float> { return infer(model, x); }, data);
  CHECK(planned.loss == plain.loss);
  CHECK(planned.correct == plain.correct);
}

}  // namespace inference_plan_test
