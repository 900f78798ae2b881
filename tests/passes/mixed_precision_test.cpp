// Mixed precision: traces of the Hessian, what fewer bits cost a layer, the frontier of widths, and what is made of it.

#include "diagnose/small_network.hpp"
#include "support/catch.hpp"

#include <stet/core/error.hpp>
#include <stet/data/dataset.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/prepare.hpp>
#include <stet/passes/hessian_trace.hpp>
#include <stet/passes/layer_sensitivity.hpp>
#include <stet/passes/mixed_precision.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace mixed_precision_test {

using namespace stet;
using stet_test::drawn_images;
using stet_test::trained_network;

namespace {

LayerSensitivity made_up(const std::string& name, std::int64_t weights, std::vector<double> loss) {
  LayerSensitivity l{name, weights, 10 * weights, 8, {}, std::move(loss)};
  for (const int bits : {8, 4, 2}) l.schemes.push_back(symmetric(bits));
  return l;
}
const std::vector<int> widths{8, 4, 2};
// What is left of a data set that was moved from: the only one without images.
Dataset no_images() {
  Dataset data = drawn_images().train.first(2);
  const Dataset taken = std::move(data);
  return data;
}

}  // namespace

TEST_CASE("the trace of the Hessian of a linear classifier is the one on paper") {
  Graph g;
  auto x = g.input({28, 28, 1});
  g.output(linear(flatten(x), {.units = 10}).named("logits"));
  const Model model(std::move(g), Rng(3));
  const Dataset data = drawn_images().train.first(200);
  // d2 loss / dw_cj^2 = mean over images of x_j^2 p_c (1 - p_c)
  double sum = 0;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const Batch image = data.batch(i, i + 1);
    const Tensor<float> y = infer(model, image.x);
    double norm = 0, total = 0, spread = 0;
    for (const float v : image.x.span()) norm += static_cast<double>(v) * static_cast<double>(v);
    for (const float v : y.span()) total += std::exp(static_cast<double>(v));
    for (const float v : y.span()) {
      const double p = std::exp(static_cast<double>(v)) / total;
      spread += p * (1 - p);
    }
    sum += norm * spread;
  }
  const double wanted = sum / static_cast<double>(data.size()) / 7840.0;
  const LayerTrace t = hessian_trace(model, data, {"logits"}, {.images = 0, .probes = 60}).front();
  CHECK(t.layer == "logits");
  CHECK(t.standard_error > 0.0);
  CHECK(std::abs(t.mean - wanted) < 4 * t.standard_error);
  CHECK(std::abs(t.mean - wanted) < 0.25 * wanted);
  // A probe is a number of the seed.
  CHECK(hessian_trace(model, data, {"logits"}, {.images = 64, .probes = 2}).front().mean ==
        hessian_trace(model, data, {"logits"}, {.images = 64, .probes = 2}).front().mean);
}

TEST_CASE("hessian_trace refuses what it cannot use") {
  const Model& model = trained_network();
  const Dataset data = drawn_images().train.first(64);
  CHECK_THROWS_AS(hessian_trace(model, data, {"none"}), Error);
  CHECK_THROWS_AS(hessian_trace(model, data, {"logits"}, {.probes = 1}), Error);
  CHECK_THROWS_AS(hessian_trace(model, data, {"logits"}, {.batch = 0}), Error);
  CHECK_THROWS_AS(hessian_trace(model, data, {"logits"}, {.step = 0}), Error);
  CHECK_THROWS_AS(hessian_trace(model, no_images(), {"logits"}), Error);
  Model zero = model;
  for (float& w : zero.parameter("logits.weight").value.edit()) w = 0;
  CHECK_THROWS_AS(hessian_trace(zero, data, {"logits"}), Error);
}

TEST_CASE("fewer bits cost a layer more, and both measures agree on which layer is sensitive") {
  const Model& model = trained_network();
  const Dataset data = drawn_images().train;
  Recipe recipe;
  const auto alone = layer_sensitivity(model, recipe, data, {.images = 500});
  const auto hessian = layer_sensitivity(model, recipe, data, {.measure = SensitivityMeasure::hessian_trace, .images = 500});
  REQUIRE(alone.size() == 3);
  REQUIRE(hessian.size() == 3);
  for (const auto* layers : {&alone, &hessian}) {
    for (const LayerSensitivity& l : *layers) {
      INFO(l.layer);
      REQUIRE(l.loss.size() == 4);
      CHECK(l.loss[0] >= 0.0);
      CHECK(l.loss[0] < 0.01);
      for (std::size_t b = 1; b < 4; ++b) CHECK(l.loss[b] >= l.loss[b - 1]);
      CHECK(l.loss[3] > l.loss[0]);
      CHECK(l.schemes[1].bits() == 4);
      CHECK(l.activation_bits == 8);
    }
  }
  CHECK(alone[2].layer == "logits");
  CHECK(alone[2].weights == model.parameter("logits.weight").value.size());
  CHECK(alone[2].multiply_adds == alone[2].weights);
}

TEST_CASE("layers that the recipe decides are left out") {
  Recipe recipe;
  recipe.overrides.push_back({.node = "logits", .weights = symmetric(8, false)});
  const auto layers = layer_sensitivity(trained_network(), recipe, drawn_images().train, {.bits = {8, 2}, .images = 100});
  REQUIRE(layers.size() == 2);
  const PrecisionFrontier f = precision_frontier(layers, {8, 2});
  const Recipe made = with_precision(recipe, f, f.choices.front());
  CHECK(made.overrides.size() == 3);
  CHECK(made.override_of("logits")->weights->bits() == 8);
}

TEST_CASE("layer_sensitivity refuses widths, data and recipes that it cannot use") {
  const Model& model = trained_network();
  const Dataset data = drawn_images().train.first(100);
  CHECK_THROWS_AS(layer_sensitivity(model, Recipe(), data, {.bits = {}}), Error);
  CHECK_THROWS_AS(layer_sensitivity(model, Recipe(), data, {.bits = {9, 4}}), Error);
  CHECK_THROWS_AS(layer_sensitivity(model, Recipe(), data, {.bits = {4, 8}}), Error);
  CHECK_THROWS_AS(layer_sensitivity(model, Recipe(), data, {.bits = {4, 1}}), Error);
  CHECK_THROWS_AS(layer_sensitivity(model, Recipe(), no_images()), Error);
  CHECK_THROWS_WITH(layer_sensitivity(model, Recipe(), Dataset(data.batch(0, 10).x)),
                    Catch::Matchers::ContainsSubstring("layer_sensitivity: data set without labels has no labels; what a layer costs"));
}

TEST_CASE("the frontier is that of trying everything") {
  Rng rng(5);
  for (int round = 0; round < 50; ++round) {
    std::vector<LayerSensitivity> layers;
    for (int l = 0; l < 5; ++l) {
      const double a = rng.uniform(), b = a + rng.uniform();
      layers.push_back(made_up("l" + std::to_string(l), 1 + static_cast<std::int64_t>(rng.below(500)), {0.0, a, b}));
    }
    const PrecisionFrontier f = precision_frontier(layers, widths);
    for (std::size_t i = 1; i < f.choices.size(); ++i) {
      CHECK(f.choices[i].cost > f.choices[i - 1].cost);
      CHECK(f.choices[i].loss < f.choices[i - 1].loss);
    }
    for (const double part : {0.0, 0.3, 0.7, 1.0}) {
      const double budget = f.choices.front().cost + part * (f.choices.back().cost - f.choices.front().cost);
      double best = std::numeric_limits<double>::infinity();
      for (int code = 0; code < 243; ++code) {
        double cost = 0, loss = 0;
        for (int l = 0, rest = code; l < 5; ++l, rest /= 3) {
          const auto b = static_cast<std::size_t>(rest % 3);
          cost += weight_bytes(layers[static_cast<std::size_t>(l)], widths[b]);
          loss += layers[static_cast<std::size_t>(l)].loss[b];
        }
        if (cost <= budget) best = std::min(best, loss);
      }
      CHECK(f.within(budget).loss == Approx(best).margin(1e-12));
      CHECK(f.within(budget).cost <= budget);
    }
  }
}

TEST_CASE("a frontier of many choices is thinned and keeps its ends") {
  Rng rng(6);
  std::vector<LayerSensitivity> layers;
  for (int l = 0; l < 40; ++l) {
    const double a = rng.uniform(), b = a + rng.uniform();
    layers.push_back(made_up("l" + std::to_string(l), 1000 + static_cast<std::int64_t>(rng.below(100000)), {0.0, a, b}));
  }
  const PrecisionFrontier f = precision_frontier(layers, widths);
  CHECK(f.choices.size() <= 4097);
  CHECK(f.choices.size() > 500);
  for (const int b : f.choices.front().bits) CHECK(b == 2);
  for (const int b : f.choices.back().bits) CHECK(b == 8);
  for (std::size_t i = 0; i < f.choices.size(); i += 97) {
    double cost = 0;
    for (std::size_t l = 0; l < layers.size(); ++l) cost += weight_bytes(layers[l], f.choices[i].bits[l]);
    CHECK(cost == Approx(f.choices[i].cost));
  }
}

TEST_CASE("costs are those of files and of hardware that narrow factors are faster on") {
  const LayerSensitivity l = made_up("l", 9, {0, 0, 0});
  CHECK(weight_bytes(l, 8) == 9);
  CHECK(weight_bytes(l, 5) == 9);
  CHECK(weight_bytes(l, 4) == 5);
  CHECK(weight_bytes(l, 3) == 5);
  CHECK(weight_bytes(l, 2) == 3);
  CHECK(bit_operations(l, 4) == 90 * 4 * 8);
}

TEST_CASE("choosing refuses what does not fit together") {
  PrecisionFrontier empty;
  const Dataset some = drawn_images().train.first(20);
  CHECK_THROWS_WITH(measure_choices(empty, trained_network(), Recipe(), some, some), Catch::Matchers::ContainsSubstring("the frontier has no choices"));
  CHECK_THROWS_WITH(precision_frontier({LayerSensitivity{}}, {8}, PrecisionCost{}), Catch::Matchers::ContainsSubstring("the cost is an empty function"));
  const std::vector<LayerSensitivity> one{made_up("l", 100, {0, 0.1, 0.2})};
  CHECK_THROWS_AS(precision_frontier({}, widths), Error);
  CHECK_THROWS_AS(precision_frontier(one, {8, 4}), Error);
  CHECK_THROWS_AS(precision_frontier(one, widths, [](const LayerSensitivity&, int) { return -1.0; }), Error);
  CHECK_THROWS_AS(precision_frontier({made_up("l", 100, {0, std::nan(""), 0.2})}, widths), Error);
  const PrecisionFrontier f = precision_frontier(one, widths);
  CHECK_THROWS_AS(f.within(24), Error);
  CHECK(f.within(25).bits[0] == 2);
  CHECK(f.within(99).bits[0] == 4);
  CHECK_THROWS_AS(with_precision(Recipe(), f, {{8, 8}, 0, 0, {}, {}}), Error);
  CHECK_THROWS_AS(with_precision(Recipe(), f, {{3}, 0, 0, {}, {}}), Error);
}

TEST_CASE("a choice under a budget is deployed with its widths, and is worth more than equal widths of its size") {
  const Model& model = trained_network();
  const Dataset train = drawn_images().train, test = drawn_images().test;
  Recipe recipe;
  PrecisionFrontier f = precision_frontier(layer_sensitivity(model, recipe, train, {.images = 500}), {8, 4, 3, 2});
  const double all_4 = [&] {
    double bytes = 0;
    for (const LayerSensitivity& l : f.layers) bytes += weight_bytes(l, 4);
    return bytes;
  }();
  const PrecisionChoice choice = f.within(all_4);
  const QatModel qat = [&] {
    QatModel q = prepare(model, with_precision(recipe, f, choice));
    calibrate(q, train);
    return q;
  }();
  for (std::size_t l = 0; l < f.layers.size(); ++l) {
    for (const Unit& unit : qat.units()) {
      if (unit.has_weights() && qat.node_name(unit.node) == f.layers[l].layer) CHECK(unit.weights.bits() == choice.bits[l]);
    }
  }
  measure_choices(f, model, recipe, train, test.first(1000), 3);
  std::size_t measured = 0;
  for (const PrecisionChoice& c : f.choices) measured += c.measured_accuracy ? 1 : 0;
  CHECK(measured >= 2);
  CHECK(f.choices.back().measured_loss.value() < f.choices.front().measured_loss.value());
  const std::string table = f.str();
  CHECK(table.find("logits") != std::string::npos);
  CHECK(table.find(" % |") != std::string::npos);
  CHECK_THROWS_AS(measure_choices(f, model, recipe, train, test, 0), Error);
}

}  // namespace mixed_precision_test
