// Ranges and scales that do not suit their values: fixed ones, those of neighbours in a concat, and learned ones that training
// could not bring to where the values are. calibrate, fit and check say so.

#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/train/fit_qat.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/warnings.hpp"

#include <algorithm>

namespace range_use_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Dataset images() { return random_dataset({6, 6, 1}, 96, 3, 2); }

// Two branches, of which the second is `ratio` times smaller, joined by a concat.
QatModel branches(float ratio, const std::function<void(QatModel&)>& before = {}) {
  Graph g;
  const auto x = g.input({6, 6, 1}).named("x");
  const auto a = conv2d(x, {.filters = 2, .kernel = 3}).named("large");
  const auto b = conv2d(x, {.filters = 2, .kernel = 3}).named("small");
  g.output(linear(flatten(concat({a, max_pool(b, {.size = 1})}, 2)), {.units = 3}).named("logits"));
  Model model(std::move(g), Rng(1));
  const Tensor<float> like = model.parameter("large.weight").value;
  model.parameter("small.weight").value = like;
  for (float& w : model.parameter("small.weight").value.edit()) w *= ratio;
  QatModel qat = prepare(model, recipes::int8());
  if (before) before(qat);
  calibrate(qat, images());
  return qat;
}

bool any_mentions(const std::vector<std::string>& all, const std::string& words) {
  return std::any_of(all.begin(), all.end(), [&](const std::string& w) { return w.find(words) != std::string::npos; });
}

}  // namespace

TEST_CASE("a branch that is a thousandth of its neighbour in a concat is named, with the steps that are left to it") {
  CaughtWarnings caught;
  const QatModel qat = branches(1e-3f);
  CHECK(caught.mention("calibrate: small: uses 0.2"));
  CHECK(caught.mention("of the 255 steps of the scale that it shares with large, whose values reach 1e+03 times as far"));
  CHECK(any_mentions(check(qat).warnings(), "small: uses 0.2"));
  CHECK_FALSE(any_mentions(check(qat).warnings(), "large: uses"));
}

TEST_CASE("branches of like ranges, and one that is dead, are not called small") {
  CaughtWarnings caught;
  CHECK_FALSE(any_mentions(check(branches(0.2f)).warnings(), "uses"));
  CHECK_FALSE(any_mentions(check(branches(0.0f)).warnings(), "uses"));
}

TEST_CASE("a range that was fixed is compared with the values of calibration") {
  CaughtWarnings caught;
  const auto fixed = [&](Range range) {
    return branches(1.0f, [=](QatModel& qat) { qat.quantizer("logits").fix(range); });
  };
  const QatModel cut = fixed({-1e-3f, 1e-3f});
  CHECK(caught.mention("calibrate: logits: its fixed range -0.001..0.000996 cuts "));
  CHECK(any_mentions(check(cut).warnings(), "% of its values; fix a wider range, or let calibrate choose one"));
  const QatModel wide = fixed({-1e4f, 1e4f});
  CHECK(any_mentions(check(wide).warnings(), "of the 255 steps of its fixed range"));
  CHECK_FALSE(any_mentions(check(fixed({-4.0f, 4.0f})).warnings(), "fixed range"));
  // What the runtime fixes suits its function.
  Graph g;
  g.output(tanh(linear(g.input({4}), {.units = 2})).named("bent"));
  Model model(std::move(g), Rng(1));
  for (float& w : model.parameter("linear_1.weight").value.edit()) w *= 30.0f;  // nearly all of it -1 or 1
  const QatModel qat = calibrated_model(model, recipes::int8(), random_dataset({4}, 96, 2, 2));
  CHECK_FALSE(any_mentions(check(qat).warnings(), "fixed range"));
}

TEST_CASE("what calibration saw of every value is in a checkpoint") {
  QatModel qat = branches(1e-3f), copy = qat;
  const CalibrationData seen = qat.calibration_data();
  CHECK(seen.reach.size() == qat.units().size());
  copy.set_calibration_data({});
  CHECK(state_of(copy) != state_of(qat));
  copy.set_calibration_data(seen);
  CHECK(state_of(copy) == state_of(qat));
}

TEST_CASE("learned scales far from their values at the end of a run are named by fit and check") {
  const auto trained = [](float start, const Recipe& recipe) {
    Graph g;
    auto x = relu(conv2d(g.input({6, 6, 1}), {.filters = 4, .kernel = 3}).named("a")).named("a_out");
    x = relu(conv2d(x, {.filters = 4, .kernel = 3}).named("b")).named("b_out");
    g.output(linear(flatten(x), {.units = 3}).named("head"));
    Model model(std::move(g), Rng(1));
    for (auto& p : model.parameters()) {
      for (float& w : p.parameter.value.edit()) w *= start;
    }
    QatModel qat = calibrated_model(model, recipe, images());
    const FitReport report = fit(qat, images(), quiet_fit({.epochs = 20, .batch = 16, .optimizer = Adam{.lr = 1e-2}}));
    CHECK(report.warnings == check(qat).warnings());
    return report.warnings;
  };
  CaughtWarnings caught;
  Recipe everything = recipes::w4a4_lsq();
  everything.end_bits.reset();
  for (const Recipe& recipe : {recipes::w4a4_lsq(), everything}) {
    INFO(recipe.name << " " << recipe.end_bits.value_or(4));
    const std::vector<std::string> small = trained(1e-3f, recipe);
    if (recipe.end_bits) {
      CHECK(any_mentions(small, "a_out: the values of the last training step reach"));
      CHECK(any_mentions(small, "b: 4 of 4 learned scales are far from their weights, which ask for"));
    }
    CHECK(any_mentions(small, "scales move by small parts of themselves"));
    CHECK_FALSE(any_mentions(trained(1.0f, recipe), "learned scales are far"));
  }
}

}  // namespace range_use_test
