// Integers of models with several inputs and outputs: their order, names, scales and fingerprints in the engine and in every file.
#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/several.hpp"

#include <stet/engine/engine.hpp>
#include <stet/io/fingerprint_text.hpp>
#include <stet/io/integers.hpp>
#include <stet/io/load_input_fingerprint.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/observe_ranges.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/model/quantize.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace several_ends_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

const IntegerModel& integers() {
  static const IntegerModel m = quantize(fusion_model(), recipes::int8(), scenes(64, 1));
  return m;
}
std::vector<Tensor<float>> inputs() { return scenes(5, 2).batch(0, 5).inputs(); }

std::vector<std::string> names(const IntegerModel& m, const std::vector<int>& values) {
  std::vector<std::string> list;
  for (const int v : values) list.push_back(m.values[static_cast<std::size_t>(v)].name);
  return list;
}
const std::vector<std::string> in_names{"image", "telemetry"}, out_names{"class", "box"};

bool same_codes(const std::vector<QTensor>& a, const std::vector<QTensor>& b) {
  return std::ranges::equal(a, b, [](const QTensor& p, const QTensor& q) { return same_bits(p.codes, q.codes) && p.params == q.params; });
}

}  // namespace

TEST_CASE("inputs and outputs of integers are those of the graph, in its order", "[bits]") {
  const IntegerModel& m = integers();
  CHECK(names(m, m.inputs()) == in_names);
  CHECK(names(m, m.outputs) == out_names);  // though the box is made first
  CHECK(m.outputs[0] > m.outputs[1]);
  const Engine engine(m);
  CHECK(engine.inputs() == m.inputs());
  CHECK(engine.outputs() == m.outputs);
  CHECK(engine.input_shape() == Shape{6, 6, 1});
  CHECK(engine.input_shape(1) == Shape{4});
  CHECK_THROWS_WITH(engine.input_shape(2), ContainsSubstring("engine: input 2 does not exist, the model has 2"));
  const std::vector<QTensor> y = engine.run(inputs());
  REQUIRE(y.size() == 2);
  CHECK(y[0].shape() == Shape{5, 3});
  CHECK(y[1].shape() == Shape{5, 2});
  // Each has its own scale.
  for (std::size_t k = 0; k < 2; ++k) CHECK(y[k].params == qparams(m.values[static_cast<std::size_t>(m.outputs[k])].codes));
  CHECK(y[0].params.scale != y[1].params.scale);
  const std::vector<int> in = m.inputs();
  CHECK(m.values[static_cast<std::size_t>(in[0])].codes.scale != m.values[static_cast<std::size_t>(in[1])].codes.scale);
}

TEST_CASE("a late input keeps its place in memory, however many nodes run before it", "[bits]") {
  // Large values come and go before the second input is read.
  Graph g;
  auto x = g.input({8, 8, 4});
  for (int i = 0; i < 6; ++i) x = relu(conv2d(x, {.filters = 12, .kernel = 3, .padding = Padding::same()}));
  const auto late = g.input({8, 8, 12});
  const auto sum = x + late;
  g.output(x);
  g.output(global_average_pool(sum));
  const Model model(std::move(g), Rng(3));
  const std::vector<Tensor<float>> in{random_images({8, 8, 4}, 4, 1), random_images({8, 8, 12}, 4, 2)};
  for (const Target& target : targets::all) {
    Recipe recipe = recipes::int8();
    recipe.target = target;
    QatModel qat = prepare(model, recipe);
    calibrate(qat, Dataset(in[0]).with_input(in[1]));
    const std::vector<QTensor> wanted = infer_codes(qat, in, [](int, const QTensor&) {});
    CHECK(same_codes(Engine(convert(qat)).run(in), wanted));
  }
}

TEST_CASE("an output may be an input, a value that others read, and a value behind dropout") {
  Graph g;
  const auto x = g.input({6}).named("x");
  const auto hidden = relu(linear(x, {.units = 8})).named("hidden");
  const auto y = linear(dropout(hidden, {.rate = 0.5f}).named("dropped"), {.units = 2}).named("y");
  g.output(y);
  g.output(hidden);
  g.output(x);
  const Model model(std::move(g), Rng(1));
  const Tensor<float> in = random_images({6}, 9, 1);
  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, Dataset(in));
  const IntegerModel m = convert(qat);
  CHECK(names(m, m.outputs) == std::vector<std::string>{"y", "hidden", "x"});
  CHECK(same_codes(Engine(m).run(std::span(&in, 1)), infer_codes(qat, std::span(&in, 1), [](int, const QTensor&) {})));
  const TemporaryDirectory dir;
  save_tflite(dir.path("m.tflite"), m);
  const IntegerModel back = load_tflite_integer(dir.path("m.tflite"), m.target);
  CHECK(same_codes(Engine(back).run(std::span(&in, 1)), Engine(m).run(std::span(&in, 1))));
}

TEST_CASE(".tflite files keep order, names, scales and fingerprints of all ends", "[io][tflite]") {
  const TemporaryDirectory dir;
  const IntegerModel& m = integers();
  REQUIRE(m.input_fingerprints.size() == 2);
  CHECK(m.input_fingerprints[0].channels() == 1);
  CHECK(m.input_fingerprints[0].mean != m.input_fingerprints[1].mean);
  for (const bool real : {false, true}) {
    save_tflite(dir.path("m.tflite"), m, {.float_input = real, .float_output = real});
    const tflite::ModelInfo info = tflite::decode(read_file(dir.path("m.tflite")), "m.tflite");
    REQUIRE(info.signature_inputs.size() == 2);
    REQUIRE(info.signature_outputs.size() == 2);
    for (std::size_t k = 0; k < 2; ++k) {
      CHECK(info.signature_inputs[k].name == in_names[k]);
      CHECK(info.signature_inputs[k].tensor == info.inputs[k]);
      CHECK(info.signature_outputs[k].name == out_names[k]);
      CHECK(info.signature_outputs[k].tensor == info.outputs[k]);
    }
    const IntegerModel back = load_tflite_integer(dir.path("m.tflite"), m.target);
    CHECK(names(back, back.inputs()) == in_names);
    CHECK(names(back, back.outputs) == out_names);
    CHECK(back.input_fingerprints == m.input_fingerprints);
    CHECK(load_input_fingerprints(dir.path("m.tflite")) == m.input_fingerprints);
    CHECK_THROWS_WITH(load_input_fingerprint(dir.path("m.tflite")), ContainsSubstring("has fingerprints of 2 inputs; load_input_fingerprints gives them"));
    CHECK(same_codes(Engine(back).run(inputs()), Engine(m).run(inputs())));
  }
}

TEST_CASE("inputs of a .tflite keep the file's order, whatever the order of what quantizes them", "[io][tflite]") {
  const TemporaryDirectory dir;
  const IntegerModel& m = integers();
  save_tflite(dir.path("m.tflite"), m, {.float_input = true});
  tflite::ModelInfo info = tflite::decode(read_file(dir.path("m.tflite")), "m.tflite");
  std::swap(info.inputs[0], info.inputs[1]);
  std::swap(info.signature_inputs[0], info.signature_inputs[1]);
  info.input_fingerprint.clear();
  const IntegerModel back = tflite::import_integer_model(info, m.target, "swapped");
  CHECK(names(back, back.inputs()) == std::vector<std::string>{"telemetry", "image"});
  const std::vector<Tensor<float>> x = inputs(), swapped{x[1], x[0]};
  CHECK(same_codes(Engine(back).run(swapped), Engine(m).run(x)));
  // Fingerprints belong to inputs by their order.
  info.input_fingerprint = fingerprint_text(m.input_fingerprints);
  info.input_fingerprint = info.input_fingerprint.substr(1, info.input_fingerprint.find("},{"));
  CHECK_THROWS_WITH(tflite::import_integer_model(info, m.target, "one"), ContainsSubstring("there are 1 for 2 inputs"));
  // A batch of one and a batch of two.
  info.input_fingerprint.clear();
  info.tensors[static_cast<std::size_t>(info.inputs[1])].shape[0] = 2;
  CHECK_THROWS_WITH(tflite::import_integer_model(info, m.target, "uneven"), ContainsSubstring("all inputs must have the same batch in front"));
}

TEST_CASE("a model that ends at named outputs has the inputs that lead there", "[io]") {
  const TemporaryDirectory dir;
  Graph g;
  const auto a = g.input({3}).named("a"), b = g.input({4}).named("b");
  const auto p = linear(a, {.units = 2}).named("p"), q = linear(b, {.units = 2}).named("q");
  g.output(p);
  g.output(q);
  const Model model(std::move(g), Rng(1));
  const Tensor<float> xa = random_images({3}, 6, 1), xb = random_images({4}, 6, 2);
  save_tflite(dir.path("f.tflite"), model);
  save_onnx(dir.path("f.onnx"), model);
  save_tflite(dir.path("i.tflite"), quantize(model, recipes::int8(), Dataset(xa).with_input(xb)));
  const ImportOptions only{.outputs = {"q"}};
  const Tensor<float> wanted = infer(model, std::array{xa, xb})[1];
  CHECK(same_bits(infer(load_tflite(dir.path("f.tflite"), only), xb), wanted));
  CHECK(same_bits(infer(load_onnx(dir.path("f.onnx"), only), xb), wanted));
  const IntegerModel part = load_tflite_integer(dir.path("i.tflite"), targets::litert_default, {.outputs = {"q"}});
  CHECK(names(part, part.inputs()) == std::vector<std::string>{"b"});
  REQUIRE(part.input_fingerprints.size() == 1);
  CHECK(part.input_fingerprints[0] == load_input_fingerprints(dir.path("i.tflite"))[1]);
  CHECK(Engine(part).run(xb).shape() == Shape{6, 2});
}

TEST_CASE(".onnx files keep order and names of all ends", "[io][onnx]") {
  const TemporaryDirectory dir;
  const IntegerModel& m = integers();
  save_onnx(dir.path("m.onnx"), m);
  const onnx::ModelInfo info = onnx::decode(read_file(dir.path("m.onnx")), "m.onnx");
  REQUIRE(info.inputs.size() == 2);
  REQUIRE(info.outputs.size() == 2);
  for (std::size_t k = 0; k < 2; ++k) {
    CHECK(info.inputs[k].name == in_names[k]);
    CHECK(info.outputs[k].name == out_names[k]);
  }
  CHECK(load_input_fingerprints(dir.path("m.onnx")) == m.input_fingerprints);

  // Float models of both formats.
  const Model model = fusion_model();
  const ActivationRanges ranges = observe_ranges(model, scenes(32, 1));
  REQUIRE(ranges.inputs.size() == 2);
  save_onnx(dir.path("f.onnx"), model, {.ranges = ranges});
  save_tflite(dir.path("f.tflite"), model, {.ranges = ranges});
  const std::vector<Tensor<float>> wanted = infer(model, inputs());
  for (const Model& loaded : {load_onnx(dir.path("f.onnx")), load_tflite(dir.path("f.tflite"))}) {
    const Graph& g = loaded.graph();
    REQUIRE(g.inputs().size() == 2);
    REQUIRE(g.outputs().size() == 2);
    const std::vector<Tensor<float>> y = infer(loaded, inputs());
    for (std::size_t k = 0; k < 2; ++k) {
      CHECK(g.node(g.inputs()[k]).name == in_names[k]);
      CHECK(g.node(g.outputs()[k]).name == out_names[k]);
      for (std::int64_t i = 0; i < y[k].size(); ++i) CHECK(y[k][i] == Approx(wanted[k][i]).margin(1e-5));
    }
  }
  for (const char* file : {"f.onnx", "f.tflite"}) CHECK(load_input_fingerprints(dir.path(file)) == ranges.inputs);
}

TEST_CASE("shapes that an .onnx of several inputs leaves open are given for each", "[io][onnx]") {
  const TemporaryDirectory dir;
  save_onnx(dir.path("f.onnx"), fusion_model());
  onnx::ModelInfo info = onnx::decode(read_file(dir.path("f.onnx")), "f.onnx");
  info.inputs[0].dims[2] = {-1, "height"};
  info.inputs[1].dims[1] = {-1, "features"};
  const Model loaded = import_onnx(info, "open.onnx", {.inputs = {{6, 6, 1}, {4}}});
  CHECK(infer(loaded, inputs()).size() == 2);
  CHECK_THROWS_WITH(import_onnx(info, "open.onnx", {.inputs = {{6, 6, 1}}}), ContainsSubstring("{.inputs = ...} has 1 shapes, the file has 2 inputs"));
  CHECK_THROWS_WITH(import_onnx(info, "open.onnx"), ContainsSubstring("has no size"));
  info.inputs[0].dims[0] = {1, {}};
  info.inputs[1].dims[0] = {2, {}};
  CHECK_THROWS_WITH(import_onnx(info, "open.onnx", {.inputs = {{6, 6, 1}, {4}}}), ContainsSubstring("its first dimension is 2, that of the inputs before it 1"));
}

TEST_CASE("safetensors and C name all inputs and outputs", "[io]") {
  const TemporaryDirectory dir;
  const IntegerModel& m = integers();
  save_integers(dir.path("m.safetensors"), m);
  const SafetensorsFile file = SafetensorsFile::load(dir.path("m.safetensors"));
  CHECK(*file.find_metadata("inputs") == "image,telemetry");
  CHECK(*file.find_metadata("outputs") == "class,box");
  save_integers_npy(dir.path("npy_"), m);
  save_c_weights(dir.path("net.c"), m);
  save_c_array(dir.path("array.h"), "net", tflite_bytes(m));
  for (const char* name : {"m.safetensors", "npy_input_fingerprint.json", "net.c", "array.h"}) {
    INFO(name);
    CHECK(load_input_fingerprints(dir.path(name)) == m.input_fingerprints);
  }
  const std::string text = read_text(dir.path("net.c"));
  const std::vector<int> in = m.inputs();
  CHECK_THAT(text, ContainsSubstring(fmt::format("net_inputs[] = {{\n  {}, {}", in[0], in[1])));
  CHECK_THAT(text, ContainsSubstring(fmt::format("net_outputs[] = {{\n  {}, {}", m.outputs[0], m.outputs[1])));
}

TEST_CASE("fingerprints that are not one for each input are refused by every writer", "[io]") {
  const TemporaryDirectory dir;
  IntegerModel m = integers();
  m.input_fingerprints.pop_back();
  CHECK_THROWS_WITH(tflite_bytes(m), ContainsSubstring("the model's input_fingerprints cannot be: there are 1 for 2 inputs; clear them"));
  CHECK_THROWS_AS(onnx_bytes(m), Error);
  CHECK_THROWS_AS(save_integers(dir.path("m.safetensors"), m), Error);
  CHECK_THROWS_AS(save_c_weights(dir.path("m.c"), m), Error);
}

}  // namespace several_ends_test
