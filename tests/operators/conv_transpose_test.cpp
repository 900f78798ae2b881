// The transposed convolution as an operator: shapes, training on codes, what targets refuse, and files. Its arithmetic is
// tested in tests/ops and tests/integer.

#include <stet/engine/engine.hpp>
#include <stet/graph/fold_batch_norm.hpp>
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
#include <stet/model/qat_forward.hpp>
#include <stet/model/quantize.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/on_targets.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

namespace conv_transpose_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using graph::op::ConvTranspose;

namespace {

// An image made smaller and larger again.
Model network(const ConvTranspose& last = {.filters = 4, .kernel = 3, .padding = Padding::of(1)}) {
  Graph g;
  auto y = relu(batch_norm(conv2d(g.input({7, 6, 3}), {.filters = 5, .kernel = 3, .stride = 2}))).named("small");
  y = relu6(batch_norm(conv_transpose(y, {.filters = 6, .kernel = 3, .bias = false}).named("up"))).named("larger");
  y = conv_transpose(y, {.filters = 3, .kernel = {2, 3}, .stride = {1, 2}, .padding = Padding::valid()}).named("wide");
  y = conv_transpose(y, last).named("last");
  g.output(linear(global_average_pool(y), {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}
Dataset data() { return random_dataset({7, 6, 3}, 48, 3, 1); }
Recipe recipe_for(const Target& target, bool per_channel = true) {
  return recipe_of(target, per_channel ? recipes::int8() : recipes::int8_per_tensor());
}

std::string complaint(const ConvTranspose& o, const Target& target) {
  try {
    (void)prepare(network(o), recipe_for(target));
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("conv_transpose infers shapes, parameters and products", "[operators]") {
  Graph g;
  const auto x = g.input({4, 5, 8});
  CHECK(conv_transpose(x, {.filters = 3}).shape() == Shape{8, 10, 3});
  CHECK(conv_transpose(x, {.filters = 3, .kernel = 3, .padding = Padding::valid()}).shape() == Shape{9, 11, 3});
  CHECK(conv_transpose(x, {.filters = 3, .kernel = 3, .padding = Padding::of(1)}).shape() == Shape{7, 9, 3});
  // torch.nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=1)
  const auto y = conv_transpose(x, {.filters = 3, .kernel = 3, .padding = Padding::of(1, 0, 1, 0)}).named("up");
  CHECK(y.shape() == Shape{8, 10, 3});
  CHECK(g.parameter_specs(y.id())[0].shape == Shape{3, 3, 3, 8});
  CHECK(graph::attributes(g.node(y.id()).op) == "3x3 stride 2x2 pad 1,0,1,0");
  const Shape in[] = {{4, 5, 8}};
  CHECK(graph::multiply_adds(g.node(y.id()).op, in, y.shape()) == 4 * 5 * 8 * 9 * 3);
  CHECK_THROWS_WITH(conv_transpose(x, {}), ContainsSubstring("filters must be at least 1, got 0"));
  CHECK_THROWS_WITH(conv_transpose(x, {.filters = 1, .padding = Padding::of(2)}), ContainsSubstring("less than the kernel of 2"));
}

TEST_CASE("a batch norm behind conv_transpose is folded into it", "[operators]") {
  Model model = network();
  Rng rng(3);
  for (auto& b : model.buffers()) {
    for (float& v : b.value.edit()) v = static_cast<float>(rng.uniform(0.5, 1.5));
  }
  const Model folded = fold_batch_norm(model);
  CHECK(folded.find_parameter("up.bias") != nullptr);
  CHECK(folded.graph().find("larger") >= 0);
  const Tensor<float> x = random_images({7, 6, 3}, 4, 5);
  CHECK(distance(infer(model, x), infer(folded, x)) < 1e-5);
}

TEST_CASE("conv_transpose trains, evaluates and runs with the same codes", "[operators][bits]") {
  for (const Target& target : {targets::tflite_reference, targets::litert_default, targets::tflite_micro}) {
    for (const bool per_channel : {true, false}) {
      INFO((per_channel ? "per channel" : "per tensor"));
      (void)check_trained_codes(network(), recipe_for(target, per_channel));
    }
  }
}

TEST_CASE("prepare refuses what a runtime makes otherwise of conv_transpose", "[operators]") {
  const ConvTranspose usual{.filters = 2, .kernel = 4, .padding = Padding::of(1)};
  const ConvTranspose uneven{.filters = 2, .kernel = 3, .padding = Padding::of(1, 0, 1, 0)};
  const ConvTranspose sparse{.filters = 2, .kernel = 2, .stride = 3};
  for (const Target& t : {targets::tflite_reference, targets::litert_default, targets::tflite_micro}) {
    INFO(t.name);
    CHECK(complaint(usual, t) == "");
    CHECK_THAT(complaint(uneven, t), ContainsSubstring("last (conv_transpose): TRANSPOSE_CONV has no pad 1,0,1,0"));
    CHECK((complaint(sparse, t) == "") == (t != targets::litert_default));
  }
  CHECK_THAT(complaint(sparse, targets::litert_default), ContainsSubstring("take Padding::valid(), a kernel of the stride's size"));
  CHECK_THAT(complaint(usual, targets::onnxruntime), ContainsSubstring("multiplies a transposed convolution in float"));
}

TEST_CASE("conv_transpose is written to .tflite as TRANSPOSE_CONV", "[operators]") {
  const IntegerModel integers = quantize(network(), recipes::int8(), data());
  const tflite::ModelInfo info = tflite::describe(integers, {.batch = 3});
  const auto op = std::ranges::find(info.operators, tflite::Builtin::transpose_conv, &tflite::OperatorInfo::code);
  REQUIRE(op != info.operators.end());
  CHECK(op->version == 4);
  CHECK(op->options.fused_activation == tflite::FusedActivation::relu6);
  CHECK(op->options.padding == tflite::Padding::same);
  REQUIRE(op->inputs.size() == 4);
  const auto& shape = info.tensors[static_cast<std::size_t>(op->inputs[0])];
  CHECK(shape.data.size() == 16);
  CHECK(shape.data[0] == 3);
  CHECK(info.tensors[static_cast<std::size_t>(op->inputs[1])].shape == std::vector<std::int32_t>{6, 3, 3, 5});
  CHECK(info.min_runtime_version == "2.13.0");
  const Model odd = network({.filters = 2, .kernel = 3, .padding = Padding::of(1, 0, 1, 0)});
  CHECK_THROWS_WITH(tflite::describe(odd), ContainsSubstring("last (conv_transpose): TRANSPOSE_CONV has no such padding"));
}

TEST_CASE("conv_transpose comes back from .tflite and .onnx with every padding", "[operators]") {
  const TemporaryDirectory dir;
  const Tensor<float> x = random_images({7, 6, 3}, 3, 5);
  for (const ConvTranspose& last :
       {ConvTranspose{.filters = 2, .kernel = 3}, ConvTranspose{.filters = 2, .kernel = {1, 2}, .stride = {2, 3}},
        ConvTranspose{.filters = 2, .kernel = 3, .padding = Padding::valid(), .bias = false},
        ConvTranspose{.filters = 2, .kernel = {4, 3}, .padding = Padding::of(1)},
        ConvTranspose{.filters = 2, .kernel = {5, 4}, .stride = {2, 3}, .padding = Padding::of(1, 2, 0, 1)},
        ConvTranspose{.filters = 2, .kernel = 3, .padding = Padding::of(1, 0, 1, 0)}}) {
    const Model model = network(last);
    INFO(graph::attributes(model.graph().node(model.graph().find("last")).op));
    const Tensor<float> wanted = infer(model, x);
    for (const OnnxLayout layout : {OnnxLayout::nchw, OnnxLayout::nhwc}) {
      save_onnx(dir.path("m.onnx"), model, {.layout = layout});
      const Model loaded = load_onnx(dir.path("m.onnx"));
      CHECK(distance(wanted, infer(loaded, x)) < 1e-5);
    }
    if (last.padding == Padding::of(1, 0, 1, 0)) continue;
    save_tflite(dir.path("m.tflite"), model);
    const Model loaded = load_tflite(dir.path("m.tflite"));
    CHECK(distance(wanted, infer(loaded, x)) < 1e-5);
    const IntegerModel integers = quantize(model, recipe_for(targets::tflite_reference), data());
    save_tflite(dir.path("i.tflite"), integers);
    const IntegerModel again = load_tflite_integer(dir.path("i.tflite"), integers.target);
    CHECK(same_bits(Engine(again).run(x).codes, Engine(integers).run(x).codes));
    // As .onnx the integers are written too, though ONNX Runtime multiplies in float there.
    const onnx::ModelInfo info = onnx::decode(onnx_bytes(integers), "m");
    const auto node = std::ranges::find(info.nodes, "ConvTranspose", &onnx::NodeInfo::op_type);
    REQUIRE(node != info.nodes.end());
    CHECK(node->inputs.size() == 3);
  }
}

TEST_CASE("plain loops make the engine's codes of the tables for C", "[operators]") {
  const TemporaryDirectory dir;
  IntegerModel model = quantize(network(), recipe_for(targets::tflite_micro), data());
  const std::string source = dir.path("drawn.c"), program = dir.path("drawn");
  save_c_weights(source, model);
  const std::string compile = "gcc -std=c99 -Wall -Wextra -Werror -DNETWORK=drawn '-DNETWORK_FILE=\"" + source + "\"' " +
                              STET_TEST_DIR + "/io/c_network.c -o " + program;
  REQUIRE(std::system(compile.c_str()) == 0);
  const Tensor<float> x = random_images({7, 6, 3}, 1, 7);
  std::vector<std::string> values;
  std::string all;
  (void)Engine(model).run(x, [&](int v, std::span<const std::int8_t> codes) {
    values.resize(model.values.size());
    values[static_cast<std::size_t>(v)] = {reinterpret_cast<const char*>(codes.data()), codes.size()};
  });
  for (const std::string& v : values) all += v;
  write_file_atomically(dir.path("in"), values[0]);
  REQUIRE(std::system((program + " " + dir.path("in") + " " + dir.path("out")).c_str()) == 0);
  CHECK(read_text(dir.path("out")) == all);
}

}  // namespace conv_transpose_test
