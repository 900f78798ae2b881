// Layer normalization: values, gradient, its way through files, and kept in float between codes.

#include <stet/engine/engine.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/prepare.hpp>
#include <stet/ops/layer_norm.hpp>
#include <stet/testing/gradient_check.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/deployed.hpp"
#include "support/networks.hpp"
#include "support/tensors.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

namespace layer_norm_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Model network() {
  Graph g;
  auto y =
      layer_norm(conv2d(g.input({6, 6, 3}), {.filters = 5, .kernel = 3}).named("conv"), {.eps = 1e-3f}).named("norm");
  y = layer_norm(reshape(relu(conv2d(y, {.filters = 4}).named("mix")), {36, 4})).named("tokens");
  g.output(linear(flatten(y), {.units = 3}).named("head"));
  Model model(std::move(g), Rng(1));
  Rng rng(9);
  for (NamedParameter& p : model.parameters()) {
    if (p.role != graph::Role::gamma && p.role != graph::Role::beta) continue;
    for (float& v : p.parameter.value.edit()) v = static_cast<float>(rng.normal());
  }
  return model;
}
Recipe in_float(const Target& target = targets::litert_default) {
  Recipe recipe = recipes::int8();
  recipe.keep_float_unsupported = true;
  recipe.target = target;
  return recipe;
}

}  // namespace

TEST_CASE("layer_norm has the values of PyTorch and the gradients of finite differences", "[operators]") {
  Tape tape;
  const Tensor<double> x({2, 4}, {1, 2, 4, -3, 0.5, 0.25, -0.125, 8}), gamma({4}, {1, 0.5, -2, 3}),
      beta({4}, {0, 1, 0.5, -1});
  const double wanted[] = {0.0,
                           1.1961010510220875,
                           -1.8532126122650512,
                           -5.706425224530102,
                           -0.4898172408574555,
                           0.7181240406386341,
                           1.8493078710412925,
                           4.1846692853025};
  const auto y = layer_norm(tape.variable(x), tape.variable(gamma), tape.variable(beta), 1e-3);
  for (std::int64_t i = 0; i < 8; ++i) CHECK(y.value()[i] == Approx(wanted[i]).epsilon(1e-14).margin(1e-14));
  for (const Shape& shape : {Shape{7, 3}, Shape{2, 3, 4, 5}, Shape{3, 16}, Shape{1, 33}, Shape{4}}) {
    CAPTURE(shape.str());
    const Shape c{shape.back()};
    const auto report = testing::check_gradient([](auto in, auto g, auto b) { return layer_norm(in, g, b, 1e-3); },
                                                {uniform(shape, 1), uniform(c, 2), uniform(c, 3)});
    INFO(report.str());
    CHECK(report.ok());
  }
  // A row of one value: y is beta, whatever x.
  CHECK(layer_norm_forward(Tensor<float>({2, 1}, {3, -7}), Tensor<float>({1}, {2}), Tensor<float>({1}, {0.5f}),
                           1e-5)[1] == 0.5f);
  CHECK(layer_norm_forward(Tensor<float>({0, 3}), Tensor<float>({3}), Tensor<float>({3}), 1e-5).empty());
}

TEST_CASE("layer_norm refuses what does not fit", "[operators]") {
  Graph g;
  CHECK_THROWS_WITH(layer_norm(g.input({4}), {.eps = 0.0f}), ContainsSubstring("eps must be positive"));
  Tape tape;
  const auto x = tape.variable(Tensor<float>({2, 3})), c = tape.variable(Tensor<float>({2}));
  CHECK_THROWS_WITH(layer_norm(x, c, c), ContainsSubstring("gamma [2] and beta [2] must be [3]"));
  const auto fits = tape.variable(Tensor<float>({3}));
  CHECK_THROWS_WITH(layer_norm(x, fits, fits, 0.0), ContainsSubstring("eps is 0"));
  CHECK_THROWS_WITH(prepare(network(), recipes::int8()),
                    ContainsSubstring("norm (layer_norm): no runtime has a kernel of integers for it"));
}

TEST_CASE("layer_norm comes back from .onnx, and .tflite holds its parts", "[operators]") {
  const TemporaryDirectory dir;
  const Model model = network();
  const Tensor<float> x = random_images({6, 6, 3}, 3, 5);
  for (const OnnxLayout layout : {OnnxLayout::nhwc, OnnxLayout::nchw}) {
    save_onnx(dir.path("m.onnx"), model, {.layout = layout});
    const Model loaded = load_onnx(dir.path("m.onnx"));
    CHECK(distance(infer(model, x), infer(loaded, x)) < 1e-5);
    CHECK(loaded.parameter("norm.gamma").value.span()[2] == model.parameter("norm.gamma").value.span()[2]);
    CHECK(graph::as<graph::op::LayerNorm>(loaded.graph().node(loaded.graph().find("norm")).op)->eps == 1e-3f);
  }
  const tflite::ModelInfo info = tflite::describe(model);
  CHECK(std::ranges::count(info.operators, tflite::Builtin::rsqrt, &tflite::OperatorInfo::code) == 2);
}

TEST_CASE("layer_norm stays in float by itself where the recipe says so, with the codes of the engine around it",
          "[operators]") {
  const CaughtWarnings caught;
  const Dataset data = random_dataset({6, 6, 3}, 48, 3, 1);
  for (const Target& target : targets::all) {
    INFO(target.name);
    QatModel qat = prepare(network(), in_float(target));
    calibrate(qat, data);
    const Tensor<float> before = qat.model().parameter("norm.gamma").value;
    const FitReport report = fit(qat, data, quiet_fit({.epochs = 3, .batch = 16}));
    CHECK(std::isfinite(report.epochs.back().loss));
    CHECK_FALSE(same_bits(before, qat.model().parameter("norm.gamma").value));
    const IntegerModel integers = convert(qat);
    CHECK(std::ranges::count_if(integers.nodes,
                                [](const IntegerNode& n) { return graph::is<graph::op::Real>(n.op); }) == 2);
    check_deployed_codes(qat, integers, data.batch(0, 16).x);
    CHECK_FALSE(onnx_bytes(integers).empty());
    CHECK_FALSE(tflite_bytes(integers).empty());
  }
}

TEST_CASE("what stays in float by itself is said, with its share of the work", "[operators]") {
  const CaughtWarnings caught;
  const Model model = network();
  (void)prepare(model, in_float());
  const std::string said = "2 of 7 operators stay in float (norm, tokens), 5.1 % of the multiply-adds";
  REQUIRE(caught.all().size() == 1);
  CHECK_THAT(caught.all()[0], ContainsSubstring("prepare: " + said));
  const CheckReport report = check(model, in_float());
  CHECK(report.ok());
  CHECK_THAT(
      report.str(),
      ContainsSubstring(said) &&
          ContainsSubstring(
              "kept in float: what it reads is dequantized, what it makes is quantized (no runtime has a kernel"));
  CHECK(report.writes(IntegerFormat::tflite));
  CHECK(report.writes(IntegerFormat::onnx));
  CHECK_FALSE(report.writes(IntegerFormat::c));
  // By name it is what was asked for: a note, and no warning.
  Recipe named = recipes::int8();
  for (const char* node : {"norm", "tokens"}) named.overrides.push_back({.node = node, .keep_float = true});
  (void)prepare(model, named);
  CHECK(caught.all().size() == 1);
  CHECK_THAT(check(model, named).str(), ContainsSubstring(said));
  CHECK(in_float().describe() != recipes::int8().describe());
}

}  // namespace layer_norm_test
