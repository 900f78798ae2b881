// Schemes that no integer kernel runs: trained and evaluated in float, refused by convert.

#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/quant/apot_scheme.hpp>
#include <stet/quant/binary_scheme.hpp>
#include <stet/quant/block_scheme.hpp>
#include <stet/quant/float_scheme.hpp>
#include <stet/train/entry_templates.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

namespace simulated_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Graph network() {
  Graph g;
  auto x = g.input({8, 8, 32});
  x = relu(batch_norm(conv2d(x, {.filters = 32, .kernel = 1, .bias = false}))).named("features");
  g.output(linear(global_average_pool(x), {.units = 4}));
  return g;
}
Dataset images() { return random_dataset({8, 8, 32}, 64, 4, 5); }

FitOptions options(int epochs) { return quiet_fit({.epochs = epochs, .batch = 16, .optimizer = Adam{.lr = 1e-2}}); }

double distance(const Tensor<float>& a, const Tensor<float>& b) {
  double sum = 0, size = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    sum += std::pow(static_cast<double>(a[i] - b[i]), 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(sum / size);
}

}  // namespace

TEST_CASE("a simulated scheme trains, is evaluated as it was trained, and convert says why it refuses") {
  const Model model(network(), Rng(3));
  const Tensor<float> x = images().batch(0, 8).x;
  struct Case {
    std::optional<AnyScheme> weights, activations;
    const char* name;
  };
  const Granularity channels = Granularity::per_channel(0);
  const std::vector<Case> cases{{AdditivePowersOfTwo(4, channels), {}, "additive powers of two, 4 bits"},
                                {BFloat16{}, BFloat16{}, "float e8m7"},
                                {Fp8E4M3(channels), Fp8E5M2(), "float e4m3, scaled"},
                                {MxInt8{}, {}, "MX int8"}};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    INFO("case " << i);
    Recipe recipe = recipes::int8();
    if (cases[i].weights) recipe.weights = recipe.linear_weights = *cases[i].weights;
    if (cases[i].activations) recipe.activations = *cases[i].activations;
    QatModel qat = prepare(model, recipe);
    CHECK_THROWS_WITH(infer(qat, x), ContainsSubstring("has no range yet"));
    calibrate(qat, images());
    const FitReport report = fit(qat, images(), options(16));
    CHECK(report.epochs.back().loss < 0.8 * report.epochs.front().loss);
    // Images do not see each other.
    const Tensor<float> all = infer(qat, x), one = infer(qat, images().batch(0, 1).x);
    for (std::int64_t k = 0; k < one.size(); ++k) CHECK(one[k] == Approx(all[k]).epsilon(1e-5));
    CHECK(evaluate(qat, images()).accuracy > 0.3);
    CHECK_THROWS_WITH(convert(qat), ContainsSubstring(std::string("simulates weights of scheme ") + cases[i].name) &&
                                        ContainsSubstring("no integer kernel computes with them"));
    CHECK_THROWS_WITH(infer_codes(qat, x, [](int, const QTensor&) {}), ContainsSubstring("there are no codes"));
    CHECK(check(qat).str().find("convert refuses the model") != std::string::npos);
  }
}

TEST_CASE("eight bits simulated in float are what the integer path computes, up to rounding") {
  const Model model(network(), Rng(3));
  Recipe recipe = recipes::int8();
  QatModel integers = prepare(model, recipe);
  recipe.weights = WideIntN(8, Granularity::per_channel(0));  // the same numbers, in codes that no kernel reads
  recipe.linear_weights = WideIntN(8);
  QatModel floats = prepare(model, recipe);
  calibrate(integers, images());
  calibrate(floats, images());
  const Tensor<float> x = images().batch(0, 16).x;
  const double between = distance(infer(floats, x), infer(integers, x));
  CHECK(between < 0.02);
  CHECK(between < 0.5 * distance(infer(integers, x), infer(model, x)) + 0.01);
}

TEST_CASE("scales of simulated schemes are not learned") {
  Recipe recipe = recipes::w4a4_lsq();
  recipe.activations = BFloat16{};
  CHECK_THROWS_WITH(prepare(Model(network(), Rng(3)), recipe), ContainsSubstring("the recipe learns scales, but its schemes are simulated"));
}

}  // namespace simulated_test
