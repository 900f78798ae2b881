// prepare: what integers cannot run is listed at once, nothing else changes, and scale groups share one quantizer.

#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#include <stet/train/entry_templates.hpp>
#include <stet/train/fit_qat.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <string>

namespace prepare_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string complaint(Graph g, const Recipe& recipe) {
  const Model model(std::move(g), Rng(1));
  try {
    (void)prepare(model, recipe);
  } catch (const Error& e) {
    CHECK(e.code() == Errc::unsupported);
    return e.what();
  }
  return "";
}

int quantizer_index(const QatModel& qat, std::string_view output) {
  for (const Unit& unit : qat.units()) {
    if (qat.node_name(unit.output) == output) return unit.quantizer;
  }
  return -1;
}

}  // namespace

TEST_CASE("prepare says what a fixed scale will clip, once for all values, and so does the report of fit") {
  Graph g;
  const auto x = g.input({4, 4, 2}).named("x");
  const auto a = conv2d(x, {.filters = 2, .kernel = 1}).named("wide");
  const auto b = leaky_relu(conv2d(x, {.filters = 2, .kernel = 1}).named("other")).named("leaky");
  const auto c = sigmoid(conv2d(x, {.filters = 2, .kernel = 1}).named("gate_in")).named("gate");
  g.output(linear(flatten(concat({a, b, c}, 2).named("joint")), {.units = 2}).named("head"));
  const Model model(std::move(g), Rng(1));
  CaughtWarnings warnings;
  QatModel qat = prepare(model, recipes::int8());
  REQUIRE(warnings.all().size() == 1);
  CHECK_THAT(warnings.all()[0], ContainsSubstring("prepare: wide, leaky: shares the scale that the runtime fixes"));
  const Dataset data = random_dataset({4, 4, 2}, 32, 2, 3);
  calibrate(qat, data);
  REQUIRE(warnings.all().size() == 2);  // how much it clips of these data
  CHECK_THAT(warnings.all()[1], ContainsSubstring("calibrate: ") && ContainsSubstring("wide") && ContainsSubstring("leaky"));
  const FitReport report = fit(qat, data, {.batch = 16, .monitor = {.on = false}, .progress = ProgressMode::quiet});
  CHECK(std::any_of(report.warnings.begin(), report.warnings.end(),
                    [](const std::string& w) { return w.find("wide, leaky: shares the scale") != std::string::npos; }));
  CHECK(warnings.all().size() == 2);
}

TEST_CASE("prepare lists every node that the target cannot run, with the remedy") {
  Graph g;
  const auto x = g.input({6, 6, 2});
  auto y = sigmoid(conv2d(x, {.filters = 2, .kernel = 3}).named("conv")).named("squash");
  y = batch_norm(y).named("late_norm");
  y = average_pool(y, {.size = 2, .padding = Padding::same(), .count_padding = true}).named("counting");
  y = linear(y, {.units = 3}).named("per_pixel");
  y = tanh(leaky_relu(y, {.alpha = -1.0f}).named("leaky")).named("bent");
  y = sum(y, {0}).named("total");
  y = mean(y, {0}).named("average");
  g.output(softmax(y).named("end"));
  Recipe recipe = recipes::int8();
  recipe.target = targets::tflite_micro;
  recipe.activations = Int8Activation(5);
  recipe.overrides = {{.node = "nowhere", .activations = Int8Activation(4)}, {.node = "conv", .weights = WideIntN(9)}};
  const std::string text = complaint(std::move(g), recipe);
  CHECK_THAT(text, ContainsSubstring("prepare: target tflite_micro cannot run 9 nodes:"));
  for (const char* part :
       {"squash (sigmoid): activations of 5 bits; the runtime fixes its output at 8 bits: override its activations with Int8Activation(8)", "late_norm (batch_norm): ",
        "counting (average_pool): ",
        "leaky (leaky_relu): slope -1; integer targets take slopes of 0 to 256", "bent (tanh): activations of 5 bits",
        "total (sum): ", "average (mean): ", "end (softmax): softmax stays outside of an integer model",
        "nowhere: the recipe overrides a node of this name, but the graph has none"}) {
    CHECK_THAT(text, ContainsSubstring(part));
  }
}

TEST_CASE("prepare refuses recipes and structures that cannot work") {
  const auto simple = [] {
    Graph g;
    const auto x = g.input({4, 4, 2});
    g.output(linear(flatten(relu(batch_norm(conv2d(x, {.filters = 3}).named("conv")).named("norm")).named("act")), {.units = 2}).named("head"));
    return g;
  };
  CHECK(complaint(simple(), recipes::int8()) == "");
  Recipe r = recipes::int8();
  CHECK_THROWS_AS(Int8Activation(9), Error);
  CHECK_THROWS_WITH(symmetric(0), ContainsSubstring("symmetric: weights of 0 bits; integer weights have 1 to 8"));
  // An override that would have no effect.
  r = recipes::int8();
  r.overrides = {{.node = "act", .weights = symmetric(4)}};
  CHECK_THAT(complaint(simple(), r), ContainsSubstring("act (relu): the recipe overrides its weights, but it has none"));
  r.overrides = {{.node = "norm", .activations = Int8Activation(4)}};
  CHECK_THAT(complaint(simple(), r), ContainsSubstring("norm (batch_norm): the recipe overrides its activations, but its value is fused into act; name that"));
  r.overrides = {{.node = "conv", .weights = symmetric(4)}, {.node = "act", .activations = Int8Activation(4)}};
  CHECK(complaint(simple(), r) == "");
  r.overrides.push_back({.node = "conv", .activations = Int8Activation(4)});
  CHECK_THAT(complaint(simple(), r), ContainsSubstring("conv (conv2d): the recipe overrides it twice; say both in one override"));
  // Two widths for one scale group.
  Graph g;
  const auto x = g.input({4, 4, 2});
  g.output(linear(flatten(max_pool(conv2d(x, {.filters = 3}).named("conv")).named("pool")), {.units = 2}));
  r.overrides = {{.node = "conv", .activations = Int8Activation(4)}, {.node = "pool", .activations = Int8Activation(5)}};
  CHECK_THAT(complaint(std::move(g), r), ContainsSubstring("pool (max_pool): pool shares its scale with conv, but the recipe gives them schemes 5 bits, affine per tensor, codes -128..-97 and 4 bits"));

  Graph dropped;
  const auto d = dropped.input({4, 4, 2});
  dropped.output(linear(flatten(concat({max_pool(dropout(d)), average_pool(d)})), {.units = 2}));
  CHECK_THAT(complaint(std::move(dropped), recipes::int8()), ContainsSubstring("move the dropout behind the concat"));
}

TEST_CASE("prepare leaves the model alone, and turning channels around changes no value", "[bits]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    const Model model = random_model(seed);
    const auto before = state_of(model);
    const QatModel qat = prepare(model, recipes::int8());
    CHECK(state_of(model) == before);
    for (const auto& p : qat.model().parameters()) {
      if (p.role != graph::Role::gamma) continue;
      for (const float gamma : p.parameter.value.span()) CHECK_FALSE(gamma < 0.0f);
    }
    const Tensor<float> x = random_images(input_shape(model), 3, seed);
    const Tensor<float> y = infer(model, x), z = infer(qat.model(), x);
    REQUIRE(y.shape() == z.shape());
    for (std::int64_t i = 0; i < y.size(); ++i) CHECK(y[i] == z[i]);  // -0 equals 0
  }
}

TEST_CASE("values that must have one scale share one quantizer, others do not") {
  Graph g;
  const auto x = g.input({8, 8, 3}).named("x");
  const auto a = relu(conv2d(x, {.filters = 4})).named("a");
  const auto b = conv2d(x, {.filters = 4, .kernel = 3}).named("b");
  const auto pooled = average_pool(max_pool(a, {.size = 1}).named("max"), {.size = 1}).named("average");
  const auto joined = concat({pooled, b}).named("joined");
  const auto moved = transpose(pad(joined, {.top = 1}).named("padded"), {1, 0, 2}).named("turned");
  const auto flat = reshape(relu6(moved).named("cut"), {72, 1, 8}).named("flat");
  const auto summed = (flat + flat).named("summed");
  g.output(linear(global_average_pool(summed).named("mean"), {.units = 2}).named("logits"));
  Recipe recipe = recipes::int8();
  recipe.overrides = {{.node = "padded", .activations = Int8Activation(6)}};
  const QatModel qat = prepare(Model(std::move(g), Rng(1)), recipe);
  const int group = quantizer_index(qat, "a");
  for (const char* name : {"max", "average", "b", "joined", "padded", "turned", "cut", "flat"}) {
    INFO(name);
    CHECK(quantizer_index(qat, name) == group);
  }
  CHECK(qat.quantizers().size() == 5);  // x, the group, summed, mean, logits
  CHECK(qat.quantizer(group).grid() == Grid::activation(6));
  CHECK(qat.quantizer(quantizer_index(qat, "x")).grid() == Grid::activation(8));
}

}  // namespace prepare_test
