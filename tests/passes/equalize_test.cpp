#include <stet/passes/equalize.hpp>

#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/quantize.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit.hpp>

#include "../../benchmarks/planted_causes.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/spread_parameters.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace equalize_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

bool same_function(const Model& a, const Model& b, std::uint64_t seed) {
  const Shape shape = a.graph().node(a.graph().inputs()[0]).shape;
  const Tensor<float> x = stet_test::random_images(shape, 5, seed);
  return stet_test::same_bits(infer(a, x), infer(b, x));
}

}  // namespace

TEST_CASE("equalizing does not change the float network by a bit") {
  int equalized = 0;
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    INFO("seed " << seed);
    Model model(stet_test::NetworkGenerator(seed, {.large = seed % 2 == 0}).run(), Rng(seed));
    stet_test::spread_parameters(model, seed);
    EqualizeReport report;
    const Model other = equalize(model, {}, &report);
    CHECK(same_function(model, other, seed));
    equalized += report.channels.empty() ? 0 : 1;
  }
  CHECK(equalized > 20);
  for (const example::NamedNetwork& n : example::networks()) {
    INFO(n.name);
    Model model(n.make(), Rng(3));
    stet_test::spread_parameters(model, 3);
    CHECK(same_function(model, equalize(model), 3));
  }
}

TEST_CASE("equalized layers have channels of like size") {
  for (const char* name : {"plain", "residual"}) {
    INFO(name);
    Model model(example::make_network(name), Rng(1));
    planted::rescale(model, 16, 1);
    EqualizeReport report;
    (void)equalize(model, {}, &report);
    REQUIRE_FALSE(report.channels.empty());
    double before = 1, after = 1;
    for (const EqualizedChannels& c : report.channels) {
      before = std::max(before, c.before);
      after = std::max(after, c.after);
    }
    CHECK(before > 6);
    CHECK(after < 4);
    CHECK(report.str().find("before") != std::string::npos);
  }
}

TEST_CASE("channels that are alike stay, if the options say so") {
  Model model(example::make_network("plain"), Rng(1));
  EqualizeReport report;
  const Model same = equalize(model, {.above = 8}, &report);
  CHECK(report.channels.empty());
  CHECK_THAT(report.str(), ContainsSubstring("conv2d_1 is left as it is: its channels are alike, largest / median"));
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    CHECK(stet_test::same_bits(model.parameters()[i].parameter.value, same.parameters()[i].parameter.value));
  }
  planted::rescale(model, 16, 1);
  EqualizeReport hostile;
  (void)equalize(model, {.above = 8}, &hostile);
  CHECK_FALSE(hostile.channels.empty());
  CHECK_THROWS_WITH(equalize(model, {.above = -1}), ContainsSubstring("above is -1"));
}

TEST_CASE("both sides of an addition and all readers of a value get one factor") {
  Graph g;
  auto x = g.input({6, 6, 2});
  const auto a = conv2d(x, {.filters = 4, .kernel = 3}).named("a"), b = conv2d(x, {.filters = 4, .kernel = 1}).named("b");
  const auto sum = relu(add(a, b));
  const auto c = conv2d(sum, {.filters = 3, .kernel = 1}).named("c"), d = conv2d(sum, {.filters = 3, .kernel = 3}).named("d");
  g.output(linear(flatten(max_pool(add(c, d), {.size = 2})), {.units = 2}).named("logits"));
  Model model(std::move(g), Rng(2));
  stet_test::spread_parameters(model, 4);
  EqualizeReport report;
  const Model other = equalize(model, {}, &report);
  CHECK(same_function(model, other, 1));
  REQUIRE(report.channels.size() == 2);
  CHECK(report.channels[0].producers == std::vector<std::string>{"a", "b"});
  CHECK(report.channels[0].consumers == std::vector<std::string>{"c", "d"});
  CHECK(report.channels[1].consumers == std::vector<std::string>{"logits"});
  REQUIRE(report.left.size() == 1);
  CHECK_THAT(report.left[0], ContainsSubstring("logits is left as it is: it is an output"));
}

TEST_CASE("what does not pass a factor on is named, and its channels stay") {
  Graph g;
  auto x = g.input({6, 6, 2});
  x = relu6(conv2d(x, {.filters = 4, .kernel = 3}).named("capped"));
  const auto y = conv2d(x, {.filters = 4, .kernel = 1}).named("joined");
  g.output(linear(flatten(concat({y, x}, 2)), {.units = 2}).named("logits"));
  Model model(std::move(g), Rng(2));
  stet_test::spread_parameters(model, 5);
  EqualizeReport report;
  const Model other = equalize(model, {}, &report);
  CHECK(same_function(model, other, 1));
  CHECK_THAT(report.left[0], ContainsSubstring("capped is left as it is: relu6_1 (relu6) does not pass a factor on"));
  CHECK_THAT(report.left.back(), ContainsSubstring("logits is left as it is: it is an output"));
  REQUIRE(report.left.size() == 2);
  for (const char* name : {"capped.weight", "capped.bias"}) {
    CHECK(stet_test::same_bits(model.parameter(name).value, other.parameter(name).value));
  }
  // What goes into a concat beside it is scaled: its channels are its own.
  REQUIRE(report.channels.size() == 1);
  CHECK(report.channels[0].producers == std::vector<std::string>{"joined"});
  CHECK(report.channels[0].consumers == std::vector<std::string>{"logits"});
  CHECK_FALSE(stet_test::same_bits(model.parameter("joined.weight").value, other.parameter("joined.weight").value));
  const Tensor<float>&was = model.parameter("logits.weight").value, &is = other.parameter("logits.weight").value;
  for (std::int64_t i = 0; i < was.size(); ++i) {
    if (i % 8 >= 4) CHECK(was[i] == is[i]);  // channels 4 to 7 of the concat are the capped ones
  }
}

TEST_CASE("channels that only partly pass a factor on are counted") {
  Graph g;
  auto x = g.input({6, 6, 2});
  const auto capped = relu6(conv2d(x, {.filters = 2, .kernel = 1}).named("capped"));
  const auto open = conv2d(x, {.filters = 2, .kernel = 1}).named("open");
  const auto both = conv2d(x, {.filters = 4, .kernel = 1}).named("both");
  g.output(linear(flatten(add(concat({open, capped}, 2), both)), {.units = 2}).named("logits"));
  Model model(std::move(g), Rng(2));
  stet_test::spread_parameters(model, 7);
  EqualizeReport report;
  CHECK(same_function(model, equalize(model, {}, &report), 1));
  REQUIRE(report.channels.size() == 1);
  CHECK(report.channels[0].producers == std::vector<std::string>{"open", "both"});
  CHECK_THAT(report.str(), ContainsSubstring("2 of 4 channels of both are left as they are: relu6_1 (relu6) does not pass a factor on"));
}

TEST_CASE("grouped and widening layers are scaled by the channels that they read") {
  Graph g;
  auto x = g.input({6, 6, 2});
  x = relu(conv2d(x, {.filters = 4, .kernel = 3}).named("first"));
  x = relu(depthwise_conv2d(x, {.kernel = 3, .multiplier = 2}).named("widening"));
  x = relu(conv2d(x, {.filters = 6, .kernel = 3, .groups = 2}).named("grouped"));
  g.output(linear(flatten(x), {.units = 2}));
  Model model(std::move(g), Rng(2));
  stet_test::spread_parameters(model, 8);
  EqualizeReport report;
  CHECK(same_function(model, equalize(model, {}, &report), 1));
  REQUIRE(report.channels.size() == 3);
  CHECK(report.channels[1].producers == std::vector<std::string>{"widening"});
  CHECK(report.channels[1].consumers == std::vector<std::string>{"grouped"});
}

TEST_CASE("a flattened image that is added to as many numbers takes them along") {
  Graph g;
  auto x = g.input({2, 2, 3});
  const auto image = flatten(conv2d(x, {.filters = 3, .kernel = 1}).named("image"));
  const auto numbers = linear(flatten(x), {.units = 12}).named("numbers");
  g.output(linear(relu(add(image, numbers)), {.units = 2}));
  Model model(std::move(g), Rng(2));
  stet_test::spread_parameters(model, 6);
  EqualizeReport report;
  CHECK(same_function(model, equalize(model, {}, &report), 1));
  REQUIRE(report.channels.size() == 1);
  CHECK(report.channels[0].producers == std::vector<std::string>{"image", "numbers"});
}

TEST_CASE("channels of zeros, and rounds that do nothing, change nothing") {
  Graph g;
  auto x = g.input({4, 4, 2});
  x = relu(batch_norm(conv2d(x, {.filters = 4, .kernel = 3, .bias = false})));
  g.output(linear(flatten(x), {.units = 2}));
  Model model(std::move(g), Rng(2));
  model.parameter("batch_norm_1.gamma").value.edit()[1] = 0;
  const Model other = equalize(model);
  CHECK(same_function(model, other, 1));
  CHECK(other.parameter("batch_norm_1.gamma").value[1] == 0);
  CHECK(stet_test::same_bits(equalize(other).parameter("linear_1.weight").value, other.parameter("linear_1.weight").value));
  CHECK_THROWS_AS(equalize(model, {.rounds = 0}), Error);
}

TEST_CASE("a channel of tiny weights and an ordinary offset does not become the largest of its layer") {
  for (const bool normed : {true, false}) {
    INFO(normed);
    Graph g;
    auto x = g.input({6, 6, 2});
    x = conv2d(x, {.filters = 4, .kernel = 3, .bias = !normed}).named("first");
    x = relu(normed ? batch_norm(x).named("norm") : x).named("values");
    g.output(linear(flatten(x), {.units = 3}));
    Model model(std::move(g), Rng(2));
    if (normed) {
      model.parameter("norm.gamma").value.edit()[2] = 1e-6f;
      model.parameter("norm.beta").value.edit()[2] = 0.3f;
    } else {
      Tensor<float>& w = model.parameter("first.weight").value;
      for (std::int64_t i = 0; i < w.size() / 4; ++i) w.edit()[static_cast<std::size_t>(2 * w.size() / 4 + i)] *= 1e-6f;
      model.parameter("first.bias").value.edit()[2] = 0.3f;
    }
    const auto largest = [](const Model& m) {
      float most = 0;
      (void)infer(m, stet_test::random_images({6, 6, 2}, 50, 3), {.observe = [&](int node, const Tensor<float>& value) {
                    if (m.graph().node(node).name == "values") most = *std::max_element(value.span().begin(), value.span().end());
                  }});
      return most;
    };
    const Model other = equalize(model);
    CHECK(same_function(model, other, 1));
    CHECK(largest(other) <= 4 * largest(model));
  }
}

TEST_CASE("equalizing restores a network whose channels were rescaled", "[slow]") {
  const DatasetSplit data = make_shapes(1, 2000, 1000);
  Graph g;
  auto x = g.input({28, 28, 1});
  x = max_pool(relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2, .bias = false}))), {.size = 2});
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3, .bias = false})));
  g.output(linear(flatten(x), {.units = 10}));
  Model model(std::move(g), Rng(1));
  (void)fit(model, data.train, {.epochs = 4, .optimizer = Adam{.lr = 3e-3}, .progress = ProgressMode::quiet});
  const double fp32 = evaluate(model, data.test).accuracy;
  Model hostile = model;
  planted::rescale(hostile, 64, 1);
  const auto deployed = [&](const Model& m) { return evaluate(Engine(quantize(m, recipes::int8_per_tensor(), data.train)), data.test).accuracy; };
  CHECK(deployed(hostile) < fp32 - 0.05);
  CHECK(deployed(equalize(hostile)) > fp32 - 0.01);
}

}  // namespace equalize_test
