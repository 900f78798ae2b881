// GELU: its value and gradient, its table against those of the runtimes, and its way through training and files.
//
// tests/operators/gelu: outputs of one GELU on all 256 codes by LiteRT 2.3 (reference kernels; default) and ONNX Runtime
// 1.32. Rows of parameters.npy: tanh, s_in, z_in, s_out, z_out; in every second row many results lie between two codes.

#include <stet/engine/engine.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/observe_ranges.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/model/quantize.hpp>
#include <stet/ops/scalar_function.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/on_targets.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace gelu_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using graph::op::Gelu;

namespace {

Model network(bool by_tanh = false) {
  Graph g;
  auto y = batch_norm(conv2d(g.input({6, 6, 3}), {.filters = 5, .kernel = 3}).named("conv")).named("norm");
  y = mean(gelu(y, {.tanh = by_tanh}).named("gelu"), {0, 1}, true).named("mean");
  g.output(linear(flatten(y), {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}
Model deployable(bool by_tanh = false) {
  Graph g;
  auto y = batch_norm(conv2d(g.input({6, 6, 3}), {.filters = 5, .kernel = 3}).named("conv")).named("norm");
  y = gelu(conv2d(gelu(y, {.tanh = by_tanh}).named("gelu"), {.filters = 4}).named("mix")).named("last");
  g.output(linear(global_average_pool(y), {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}

}  // namespace

TEST_CASE("gelu has the values of PyTorch and the slope of its differences", "[operators]") {
  const double x[] = {-3, -1, -0.5, 0, 0.5, 1, 3};
  const double exact[] = {-0.00404969409489031, -0.15865525393145707, -0.15426876936299344, 0.0,
                          0.34573123063700656,  0.8413447460685429,   2.99595030590511};
  const double by_tanh[] = {-0.0036373920817729943, -0.15880800939172324, -0.15428599017485606, 0.0,
                            0.34571400982514394,    0.8411919906082768,   2.996362607918227};
  for (const bool tanh : {false, true}) {
    const auto f = scalar_function(Gelu{tanh});
    for (std::size_t i = 0; i < 7; ++i) CHECK(f->value(x[i]) == Approx((tanh ? by_tanh : exact)[i]).margin(1e-15));
    for (double v = -12; v <= 12; v += 0.173) {
      CHECK(f->derivative(v) == Approx(f->ScalarFunction::derivative(v)).margin(1e-9));
    }
  }
  Graph g;
  g.output(gelu(g.input({7})));
  Model model(std::move(g), Rng(1));
  Tensor<float> in(Shape{1, 7});
  for (std::size_t i = 0; i < 7; ++i) in.edit()[i] = static_cast<float>(x[i]);
  Tape tape;
  const auto image = tape.variable(in);
  const auto y = apply_function(image, scalar_function(Gelu{}));
  tape.backward(y, Tensor<float>::filled(in.shape(), 2.0f));
  const Tensor<float> inferred = infer(model, in);
  for (std::int64_t i = 0; i < 7; ++i) {
    CHECK(inferred[i] == static_cast<float>(scalar_function(Gelu{})->value(static_cast<double>(in[i]))));
    CHECK(tape.gradient(image)[i] ==
          Approx(2.0 * scalar_function(Gelu{})->derivative(static_cast<double>(in[i]))).margin(1e-6));
  }
}

TEST_CASE("tables of gelu are those of the runtimes", "[operators][bits]") {
  const std::string directory = std::string(STET_TEST_DIR) + "/operators/gelu/";
  const auto parameters = load_npy<float>(directory + "parameters.npy");
  REQUIRE(parameters.shape() == Shape{32, 5});
  for (const Target& target : {targets::tflite_reference, targets::litert_default, targets::onnxruntime}) {
    const auto codes = load_npy<std::int8_t>(directory + std::string(target.name) + ".npy");
    REQUIRE(codes.shape() == Shape{32, 256});
    for (std::int64_t row = 0; row < 32; ++row) {
      const auto p = [&](std::int64_t i) { return parameters[row * 5 + i]; };
      const bool tanh = p(0) != 0.0f;
      const Affine in{p(1), static_cast<std::int32_t>(p(2))}, out{p(3), static_cast<std::int32_t>(p(4))};
      const integer::TableSpec spec{integer::Function::scalar, 0.0f, in, out, scalar_function(Gelu{tanh})};
      INFO(target.name << " row " << row);
      if (tanh && target == targets::onnxruntime) continue;
      const integer::Table table = integer::make_table(target, spec);
      int wrong = 0;
      for (std::int64_t q = 0; q < 256; ++q) wrong += table[static_cast<std::size_t>(q)] != codes[row * 256 + q];
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("gelu trains, evaluates and runs with the same codes on every target", "[operators][bits]") {
  for (const Target& target : targets::all) (void)check_trained_codes(deployable(target != targets::onnxruntime), recipe_of(target));
}

TEST_CASE("prepare and check say what a target makes of gelu", "[operators]") {
  Recipe recipe = recipes::int8();
  CHECK_THAT(check(deployable().graph(), recipe).str(), ContainsSubstring("XNNPACK has no int8 gelu"));
  recipe.target = targets::onnxruntime;
  CHECK_THAT(check(deployable().graph(), recipe).str(), ContainsSubstring("the runtime has no integer form"));
  CHECK_THROWS_WITH(prepare(deployable(true), recipe), ContainsSubstring("gelu") && ContainsSubstring("leave .tanh false"));
  IntegerModel model = quantize(deployable(true), recipes::int8(), random_dataset({6, 6, 3}, 24, 3, 2));
  model.target = targets::onnxruntime;
  CHECK_THROWS_WITH(Engine(model), ContainsSubstring("leave .tanh false"));
}

TEST_CASE("gelu comes back from .tflite, in both forms", "[operators]") {
  const TemporaryDirectory dir;
  const Tensor<float> x = random_images({6, 6, 3}, 3, 5);
  for (const bool by_tanh : {false, true}) {
    const std::string path = dir.path("m.tflite");
    const Model model = network(by_tanh);
    save_tflite(path, model);
    const Model loaded = load_tflite(path);
    CHECK(distance(infer(model, x), infer(loaded, x)) < 2e-6);
    CHECK(graph::attributes(loaded.graph().node(loaded.graph().find("gelu")).op) == (by_tanh ? "tanh" : ""));

    const IntegerModel integers = quantize(deployable(by_tanh), recipes::int8(), random_dataset({6, 6, 3}, 24, 3, 2));
    save_tflite(path, integers);
    const tflite::ModelInfo info = tflite::describe(integers);
    const auto op = std::ranges::find(info.operators, tflite::Builtin::gelu, &tflite::OperatorInfo::code);
    REQUIRE(op != info.operators.end());
    CHECK(op->version == 2);
    CHECK(op->options.approximate == by_tanh);
    CHECK(info.min_runtime_version == "2.9.0");
    CHECK(same_bits(Engine(load_tflite_integer(path, integers.target)).run(x).codes, Engine(integers).run(x).codes));
  }
  TfliteOptions options{.format = TfliteFormat::int16x8};
  options.ranges = observe_ranges(network(), random_dataset({6, 6, 3}, 8, 3, 2));
  CHECK_THROWS_WITH(save_tflite(dir.path("w.tflite"), network(), options), ContainsSubstring("gelu (gelu): LiteRT has no kernel for 16 bits"));
}

TEST_CASE("gelu comes back from .onnx, with the opset that has it", "[operators]") {
  const TemporaryDirectory dir;
  const Tensor<float> x = random_images({6, 6, 3}, 3, 5);
  for (const bool by_tanh : {false, true}) {
    const Model model = network(by_tanh);
    save_onnx(dir.path("m.onnx"), model, {.layout = OnnxLayout::nhwc});
    const Model loaded = load_onnx(dir.path("m.onnx"));
    CHECK(distance(infer(model, x), infer(loaded, x)) < 2e-6);
    CHECK(graph::attributes(loaded.graph().node(loaded.graph().find("gelu")).op) == (by_tanh ? "tanh" : ""));
  }
  const onnx::ModelInfo info = onnx::decode(onnx_bytes(network()), "m");
  CHECK(info.opsets[0].version == 21);
  CHECK(info.ir_version == 10);
  const auto mean = std::ranges::find(info.nodes, "ReduceMean", &onnx::NodeInfo::op_type);
  REQUIRE(mean != info.nodes.end());
  CHECK(mean->inputs.size() == 2);  // since opset 18

  Recipe recipe = recipes::int8();
  recipe.target = targets::onnxruntime;
  const IntegerModel integers = quantize(deployable(), recipe, random_dataset({6, 6, 3}, 24, 3, 2));
  CHECK(onnx::decode(onnx_bytes(integers), "m").opsets[0].version == 21);
}

TEST_CASE("gelu is a table for C", "[operators]") {
  const TemporaryDirectory dir;
  const IntegerModel model = quantize(deployable(), recipes::int8(), random_dataset({6, 6, 3}, 24, 3, 2));
  save_c_weights(dir.path("m.c"), model);
  CHECK_THAT(read_text(dir.path("m.c")), ContainsSubstring("STET_LOOKUP, \"gelu\""));
  // TensorFlow Lite Micro has no kernel.
  CHECK_THROWS_WITH(save_c_array(dir.path("a.c"), "net", tflite_bytes(model)), ContainsSubstring("no resolver function"));
}

}  // namespace gelu_test
