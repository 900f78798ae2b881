// Sums, differences and products whose operands are repeated: squeeze-and-excitation from training to files.

#include <stet/engine/engine.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/quantize.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/deployed.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <cmath>

namespace broadcast_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// A gate of convolutions, one of linear layers, and sums with a row, a column and one number.
Model network() {
  Graph g;
  auto x = relu(batch_norm(conv2d(g.input({6, 5, 3}), {.filters = 8, .kernel = 3}).named("stem")).named("norm")).named("act");
  auto gate = hard_swish(conv2d(global_average_pool(x, true).named("pooled"), {.filters = 2, .kernel = 1}).named("squeeze"));
  gate = sigmoid(conv2d(gate, {.filters = 8, .kernel = 1}).named("excite")).named("gate");
  x = (x * gate).named("gated");
  auto second = leaky_relu(linear(global_average_pool(x).named("flat"), {.units = 3}).named("few"), {.alpha = 0.25f});
  second = reshape(linear(second, {.units = 8}).named("many"), {1, 1, 8}).named("second");
  x = relu6((x - second).named("difference")).named("cut");
  x = (x + max_pool(x, {.size = {6, 1}}).named("rows")).named("with_rows");
  x = (conv2d(mean(x, {0, 1}, true).named("mean"), {.filters = 1, .kernel = 1}).named("one") * x).named("times_one");
  g.output(linear(global_average_pool(x).named("last"), {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}

Dataset data() { return random_dataset({6, 5, 3}, 48, 3, 1); }

IntegerModel integers(const Target& target) {
  Recipe recipe = recipes::int8();
  recipe.target = target;
  return quantize(network(), recipe, data());
}

}  // namespace

TEST_CASE("squeeze-and-excitation trains, evaluates and runs with the same codes on every target", "[operators][bits]") {
  for (const Target& target : targets::all) {
    INFO(target.name);
    Recipe recipe = recipes::int8();
    recipe.target = target;
    QatModel qat = prepare(network(), recipe);
    calibrate(qat, data());
    const FitReport report = fit(qat, data(), {.epochs = 3, .batch = 16, .progress = ProgressMode::quiet});
    CHECK(std::isfinite(report.epochs.back().loss));
    check_deployed_codes(qat, convert(qat), data().batch(0, 16).x);
  }
}

TEST_CASE("learned scales of sums train where operands are repeated", "[operators]") {
  Recipe recipe = recipes::w4a4_lsq();
  recipe.target = targets::litert_default;
  Graph g;
  auto x = relu(batch_norm(conv2d(g.input({6, 5, 3}), {.filters = 8, .kernel = 3})));
  x = x + conv2d(global_average_pool(x, true), {.filters = 8, .kernel = 1});
  g.output(linear(flatten(x), {.units = 3}));
  QatModel qat = prepare(Model(std::move(g), Rng(2)), recipe);
  calibrate(qat, data());
  (void)fit(qat, data(), {.epochs = 3, .batch = 16, .progress = ProgressMode::quiet});
  check_deployed_codes(qat, convert(qat), data().batch(0, 16).x);
}

TEST_CASE("squeeze-and-excitation comes back from files", "[operators]") {
  const TemporaryDirectory dir;
  const Tensor<float> x = random_images({6, 5, 3}, 3, 5);
  const Model model = network();
  save_tflite(dir.path("m.tflite"), model);
  CHECK(distance(infer(model, x), infer(load_tflite(dir.path("m.tflite")), x)) < 2e-6);
  for (const OnnxLayout layout : {OnnxLayout::nhwc, OnnxLayout::nchw}) {
    save_onnx(dir.path("m.onnx"), model, {.layout = layout});
    CHECK(distance(infer(model, x), infer(load_onnx(dir.path("m.onnx")), x)) < 2e-6);
  }
  const IntegerModel codes = integers(targets::litert_default);
  save_tflite(dir.path("i.tflite"), codes);
  CHECK(same_bits(Engine(load_tflite_integer(dir.path("i.tflite"), codes.target)).run(x).codes, Engine(codes).run(x).codes));
  save_c_weights(dir.path("m.c"), codes);
  CHECK_THAT(read_text(dir.path("m.c")), ContainsSubstring("STET_MUL_BROADCAST, \"gated\""));
  // The mean keeps its dimensions by a RESHAPE: LiteRT's optimized kernel would round otherwise.
  const tflite::ModelInfo info = tflite::describe(codes);
  for (const auto& o : info.operators) CHECK_FALSE((o.code == tflite::Builtin::mean && o.options.keep_dims));
}

}  // namespace broadcast_test
