#include <stet/passes/choose_ranges.hpp>

#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/forward.hpp>
#include <stet/quant/min_max_observer.hpp>
#include <stet/quant/percentile_observer.hpp>
#include <stet/train/fit.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <cmath>
#include <string>
#include <vector>

namespace choose_ranges_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

const DatasetSplit& images() {
  static const DatasetSplit data = make_shapes(1, 600, 10);
  return data;
}

const Model& trained() {
  static const Model model = [] {
    Graph g;
    auto x = g.input({28, 28, 1});
    x = max_pool(relu(batch_norm(conv2d(x, {.filters = 6, .kernel = 3, .stride = 2, .bias = false}).named("first"))), {.size = 2});
    x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .bias = false}).named("second")));
    g.output(linear(flatten(x), {.units = 10}).named("logits"));
    Model m(std::move(g), Rng(1));
    (void)fit(m, images().train, {.epochs = 3, .optimizer = Adam{.lr = 3e-3}, .progress = ProgressMode::quiet});
    return m;
  }();
  return model;
}

// Divergence from the float network, from the engine and image by image.
double divergence(const Recipe& recipe, const QuantizeOptions& options) {
  const Engine engine(quantize(trained(), recipe, images().train, options));
  const Tensor<float> x = images().train.batch(0, images().train.size()).x, p = infer(trained(), x), q = infer(engine, x);
  double sum = 0;
  for (std::int64_t i = 0; i < x.shape()[0]; ++i) {
    double zp = 0, zq = 0;
    for (std::int64_t k = 0; k < 10; ++k) {
      zp += std::exp(static_cast<double>(p[10 * i + k]));
      zq += std::exp(static_cast<double>(q[10 * i + k]));
    }
    for (std::int64_t k = 0; k < 10; ++k) {
      const double a = static_cast<double>(p[10 * i + k]) - std::log(zp), b = static_cast<double>(q[10 * i + k]) - std::log(zq);
      sum += std::exp(a) * (a - b);
    }
  }
  return sum / static_cast<double>(x.shape()[0]);
}

}  // namespace

TEST_CASE("the ranges chosen are never worse than those given, and are measured as they are deployed") {
  Recipe recipe = recipes::w4a4();
  recipe.calibration_observer = PercentileObserver(Granularity::per_tensor(), 60.0);
  recipe.weights = symmetric(3, true, WeightRange::mse);
  const QuantizeOptions how{.passes = {passes::reestimated({.batches = 4})}};
  ChooseRangesReport report;
  const Recipe chosen = choose_ranges(trained(), recipe, images().train, {.data = {.images = 0}, .quantize = how}, &report);
  const double before = divergence(recipe, how), after = divergence(chosen, how);
  REQUIRE(report.trials.size() >= 4);
  CHECK(report.trials[0].divergence == Approx(before).epsilon(1e-4));
  double least = before;
  for (const RangeTrial& t : report.trials) {
    if (t.taken) CHECK(t.divergence <= least + 1e-12);
    if (t.taken) least = t.divergence;
  }
  CHECK(after == Approx(least).epsilon(1e-4));
  CHECK(after < before);
  CHECK_THAT(report.str(), ContainsSubstring("weights of second by "));
  CHECK(report.str().find("weights of first by ") == std::string::npos);  // 8 bits: an end
  // Nothing else of the recipe moves.
  Recipe same = chosen;
  same.weights = recipe.weights;
  same.linear_weights = recipe.linear_weights;
  same.calibration_observer = recipe.calibration_observer;
  same.overrides = recipe.overrides;
  CHECK(same.describe() == recipe.describe());
}

TEST_CASE("an override of a layer keeps what else it says") {
  Recipe recipe = recipes::w4a8();
  recipe.overrides = {{.node = "second", .weights = symmetric(3, true)}};
  ChooseRangesReport report;
  const Recipe chosen = choose_ranges(trained(), recipe, images().train, {.observers = {MinMaxObserver{}}, .data = {.images = 100, .layers = {"second"}}}, &report);
  REQUIRE(chosen.overrides.size() == 1);
  CHECK(chosen.overrides[0].weights->bits() == 3);
  CHECK_THAT(report.str(), ContainsSubstring("weights of second by least squared error"));
}

TEST_CASE("choose_ranges refuses what it cannot do, and leaves schemes without ranges of this kind alone") {
  const Recipe recipe = recipes::w4a8();
  CHECK_THROWS_WITH(choose_ranges(trained(), recipe, images().train, {.data = {.batch = 0}}), ContainsSubstring("positive batch"));
  CHECK_THROWS_WITH(choose_ranges(trained(), recipe, images().train, {.data = {.layers = {"nobody"}}}), ContainsSubstring("no layer with integer weights is named nobody"));
  Recipe binary = recipes::w4a8();
  binary.weights = symmetric(1);
  ChooseRangesReport report;
  (void)choose_ranges(trained(), binary, images().train, {.observers = {MinMaxObserver{}}, .data = {.images = 50}}, &report);
  CHECK(report.str().find("weights of second") == std::string::npos);
}

}  // namespace choose_ranges_test
