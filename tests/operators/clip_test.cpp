// Clipping between any bounds: values, gradient, training with the bounds of a layer and on its own, files.

#include <stet/engine/engine.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/observe_ranges.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/quantize.hpp>
#include <stet/ops/activation.hpp>
#include <stet/testing/gradient_check.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/deployed.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <cmath>

namespace clip_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// Behind a batch norm, a layer, a sum and a product; on its own where another reads the value too; one bound alone.
Model network() {
  Graph g;
  auto x = clip(batch_norm(conv2d(g.input({6, 5, 3}), {.filters = 6, .kernel = 3}).named("conv")).named("norm"), -1, 1).named("hard_tanh");
  const auto y = conv2d(x, {.filters = 6, .kernel = 1}).named("shared");
  x = clip(y + clip(y, -0.3f, 0.4f).named("alone"), -INFINITY, 0.9f).named("below");
  x = clip(conv2d(x, {.filters = 6, .kernel = 1}).named("mix"), 0.05f, 1.5f).named("above_zero");
  x = clip(x * y, -0.7f, INFINITY).named("above");
  g.output(linear(flatten(x), {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}

Dataset data() { return random_dataset({6, 5, 3}, 48, 3, 1); }

}  // namespace

TEST_CASE("clip has its bounds and the gradient between them", "[operators]") {
  Rng rng(3);
  Tensor<double> x(Shape{2, 40});
  for (double& v : x.edit()) v = rng.uniform(-3, 3);
  for (double& v : x.edit()) v += std::fabs(v + 1) < 0.01 || std::fabs(v - 0.5) < 0.01 ? 0.05 : 0.0;
  Tape tape;
  const auto in = tape.variable(x);
  const auto y = clip(in, -1.0, 0.5);
  tape.backward(y, Tensor<double>::filled(x.shape(), 2.0));
  for (std::int64_t i = 0; i < x.size(); ++i) {
    CHECK(y.value()[i] == std::clamp(x[i], -1.0, 0.5));
    const double h = 1e-6, slope = (std::clamp(x[i] + h, -1.0, 0.5) - std::clamp(x[i] - h, -1.0, 0.5)) / (2 * h);
    CHECK(tape.gradient(in)[i] == Approx(2.0 * slope).margin(1e-6));
  }
  Graph g;
  const auto value = g.input({3});
  CHECK_THROWS_WITH(clip(value, 1, 1), ContainsSubstring("bounds 1 and 1 must be ascending"));
  CHECK_THROWS_WITH(clip(value, NAN, 1), ContainsSubstring("must be ascending"));
  CHECK_THROWS_WITH(clip(value, -INFINITY, INFINITY), ContainsSubstring("one of them finite"));
}

TEST_CASE("clip trains, evaluates and runs with the same codes on every target", "[operators][bits]") {
  for (const Target& target : targets::all) {
    INFO(target.name);
    Recipe recipe = recipes::int8();
    recipe.target = target;
    QatModel qat = prepare(network(), recipe);
    calibrate(qat, data());
    const FitReport report = fit(qat, data(), quiet_fit({.epochs = 3, .batch = 16}));
    CHECK(std::isfinite(report.epochs.back().loss));
    const IntegerModel model = convert(qat);
    check_deployed_codes(qat, model, data().batch(0, 16).x);
    // All but one are bounds of what stands before them.
    CHECK(std::ranges::count_if(model.nodes, [](const IntegerNode& n) { return graph::is<graph::op::Clip>(n.op); }) == 1);
    CHECK(std::ranges::count_if(model.nodes, [](const IntegerNode& n) { return !integer::is_of_runtimes(n.activation); }) == 4);
  }
}

TEST_CASE("ranges end at the bounds of a clip", "[operators]") {
  QatModel qat = prepare(network(), recipes::int8());
  calibrate(qat, data());
  const QParams p = qat.quantizer("hard_tanh").params();
  CHECK(p.scale[0] * 127.0f * 2.0f < 2.05f);
}

TEST_CASE("clip comes back from files", "[operators]") {
  const TemporaryDirectory dir;
  const Tensor<float> x = random_images({6, 5, 3}, 3, 5);
  const Model model = network();
  const auto distance = [&](const Model& loaded) {
    const Tensor<float> a = infer(model, x), b = infer(loaded, x);
    float most = 0;
    for (std::int64_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
    return most;
  };
  const auto clips = [](const Model& m) {
    return std::ranges::count_if(m.graph().nodes(), [](const graph::Node& n) { return graph::is<graph::op::Clip>(n.op); });
  };
  save_tflite(dir.path("m.tflite"), model);
  CHECK(distance(load_tflite(dir.path("m.tflite"))) < 2e-6f);
  CHECK(clips(load_tflite(dir.path("m.tflite"))) == 5);
  save_onnx(dir.path("m.onnx"), model);
  CHECK(distance(load_onnx(dir.path("m.onnx"))) < 2e-6f);
  CHECK(clips(load_onnx(dir.path("m.onnx"))) == 5);
  TfliteOptions options{.format = TfliteFormat::int16x8};
  options.ranges = observe_ranges(model, data());
  CHECK(tflite::describe(model, options).operators.size() > 8);

  const IntegerModel codes = quantize(model, recipes::int8(), data());
  save_tflite(dir.path("i.tflite"), codes);
  CHECK(same_bits(Engine(load_tflite_integer(dir.path("i.tflite"), codes.target)).run(x).codes, Engine(codes).run(x).codes));
  save_c_weights(dir.path("m.c"), codes);
  CHECK_THAT(read_text(dir.path("m.c")), ContainsSubstring("STET_CLAMP, \"alone\""));
}

}  // namespace clip_test
