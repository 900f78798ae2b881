// Linear layers on several rows per sample, and attention around them: codes on every target, gradients, files.

#include <stet/engine/engine.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/quantize.hpp>
#include <stet/qat/linear.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/deployed.hpp"
#include "support/networks.hpp"
#include "support/tensors.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace tokens_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using graph::Value;

namespace {

// Tokens and their channels mixed by linear layers.
Model mixer() {
  Graph g;
  Value y = reshape(conv2d(g.input({6, 6, 3}), {.filters = 5, .kernel = 2, .stride = 2}).named("patches"), {9, 5});
  y = y + transpose(relu(linear(transpose(y, {1, 0}), {.units = 9}).named("tokens")), {1, 0});
  y = linear(linear(y, {.units = 7, .bias = false}).named("wide"), {.units = 4}).named("channels");
  g.output(linear(flatten(y), {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}
// Two heads of attention on nine tokens.
Model attention() {
  Graph g;
  const Value x = reshape(conv2d(g.input({6, 6, 3}), {.filters = 8, .kernel = 2, .stride = 2}), {9, 8});
  const auto heads = [&](const char* name) { return transpose(reshape(linear(x, {.units = 8}).named(name), {9, 2, 4}), {1, 0, 2}); };
  const Value scores = softmax(matmul(heads("q"), transpose(heads("k"), {0, 2, 1})).named("scores")).named("weights");
  Value y = reshape(transpose(matmul(scores, heads("v")).named("mixed"), {1, 0, 2}), {9, 8});
  y = layer_norm(x + linear(y, {.units = 8}).named("out")).named("norm");
  g.output(linear(flatten(y), {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}
Recipe recipe_of(const Target& target) {
  Recipe recipe = recipes::int8();
  recipe.keep_float_unsupported = true;
  recipe.target = target;
  return recipe;
}

}  // namespace

TEST_CASE("linear layers on rows and attention train, evaluate and run with the same codes on every target", "[operators]") {
  const CaughtWarnings caught;
  const Dataset data = random_dataset({6, 6, 3}, 48, 3, 1);
  for (const bool attends : {false, true}) {
    for (const Target& target : targets::all) {
      INFO(target.name << (attends ? ", attention" : ", mixer"));
      QatModel qat = prepare(attends ? attention() : mixer(), recipe_of(target));
      calibrate(qat, data);
      const FitReport report = fit(qat, data, quiet_fit({.epochs = 3, .batch = 16}));
      CHECK(std::isfinite(report.epochs.back().loss));
      const IntegerModel integers = convert(qat);
      const auto real = std::ranges::count_if(integers.nodes, [](const IntegerNode& n) { return graph::is<graph::op::Real>(n.op); });
      CHECK(real == (attends ? 4 : 0));
      // Between the scores and the product with the values nothing is rounded to codes.
      for (const IntegerValue& v : integers.values) CHECK(v.real == (attends && (v.name == "scores" || v.name == "weights")));
      if (!attends) {
        check_deployed_codes(qat, integers, data.batch(0, 16).x);
      } else {
        CHECK(same_bits(infer(qat, data.batch(0, 16).x), infer(Engine(integers), data.batch(0, 16).x)));
      }
    }
  }
}

TEST_CASE("a product on rows of codes has the sums and gradients of one row after the other", "[operators]") {
  const Product product = linear_product();
  const Tensor<float> w = normal({5, 4}, 1), dy = normal({2, 3, 5}, 2);
  const Tensor<float> dx = linear_backward_input(dy.reshaped({6, 5}), w);
  const detail::LinearProduct rule;
  CHECK(same_bits(rule.backward_input(dy, w, {2, 3, 4}), dx.reshaped({2, 3, 4})));
  CHECK(rule.output_shape({2, 3, 4}, {5, 4}) == Shape{2, 3, 5});
  CHECK_THROWS_WITH(rule.output_shape({2, 3, 5}, {5, 4}), ContainsSubstring("does not fit weights"));
  Tensor<std::int8_t> codes({2, 3, 4});
  for (std::int64_t i = 0; i < codes.size(); ++i) codes.edit()[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(11 * i - 128);
  const QTensor x{codes, QParams::per_tensor(0.5f, 3, Grid::int8())}, flat{codes.reshaped({6, 4}), x.params};
  CHECK(same_bits(rule.backward_weight(x, dy, {5, 4}), rule.backward_weight(flat, dy.reshaped({6, 5}), {5, 4})));
}

TEST_CASE("linear layers on rows come back from files", "[operators]") {
  const TemporaryDirectory dir;
  const Tensor<float> x = random_images({6, 6, 3}, 3, 5);
  for (const Model& model : {mixer(), attention()}) {
    for (const OnnxLayout layout : {OnnxLayout::nhwc, OnnxLayout::nchw}) {
      save_onnx(dir.path("m.onnx"), model, {.layout = layout});
      CHECK(distance(infer(model, x), infer(load_onnx(dir.path("m.onnx")), x)) < 1e-5);
    }
  }
  save_tflite(dir.path("m.tflite"), mixer());
  CHECK(distance(infer(mixer(), x), infer(load_tflite(dir.path("m.tflite")), x)) < 1e-5);
  const IntegerModel codes = quantize(mixer(), recipes::int8(), random_dataset({6, 6, 3}, 24, 3, 2));
  save_tflite(dir.path("i.tflite"), codes);
  CHECK(same_bits(Engine(load_tflite_integer(dir.path("i.tflite"), codes.target)).run(x).codes, Engine(codes).run(x).codes));
  CHECK_THROWS_WITH(save_c_weights(dir.path("m.c"), codes), ContainsSubstring("tokens: reads [5,9]; tables of C multiply one row per sample"));
  CHECK_THAT(check(mixer(), recipes::int8()).str(), ContainsSubstring("cannot be written as C: reads [5,9]"));
}

TEST_CASE("a product of two values wants the same dimensions in front", "[operators]") {
  Graph g;
  CHECK(matmul(g.input({2, 3, 4, 5}), g.input({2, 3, 5, 6})).shape() == Shape{2, 3, 4, 6});
  CHECK_THROWS_WITH(matmul(g.input({2, 4, 5}), g.input({3, 5, 6})), ContainsSubstring("with the same dimensions in front, got [2,4,5] and [3,5,6]"));
  CHECK_THROWS_WITH(matmul(g.input({4, 5}), g.input({1, 5, 6})), ContainsSubstring("got [4,5] and [1,5,6]"));
  // Against one product after the other.
  Graph one, all;
  const Value left = one.input({4, 5}), first = all.input({2, 4, 5});
  one.output(matmul(left, one.input({5, 6})));
  all.output(matmul(first, all.input({2, 5, 6})));
  const Tensor<float> a = normal({6, 4, 5}, 1), b = normal({6, 5, 6}, 2);
  const std::vector<Tensor<float>> apart{a, b}, joined{a.reshaped({3, 2, 4, 5}), b.reshaped({3, 2, 5, 6})};
  CHECK(same_bits(infer(Model(std::move(one), Rng(1)), apart)[0].reshaped({3, 2, 4, 6}), infer(Model(std::move(all), Rng(1)), joined)[0]));
}

}  // namespace tokens_test
