// A model with folded batch norms is the same function, in which channels of batch norm are lines.
#include "support/catch.hpp"

#include <stet/graph/activation_ranges.hpp>
#include <stet/graph/builder.hpp>
#include <stet/graph/fold_batch_norm.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace fold_batch_norm_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

// Gives every parameter and buffer other values than the initial ones.
Model stirred(Graph graph, std::uint64_t seed) {
  Model m(std::move(graph), Rng(seed));
  Rng rng(seed + 1);
  for (auto& p : m.parameters()) {
    for (float& x : p.parameter.value.edit()) x += static_cast<float>(rng.normal());
  }
  for (auto& b : m.buffers()) {
    for (float& x : b.value.edit()) x = static_cast<float>(rng.uniform(0.5, 1.5));
  }
  return m;
}

Graph network() {
  Graph g;
  auto x = g.input({6, 6, 4});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .groups = 2, .bias = false}).named("conv")).named("norm"));
  x = batch_norm(depthwise_conv2d(x, {.kernel = 3, .multiplier = 2}).named("depthwise")).named("norm_2");
  auto y = conv2d(x, {.filters = 16}).named("shared");
  x = relu(batch_norm(y).named("leftover")) + y;
  x = linear(flatten(x), {.units = 5, .bias = false}).named("hidden");
  g.output(batch_norm(x).named("logits"));
  return g;
}

double norm(const Model& m, const std::string& bn, std::size_t c, double x, double eps = 1e-5f) {
  return (x - double(m.buffer(bn + ".mean").span()[c])) /
             std::sqrt(double(m.buffer(bn + ".variance").span()[c]) + eps) *
             double(m.parameter(bn + ".gamma").value.span()[c]) +
         double(m.parameter(bn + ".beta").value.span()[c]);
}

}  // namespace

TEST_CASE("folding removes batch norms that one layer feeds and keeps names") {
  const Model m = stirred(network(), 3);
  const FoldedBatchNorm folded = fold_batch_norm_with_map(m);
  std::string names;
  for (const auto& node : folded.model.graph().nodes()) names += node.name + " ";
  CHECK(names == "input_1 conv relu_1 depthwise shared leftover relu_2 add_1 flatten_1 logits ");
  CHECK(folded.model.buffers().empty());
  CHECK(graph::is<graph::op::DepthwiseConv2D>(folded.model.graph().node(5).op));
  CHECK(folded.model.graph().outputs() == std::vector<int>{9});
  const auto now = [&](const char* name) { return folded.node_of[std::size_t(m.graph().find(name))]; };
  CHECK(now("conv") == -1);
  CHECK(now("norm") == 1);
  CHECK(now("shared") == 4);
  CHECK(now("leftover") == 5);
  CHECK(now("hidden") == -1);
  CHECK(now("logits") == 9);
  CHECK(folded.model.parameter("shared.weight").value.data() == m.parameter("shared.weight").value.data());
}

TEST_CASE("folded weights and biases are those of the line of batch norm") {
  const Model m = stirred(network(), 4);
  const Model f = fold_batch_norm(m);
  // One tap on and all others off: the layer's value is a weight plus the bias, and goes through the batch norm.
  const auto check = [&](const std::string& layer, const std::string& bn, const std::string& name, std::size_t channels,
                         bool last) {
    const auto w = m.parameter(layer + ".weight").value.span();
    const auto* b = m.find_parameter(layer + ".bias");
    const auto w2 = f.parameter(name + ".weight").value.span();
    const auto b2 = f.parameter(name + ".bias").value.span();
    REQUIRE(w2.size() == w.size());
    REQUIRE(b2.size() == channels);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const std::size_t c = last ? i % channels : i / (w.size() / channels);
      const double bias = b == nullptr ? 0.0 : double(b->value.span()[c]);
      CHECK(double(b2[c]) == Approx(norm(m, bn, c, bias)).epsilon(1e-6).margin(1e-6));
      CHECK(double(w2[i]) == Approx(norm(m, bn, c, double(w[i])) - norm(m, bn, c, 0.0)).epsilon(1e-6).margin(1e-6));
    }
  };
  check("conv", "norm", "conv", 8, false);
  check("depthwise", "norm_2", "depthwise", 16, true);
  check("hidden", "logits", "logits", 5, false);
  for (std::size_t c = 0; c < 16; ++c) {
    const double k = double(f.parameter("leftover.weight").value.span()[c]);
    CHECK(double(f.parameter("leftover.bias").value.span()[c]) == Approx(norm(m, "leftover", c, 0.0)).epsilon(1e-6));
    CHECK(k == Approx(norm(m, "leftover", c, 1.0) - norm(m, "leftover", c, 0.0)).epsilon(1e-6));
  }
}

TEST_CASE("a batch norm on anything but an image stays where no layer takes it") {
  Graph g;
  auto x = g.input({7});
  g.output(linear(batch_norm(x), {.units = 2}));
  const Model m = stirred(std::move(g), 5);
  const Model f = fold_batch_norm(m);
  CHECK(f.graph().size() == 3);
  CHECK(f.buffer("batch_norm_1.mean").data() == m.buffer("batch_norm_1.mean").data());
  CHECK(f.parameter("batch_norm_1.gamma").value.data() == m.parameter("batch_norm_1.gamma").value.data());
}

TEST_CASE("a layer that is an output itself keeps its value") {
  Graph g;
  auto y = conv2d(g.input({4, 4, 1}), {.filters = 2});
  g.output(y);
  g.output(batch_norm(y));
  const Model f = fold_batch_norm(stirred(std::move(g), 6));
  CHECK(f.graph().size() == 3);
  CHECK(f.graph().outputs() == std::vector<int>{1, 2});
}

TEST_CASE("a negative variance is refused by name") {
  Model m = stirred(network(), 7);
  m.buffer("norm.variance").edit()[3] = -1.0f;
  CHECK_THROWS_WITH(fold_batch_norm(m), ContainsSubstring("norm: variance -1 of channel 3"));
}

TEST_CASE("activation ranges are checked for number and sense, all nodes at once") {
  const Graph g = network();
  ActivationRanges ranges;
  CHECK_THROWS_WITH(check("export", ranges, g), ContainsSubstring("0 activation ranges for 13 nodes"));
  ranges.of_node.assign(g.nodes().size(), Range{-1.0f, 1.0f});
  CHECK_NOTHROW(check("export", ranges, g));
  ranges.of_node[1] = {1.0f, -1.0f};
  ranges.of_node[4].hi = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(check("export", ranges, g),
                    ContainsSubstring("conv: range 1..-1") && ContainsSubstring("depthwise: range -1..inf"));
}

}  // namespace fold_batch_norm_test
