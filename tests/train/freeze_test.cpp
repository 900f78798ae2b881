// Frozen layers stay to the bit and cost no gradient, in float and quantized; rates of layers; and runs know of both.
#include <stet/graph/freeze.hpp>

#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#include <stet/train/fit_qat.hpp>
#include <stet/train/metric.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <map>

namespace freeze_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Model network() {
  Graph g;
  auto x = g.input({28, 28, 1});
  x = relu(
      batch_norm(conv2d(x, {.filters = 6, .kernel = 3, .stride = 4, .bias = false}).named("stem")).named("stem_norm"));
  x = relu(
      batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2, .bias = false}).named("body")).named("body_norm"));
  g.output(linear(flatten(x), {.units = 10}).named("head"));
  return Model(std::move(g), Rng(1));
}

std::map<std::string, Tensor<float>> state(Model& model) {
  std::map<std::string, Tensor<float>> all;
  model.fields([&](const std::string& name, Tensor<float>& value) { all[name] = value; });
  return all;
}

FitOptions quiet(int epochs) {
  return {.epochs = epochs, .batch = 32, .optimizer = Adam{.lr = 1e-3}, .progress = ProgressMode::quiet};
}

// What moved, by name.
std::string moved(const std::map<std::string, Tensor<float>>& before, Model& model) {
  std::string names;
  for (const auto& [name, value] : state(model)) {
    if (!equal(value, before.at(name))) names += name + " ";
  }
  return names;
}

}  // namespace

static_assert(fits_pattern("*", "") && fits_pattern("stem*", "stem.0") && fits_pattern("*norm", "stem_norm") &&
              fits_pattern("a*b*c", "axxbbbc"));
static_assert(!fits_pattern("stem", "stem2") && !fits_pattern("a*b", "axc") && !fits_pattern("", "x") &&
              fits_pattern("**", "x"));

TEST_CASE("what is frozen stays to the bit, statistics too, and has no gradient", "[train]") {
  const Dataset data = make_shapes(1, 128, 1).train;
  Model model = network();
  freeze(model, "stem*");
  const auto before = state(model);
  fit(model, data, quiet(2));
  CHECK(moved(before, model) ==
        "body.weight body_norm.beta body_norm.gamma body_norm.mean body_norm.variance head.bias head.weight ");
  CHECK(model.parameter("stem.weight").gradient.empty());

  SECTION("a graph of frozen layers computes as in evaluation") {
    freeze(model, "body*");
    Tape tape;
    const Batch batch = data.batch(0, 16);
    const Tensor<float> trained = forward(tape, model, batch.x, Mode::training, {}).value();
    CHECK(equal(trained, infer(model, batch.x)));
  }
  SECTION("unfrozen, it moves again") {
    unfreeze(model, "stem_norm");
    const auto now = state(model);
    fit(model, data, quiet(1));
    CHECK_THAT(moved(now, model), ContainsSubstring("stem_norm.mean") && !ContainsSubstring("stem.weight"));
  }
}

TEST_CASE("a frozen stem stays in quantized training, and what is trained is what runs", "[train]") {
  const Dataset data = make_shapes(1, 256, 1).train;
  Model model = network();
  fit(model, data, quiet(2));
  freeze(model, "stem*");
  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, data);
  const auto before = state(qat.model());
  fit(qat, data, quiet(2));
  CHECK_THAT(moved(before, qat.model()),
             !ContainsSubstring("stem") && ContainsSubstring("body_norm.mean") && ContainsSubstring("head.weight"));
  CHECK(equal(predict(qat, data), predict(Engine(convert(qat)), data)));
}

TEST_CASE("a layer's rate multiplies its steps", "[train]") {
  const Dataset data = make_shapes(1, 32, 1).train;
  FitOptions o = quiet(1);
  o.optimizer = Sgd{.lr = 0.01};
  Model plain = network(), slow = network();
  const Model start = network();
  fit(plain, data, o);
  o.rates = {{"*", 0.5}, {"head", 2.0}, {"*.bias", 0.25}};
  fit(slow, data, o);
  const auto step = [&](const Model& m, const char* name) {
    return static_cast<double>(m.parameter(name).value[3]) - static_cast<double>(start.parameter(name).value[3]);
  };
  CHECK(step(slow, "stem.weight") == Approx(0.5 * step(plain, "stem.weight")).epsilon(1e-3));
  CHECK(step(slow, "head.weight") == Approx(2.0 * step(plain, "head.weight")).epsilon(1e-3));
  CHECK(step(slow, "head.bias") == Approx(0.25 * step(plain, "head.bias")).epsilon(1e-3));
}

TEST_CASE("a run goes on with what was frozen and with its rates, and patterns must fit", "[train]") {
  const TemporaryDirectory dir;
  const Dataset data = make_shapes(1, 64, 1).train;
  Model model = network();
  freeze(model, "stem*");
  FitOptions o = quiet(2);
  o.rates = {{"head", 2.0}};
  o.checkpoint = dir.path("run.safetensors");
  o.stop_after = 1;
  fit(model, data, o);
  o.resume = true;
  o.stop_after = 0;
  Model other = network();
  CHECK_THROWS_WITH(fit(other, data, o),
                    ContainsSubstring("frozen stem.weight, stem_norm.gamma, stem_norm.beta there, frozen nothing now"));
  freeze(other, "stem*");
  FitOptions rates = o;
  rates.rates[0].factor = 3;
  CHECK_THROWS_WITH(fit(other, data, rates), ContainsSubstring("rates 2 of head there, rates 3 of head now"));
  CHECK(fit(other, data, o).epochs.size() == 2);

  CHECK_THROWS_WITH(freeze(model, "nothing*"), ContainsSubstring("no node with parameters is named 'nothing*'"));
  CHECK_THROWS_WITH(unfreeze(model, "relu*"), ContainsSubstring("unfreeze: no node with parameters"));
  o = quiet(1);
  o.rates = {{"stem", 2.0}};
  CHECK_THROWS_WITH(fit(model, data, o), ContainsSubstring("no parameter that is trained is named 'stem'"));
  o.rates = {{"head", 0.0}};
  CHECK_THROWS_WITH(fit(model, data, o), ContainsSubstring("freeze(model, \"head\") holds it"));
  freeze(model, "*");
  CHECK_THROWS_WITH(fit(model, data, quiet(1)), ContainsSubstring("all of the model is frozen"));
}

}  // namespace freeze_test
