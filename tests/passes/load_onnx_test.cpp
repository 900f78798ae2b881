// Models that PyTorch exported: loaded, compared with PyTorch's own outputs, trained on as integers, written again.
// tests/runtimes/make_torch_model.py makes the files.
#include <stet/engine/engine.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/prepare.hpp>
#include <stet/train/entry_templates.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/onnx_source.hpp"
#include "io/temporary_directory.hpp"
#include "support/golden.hpp"
#include "support/images_last.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <cmath>

namespace load_onnx_test {

using namespace stet;
using stet_test::images_last;

namespace {

std::string torch_file(const std::string& name) { return std::string(STET_TEST_DIR) + "/io/torch/" + name; }

double difference(const Tensor<float>& a, const Tensor<float>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0.0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const auto one = static_cast<double>(a[i]), other = static_cast<double>(b[i]);
    worst = std::max(worst, std::abs(one - other) / std::max(1.0, std::abs(other)));
  }
  return worst;
}

}  // namespace

TEST_CASE("models of PyTorch's exporters compute what PyTorch computed", "[passes][onnx]") {
  const auto [name, reference] = GENERATE(table<std::string, std::string>({
      {"conv_bn_relu.default", "conv_bn_relu"},
      {"conv_bn_relu.dynamo", "conv_bn_relu"},
      {"conv_bn_relu.legacy", "conv_bn_relu"},
      {"unfolded.legacy", "unfolded"},
      {"operands.dynamo", "operands"},
      {"operands.legacy", "operands"},
      {"zoo.dynamo", "zoo"},
      {"zoo.legacy", "zoo"},
  }));
  CAPTURE(name);
  const Model model = load_onnx(torch_file(name + ".onnx"), {.ending = Ending::whole});
  const Tensor<float> x = images_last(load_npy<float>(torch_file(reference + ".x.npy")));
  CHECK(difference(infer(model, x), load_npy<float>(torch_file(reference + ".y.npy"))) < 1e-5);
}

TEST_CASE("random networks come back from their files", "[passes][onnx]") {
  const stet_test::TemporaryDirectory dir;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    const Model model = stet_test::random_model(seed);
    const Tensor<float> x = stet_test::random_images(stet_test::input_shape(model), 2, seed);
    const Tensor<float> y = infer(model, x);
    for (const OnnxLayout layout : {OnnxLayout::nchw, OnnxLayout::nhwc}) {
      for (const bool fold : {true, false}) {
        save_onnx(dir.path("model.onnx"), model, {.layout = layout, .fold_batch_norm = fold});
        REQUIRE(difference(infer(load_onnx(dir.path("model.onnx"), {.ending = Ending::whole}), x), y) < 1e-5);
      }
    }
  }
}

TEST_CASE("names of PyTorch survive", "[passes][onnx]") {
  const Model model = load_onnx(torch_file("unfolded.legacy.onnx"));
  for (const char* name : {"conv1.weight", "bn1.gamma", "bn1.beta", "conv2.weight", "conv2.bias", "depthwise.weight",
                           "bn3.gamma", "fc.weight", "fc.bias"}) {
    CHECK(model.find_parameter(name) != nullptr);
  }
  CHECK(model.graph().node(0).name == "image");
  CHECK(graph::is<graph::op::DepthwiseConv2D>(model.graph().node(model.graph().find("depthwise")).op));
  CHECK(graph::as<graph::op::BatchNorm>(model.graph().node(model.graph().find("bn1")).op)->momentum == 0.1f);
}

TEST_CASE("a model of PyTorch is trained on as integers and written again", "[passes][onnx]") {
  Model model = load_onnx(torch_file("unfolded.legacy.onnx"));
  const Dataset data = stet_test::random_dataset({28, 28, 1}, 64, 10, 5);
  Recipe recipe = recipes::int8();
  recipe.target = targets::onnxruntime;
  QatModel qat = prepare(model, recipe);
  calibrate(qat, data);
  fit(qat, data, {.epochs = 1, .batch = 32, .optimizer = Adam{.lr = 1e-3f}, .progress = ProgressMode::quiet});
  const IntegerModel integers = convert(qat);
  const stet_test::TemporaryDirectory dir;
  save_onnx(dir.path("int8.onnx"), integers);
  const onnx::ModelInfo written = onnx::decode(read_file(dir.path("int8.onnx")), "int8.onnx");
  const auto count = [&](const std::string& type) {
    return std::count_if(written.nodes.begin(), written.nodes.end(), [&](const auto& n) { return n.op_type == type; });
  };
  CHECK(count("Conv") == 3);
  CHECK(count("Gemm") == 1);
  CHECK(count("Relu") == 0);
  CHECK(count("BatchNormalization") == 0);
  CHECK(Engine(integers).run(stet_test::random_images({28, 28, 1}, 3, 6)).codes.shape() == Shape{3, 10});
}

TEST_CASE("constants, batch norms without a layer and pools run on integers as they were trained", "[passes][onnx]") {
  const auto file = GENERATE(std::string("operands.dynamo.onnx"), std::string("operands.legacy.onnx"));
  const Model model = load_onnx(torch_file(file));
  const Dataset data = stet_test::random_dataset({12, 14, 3}, 64, 5, 5);
  for (const Target& target : {targets::litert_default, targets::onnxruntime}) {
    Recipe recipe = recipes::int8();
    recipe.target = target;
    QatModel qat = prepare(model, recipe);
    calibrate(qat, data);
    fit(qat, data, {.epochs = 1, .batch = 16, .optimizer = Adam{.lr = 1e-3f}, .progress = ProgressMode::quiet});
    const Tensor<float> x = data.batch(0, 16).x;
    CHECK(stet_test::same_bits(infer(qat, x), infer(Engine(convert(qat)), x)));
  }
}

TEST_CASE("blocks of channels become pixels and back, in both orders of ONNX", "[passes][onnx]") {
  using onnx::attribute;
  const std::int64_t h = 3, w = 2, r = 2, c = 12;
  const auto text = [](const char* mode) { return onnx::AttributeInfo{.name = "mode", .type = onnx::AttributeType::text, .text = mode}; };
  Tensor<float> x(Shape{1, h, w, c});
  for (std::int64_t i = 0; i < x.size(); ++i) x.edit()[static_cast<std::size_t>(i)] = static_cast<float>(i);
  for (const char* mode : {"DCR", "CRD"}) {
    stet_test::OnnxSource s({c, h, w});
    const Tensor<float> y = infer(s.load(s.node("DepthToSpace", {"x"}, {attribute("blocksize", r), text(mode)})), x);
    REQUIRE(y.shape() == Shape{1, h * r, w * r, c / (r * r)});
    for (std::int64_t i = 0; i < h * r; ++i) {
      for (std::int64_t j = 0; j < w * r; ++j) {
        for (std::int64_t k = 0; k < c / (r * r); ++k) {
          const std::int64_t block = i % r * r + j % r;
          const std::int64_t channel = mode[0] == 'D' ? block * (c / (r * r)) + k : k * r * r + block;
          CHECK(y[y.shape().offset({0, i, j, k})] == x[x.shape().offset({0, i / r, j / r, channel})]);
        }
      }
    }
  }
  // SpaceToDepth undoes the first of them.
  stet_test::OnnxSource s({c, h, w});
  const auto wide = s.node("DepthToSpace", {"x"}, {attribute("blocksize", r)});
  CHECK(stet_test::same_bits(infer(s.load(s.node("SpaceToDepth", {wide}, {attribute("blocksize", r)})), x), x));
}

TEST_CASE("sums of several values, negation and the maximum of an image", "[passes][onnx]") {
  stet_test::OnnxSource s({2, 2, 2});
  const auto y = s.node("Sum", {"x", s.node("Neg", {s.node("Relu", {"x"})}), s.node("Sum", {"x"})});
  const Tensor<float> x(Shape{1, 2, 2, 2}, {1, -2, 3, -4, -5, 6, -7, 8});
  const Tensor<float> made = infer(s.load(s.node("GlobalMaxPool", {y})), x);  // 2x - max(x, 0)
  CHECK(made.shape().elements() == 2);
  CHECK(made[0] == 3.0f);
  CHECK(made[1] == 8.0f);
}

}  // namespace load_onnx_test
