// Clipping between any bounds: values, gradient, training with the bounds of a layer and on its own, files.

#include <stet/model/observe_ranges.hpp>
#include <stet/ops/activation.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/on_targets.hpp"

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
  check_codes_on_targets(network(), [](const IntegerModel& model) {
    // All but one are bounds of what stands before them.
    CHECK(std::ranges::count_if(model.nodes, [](const IntegerNode& n) { return graph::is<graph::op::Clip>(n.op); }) == 1);
    CHECK(std::ranges::count_if(model.nodes, [](const IntegerNode& n) { return !integer::is_of_runtimes(n.activation); }) == 4);
  });
}

TEST_CASE("ranges end at the bounds of a clip", "[operators]") {
  const Model model = network();
  QatModel qat = calibrated_model(model, recipes::int8(), drawn_data(model));
  const QParams p = qat.quantizer("hard_tanh").params();
  CHECK(p.scale[0] * 127.0f * 2.0f < 2.05f);
}

TEST_CASE("clip comes back from files", "[operators]") {
  const Model model = network();
  const auto kept = [](const Model& loaded) { CHECK(count_kind(loaded, "clip") == 5); };
  check_tflite_floats(model, kept);
  check_onnx_floats(model, kept);
  TfliteOptions options{.format = TfliteFormat::int16x8};
  options.ranges = observe_ranges(model, drawn_data(model));
  CHECK(tflite::describe(model, options).operators.size() > 8);
  const IntegerModel codes = integers_of(model);
  check_tflite_codes(codes, random_images({6, 5, 3}, 3, 5));
  CHECK_THAT(c_text(codes), ContainsSubstring("STET_CLAMP, \"alone\""));
}

}  // namespace clip_test
