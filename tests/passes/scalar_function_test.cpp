// Functions of the user's own: trained in float and as tables of codes, with the same codes in the engine and in C.

#include <stet/engine/engine.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/quantize.hpp>
#include <stet/ops/scalar_function.hpp>
#include <stet/testing/gradient_check.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/on_targets.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

namespace scalar_function_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

double silu(double x) { return x / (1.0 + std::exp(-x)); }
double silu_slope(double x) {
  const double s = 1.0 / (1.0 + std::exp(-x));
  return s * (1.0 + x * (1.0 - s));
}

struct Gelu final : graph::ScalarOp {
  std::string_view kind() const override { return "gelu"; }
  double value(double x) const override { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); }
};

graph::Value after_layer(Graph& g) {
  return batch_norm(conv2d(g.input({6, 6, 3}), {.filters = 5, .kernel = 3}).named("conv")).named("norm");
}

// A small network through functions.
Graph network() {
  Graph g;
  auto y = custom(after_layer(g), std::make_shared<Gelu>()).named("gelu");
  y = function(conv2d(y, {.filters = 4, .kernel = 1}).named("mix"), "silu", silu, silu_slope).named("silu");
  y = function(y, "softplus", [](double x) { return std::log1p(std::exp(x)); }).named("softplus");
  g.output(linear(global_average_pool(y), {.units = 3}).named("head"));
  return g;
}

}  // namespace

TEST_CASE("differences find the derivative of a smooth function to ten digits") {
  const graph::FunctionOp by_differences("silu", silu);
  for (double x = -30.0; x <= 30.0; x += 0.37) {
    CHECK(std::fabs(by_differences.derivative(x) - silu_slope(x)) <= 1e-10 * std::max(1.0, std::fabs(x)));
  }
  CHECK(graph::FunctionOp("silu", silu, silu_slope).derivative(0.3) == silu_slope(0.3));
}

TEST_CASE("a function on the tape has the gradient of its differences") {
  const auto gelu = std::make_shared<Gelu>();
  Rng rng(3);
  Tensor<double> x(Shape{4, 7});
  for (double& v : x.edit()) v = 3.0 * rng.normal();
  Tape tape;
  const auto in = tape.variable(x);
  const auto y = apply_function(in, std::shared_ptr<const ScalarFunction>(gelu));
  tape.backward(y, Tensor<double>::filled(x.shape(), 2.0));
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double h = 1e-5, slope = (gelu->value(x[i] + h) - gelu->value(x[i] - h)) / (2 * h);
    CHECK(tape.gradient(in)[i] == Approx(2.0 * slope).margin(1e-8));
    CHECK(y.value()[i] == gelu->value(x[i]));
  }
}

TEST_CASE("a network with functions of one's own is trained on codes and deployed with the same codes", "[bits]") {
  for (const Target& target : targets::all) {
    CHECK(check(network(), recipe_of(target)).ok());
    (void)check_trained_codes(Model(network(), Rng(1)), recipe_of(target));
  }
}

TEST_CASE("the codes of a function are its rounded values, half to even, cut to the grid", "[bits]") {
  const auto gelu = std::make_shared<Gelu>();
  const integer::TableSpec spec{
      integer::Function::scalar, 0.0f, {0.04f, -17}, {0.02f, -120, Grid{-124, 90}}, gelu};
  const integer::Table table = integer::make_table(targets::litert_default, spec);
  for (int q = -128; q < 128; ++q) {
    const double steps = gelu->value(static_cast<double>(0.04f) * (q + 17)) / static_cast<double>(0.02f);
    CHECK(table[static_cast<std::size_t>(q + 128)] == std::clamp(std::nearbyint(steps) - 120.0, -124.0, 90.0));
  }
}

TEST_CASE("files of integers hold the table of a function of one's own, files of floats refuse it") {
  const TemporaryDirectory dir;
  const CheckReport report = check(network(), recipes::int8());
  CHECK_THAT(report.str(), ContainsSubstring("a table of 256 codes: CAST, ADD and GATHER in the file"));
  const Model reals(network(), Rng(1));
  CHECK_THROWS_WITH(save_tflite(dir.path("m.tflite"), reals), ContainsSubstring("an operator of your own"));
  CHECK_THROWS_WITH(save_onnx(dir.path("m.onnx"), reals), ContainsSubstring("is an operator of your own"));
  CHECK(dir.files() == 0);
  const IntegerModel model = quantize(reals, recipes::int8(), random_dataset({6, 6, 3}, 24, 3, 2));
  save_tflite(dir.path("m.tflite"), model);
  const Tensor<float> x = random_images({6, 6, 3}, 3, 5);
  const IntegerModel loaded = load_tflite_integer(dir.path("m.tflite"), model.target);
  CHECK(same_bits(Engine(loaded).run(x).codes, Engine(model).run(x).codes));
  CHECK(std::ranges::count_if(loaded.nodes, [](const IntegerNode& n) { return graph::kind(n.op) == "lookup"; }) == 3);
  for (const auto activations : {OnnxActivations::uint8, OnnxActivations::int8}) {
    const onnx::ModelInfo info = onnx::decode(onnx_bytes(model, {.activations = activations}), "m");
    CHECK(std::ranges::count(info.nodes, "Gather", &onnx::NodeInfo::op_type) == 3);
  }
  save_c_weights(dir.path("m.c"), model);
  CHECK_THAT(read_text(dir.path("m.c")), ContainsSubstring("STET_LOOKUP, \"gelu\""));
}

TEST_CASE("what is no function of one number, or not a number, is refused with a remedy") {
  struct Twice final : graph::CustomOp {
    std::string_view kind() const override { return "twice"; }
    Shape infer(std::span<const Shape> in) const override { return in[0]; }
  };
  Graph g;
  g.output(custom(after_layer(g), std::make_shared<Twice>()).named("twice"));
  CHECK_THROWS_WITH(prepare(Model(std::move(g), Rng(1)), recipes::int8()),
                    ContainsSubstring("derive it from graph::ScalarOp if it is a function of one number"));
  Graph roots;
  roots.output(function(after_layer(roots), "root", [](double x) { return std::sqrt(x); }).named("root"));
  QatModel qat = prepare(Model(std::move(roots), Rng(1)), recipes::int8());
  CHECK_THROWS_AS(calibrate(qat, random_dataset({6, 6, 3}, 24, 3, 2)), Error);
  const integer::TableSpec spec{integer::Function::scalar, 0.0f, {0.1f, 0}, {0.1f, 0},
                                std::make_shared<graph::FunctionOp>("root", [](double x) { return std::sqrt(x); })};
  CHECK_THROWS_WITH(integer::make_table(targets::onnxruntime, spec), ContainsSubstring("root: its value at -12.8"));
  CHECK_THROWS_AS(graph::FunctionOp("nothing", nullptr), Error);
}

}  // namespace scalar_function_test
