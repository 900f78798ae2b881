// save_tflite for integer models: the file has the model's codes and scales, and nothing is written that a runtime
// would compute in another way.
#include "io/temporary_directory.hpp"
#include "io/tflite_contents.hpp"
#include "support/catch.hpp"

#include <stet/core/random.hpp>
#include <stet/graph/int4_weights.hpp>
#include <stet/io/int4.hpp>
#include <stet/io/save_tflite.hpp>

#include <string>
#include <vector>

namespace save_tflite_integer_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using tflite::Builtin;
using tflite::ModelInfo;
using tflite::TensorInfo;
using tflite::TensorType;

namespace {

Tensor<std::int8_t> codes(const Shape& shape, int most, std::uint64_t seed, int factor = 1) {
  Rng rng(seed);
  Tensor<std::int8_t> t(shape);
  for (auto& q : t.edit()) {
    q = static_cast<std::int8_t>(factor *
                                 (static_cast<int>(rng.below(static_cast<std::uint64_t>(2 * most + 1))) - most));
  }
  return t;
}

// image -> conv -> pool -> mean -> logits
IntegerModel model(Grid grid = Grid::int8(), int most = 127, int factor = 1) {
  IntegerModel m;
  m.target = targets::tflite_reference;
  const auto params = [](float s, int z, Grid g = Grid::int8()) { return Affine{s, z, g}; };
  m.values = {{"image", {8, 8, 3}, params(1.0f / 255, -128)},
              {"features", {8, 8, 4}, params(0.05f, -128, grid)},
              {"pooled", {4, 4, 4}, params(0.05f, -128, grid)},
              {"mean", {4}, params(0.03f, -128)},
              {"logits", {5}, params(0.1f, 3)}};
  namespace op = graph::op;
  m.nodes = {{"image", op::Input{{8, 8, 3}}, {}, 0},
             {"conv",
              op::Conv2D{.filters = 4, .kernel = 3},
              {0},
              1,
              Activation::relu,
              {codes({4, 3, 3, 3}, most, 1, factor),
               {0.01f, 0.02f, 0.03f, 0.04f},
               Tensor<std::int32_t>({4}, {1000, -2000, 37, 5})}},
             {"pool", op::MaxPool{}, {1}, 2},
             {"mean", op::GlobalAveragePool{}, {2}, 3},
             {"logits",
              op::Linear{.units = 5},
              {3},
              4,
              Activation::none,
              {codes({5, 4}, most, 2, factor), {0.02f}, Tensor<std::int32_t>({5}, {1, 2, 3, 4, -5})}}};
  m.outputs = {4};
  return m;
}

LayerConstants& constants(IntegerModel& m, std::size_t i) { return m.nodes[i].constants; }

}  // namespace

TEST_CASE("an int8 file has the codes, scales and zero points of the model") {
  IntegerModel m = model();
  const ModelInfo info = tflite::describe(m);
  CHECK(operators(info) == "3v3 17v2 40v2 9v4 ");
  CHECK(info.min_runtime_version == "1.14.0");
  for (const IntegerValue& v : m.values) {
    const TensorInfo& t = tensor(info, v.name);
    CHECK(t.type == TensorType::int8);
    CHECK(t.quantization == tflite::Quantization{{v.codes.scale}, {v.codes.zero_point}, 0});
  }
  const auto& conv = constants(m, 1);
  CHECK(same(tensor(info, "conv.weight"), conv.weights));
  CHECK(tensor(info, "conv.weight").quantization.scale == conv.weight_scale);
  CHECK(tensor(info, "conv.weight").quantization.dimension == 0);
  CHECK(same(tensor(info, "conv.bias"), conv.bias));
  for (std::size_t c = 0; c < 4; ++c) {
    CHECK(tensor(info, "conv.bias").quantization.scale[c] == 1.0f / 255 * conv.weight_scale[c]);
  }
  CHECK(info.operators[0].options.fused_activation == tflite::FusedActivation::relu);
  CHECK_FALSE(info.operators[2].options.keep_dims);
  CHECK(info.signature_inputs[0].name == "image");
  CHECK(info.signature_outputs[0].name == "logits");
}

TEST_CASE("real ends keep the names, and codes stand beside them") {
  const ModelInfo info = tflite::describe(model(), {.float_input = true, .float_output = true});
  CHECK(operators(info) == "114v1 3v3 17v2 40v2 9v4 6v2 ");
  CHECK(tensor(info, "image").type == TensorType::float32);
  CHECK(tensor(info, "image:codes").type == TensorType::int8);
  CHECK(tensor(info, "logits").type == TensorType::float32);
  CHECK(tensor(info, "logits:codes").quantization.scale[0] == 0.1f);
}

TEST_CASE("a grid below 8 bits is kept by MINIMUM, unless the fused activation ends there") {
  const Grid four = Grid::activation(4);
  const ModelInfo info = tflite::describe(model(four));
  CHECK(operators(info) == "3v3 57v2 17v2 40v2 9v4 ");
  CHECK(static_cast<std::int8_t>(tensor(info, "conv:highest").data[0]) == -113);
  CHECK(tensor(info, "conv:highest").quantization == tensor(info, "features").quantization);
  IntegerModel m = model(four);
  m.nodes[1].activation = Activation::relu6;
  for (const int v : {1, 2}) m.values[static_cast<std::size_t>(v)].codes.scale = 6.0f / 15.0f;
  CHECK(operators(tflite::describe(m)) == "3v3 17v2 40v2 9v4 ");
  // Both ends of a grid that starts above -128, also at a real input.
  m = model();
  m.values[0].codes = {0.1f, 0, Grid::signed_bits(5)};
  const ModelInfo ends = tflite::describe(m, {.float_input = true});
  CHECK(operators(ends) == "114v1 57v2 55v2 3v3 17v2 40v2 9v4 ");
  CHECK(static_cast<std::int8_t>(tensor(ends, "image:lowest").data[0]) == -16);
  CHECK(static_cast<std::int8_t>(tensor(ends, "image:highest").data[0]) == 15);
}

TEST_CASE("padding of a max pool is the lowest code") {
  IntegerModel m = model(Grid::range(-100, 127));
  for (const int v : {1, 2}) m.values[static_cast<std::size_t>(v)].codes.zero_point = -100;
  m.nodes[2].op.get_if<graph::op::MaxPool>()->padding = Padding::of(1, 0, 1, 0);
  m.values[2].shape = {4, 4, 4};
  const ModelInfo info = tflite::describe(m);
  CHECK(operators(info) == "3v3 60v2 17v2 40v2 9v4 ");
  CHECK(static_cast<std::int8_t>(tensor(info, "pool:lowest").data[0]) == -100);
  CHECK(tensor(info, "pool:pad").shape == std::vector<std::int32_t>{1, 9, 9, 4});
}

TEST_CASE("MUL at a multiplier of 1 or more says so by its version") {
  IntegerModel m;
  m.values = {{"x", {4}, {1.0f, 0}}, {"y", {4}, {2.0f, 0}}};
  m.nodes = {{"x", graph::op::Input{{4}}, {}, 0}, {"y", graph::op::Mul{}, {0, 0}, 1}};
  m.outputs = {1};
  CHECK(operators(tflite::describe(m)) == "18v2 ");
  m.values[1].codes.scale = 1.0f;
  CHECK(operators(tflite::describe(m)) == "18v3 ");
  CHECK(tflite::describe(m).min_runtime_version == "1.15.0");
}

TEST_CASE("codes of 4 bits times a power of two become int4 by a step that the engine can run") {
  IntegerModel m = model(Grid::int8(), 7, 16);
  constants(m, 1).weights.edit()[0] = 112;
  CHECK_THROWS_WITH(tflite::describe(m, {.int4_weights = true}), ContainsSubstring("apply int4_weights()"));
  const IntegerModel small = int4_weights(m);
  const auto& before = constants(m, 1);
  const auto& after = small.nodes[1].constants;
  for (std::int64_t i = 0; i < before.weights.size(); ++i) {
    const auto c = static_cast<std::size_t>(i / 27);
    CHECK(after.weight_scale[c] * static_cast<float>(after.weights[i]) ==
          before.weight_scale[c] * static_cast<float>(before.weights[i]));
    CHECK(std::abs(after.weights[i]) <= 7);
  }
  // 1000/16 = 62.5 goes to the even 62, 37/16 to 2.
  CHECK(after.bias[0] == 62);
  CHECK(after.bias[1] == -125);
  CHECK(after.bias[2] == 2);
  const ModelInfo info = tflite::describe(small, {.int4_weights = true});
  CHECK(operators(info) == "3v7 17v2 40v2 9v10 ");
  CHECK(info.min_runtime_version == "2.11.0");
  const TensorInfo& w = tensor(info, "conv.weight");
  CHECK(w.type == TensorType::int4);
  CHECK(unpacked_int4(w.data, 108) ==
        std::vector<std::int8_t>(after.weights.span().begin(), after.weights.span().end()));
  // Full-range weights are no 4-bit weights, and a layer that has them stays as it is.
  CHECK_THROWS_WITH(int4_weights(model()), ContainsSubstring("no convolution or linear layer has weights of 4 bits"));
  IntegerModel mixed = m;
  constants(mixed, 4).weights.edit()[0] = 101;
  const IntegerModel half = int4_weights(mixed);
  CHECK(half.nodes[4].constants.weights[0] == 101);
  CHECK(operators(tflite::describe(half, {.int4_weights = true})) == "3v7 17v2 40v2 9v4 ");
  IntegerModel other = small;
  other.target = targets::litert_default;
  CHECK_THROWS_WITH(tflite::describe(other, {.int4_weights = true}), ContainsSubstring("tflite_reference"));
}

TEST_CASE("everything that cannot be written is named in one error, and no file appears") {
  const TemporaryDirectory dir;
  const auto refuse = [&](const IntegerModel& m, std::vector<std::string> texts) {
    try {
      save_tflite(dir.path("model.tflite"), m);
      FAIL("was written, but should say " << texts[0]);
    } catch (const Error& e) {
      CHECK(e.code() == Errc::unsupported);
      for (const auto& text : texts) CHECK_THAT(e.what(), ContainsSubstring(text));
    }
    CHECK(dir.files() == 0);
  };
  IntegerModel m = model();
  m.nodes[2].op = graph::op::AveragePool{.size = 4, .stride = 2, .padding = Padding::of(2, 0, 2, 0)};
  m.values.push_back({"positive", {5}, {0.2f, 3}});
  m.nodes.push_back({"positive", graph::op::Relu{}, {4}, 5});
  constants(m, 4).weight_scale = {0.1f, 0.2f};
  refuse(m, {"pool: AVERAGE_POOL_2D leaves out", "positive: must keep scale and zero point", "logits: has 5 outputs"});
  m = model();
  m.values[0].codes.scale = 0.0f;
  m.values[2].codes.grid = Grid::uint8();
  refuse(m, {"image: its codes: scale 0 is 0", "pooled: codes 0..255 do not fit int8"});
  m = model();
  m.nodes[2].inputs = {3};
  refuse(m, {"pool: reads value 3 before it is made"});
  m = model();
  m.nodes[1].output = 77;
  m.outputs = {};
  refuse(m, {"conv: writes value 77", "the model: has no output"});
  // A ratio of scales on which LiteRT aborts the process, also where the model is meant for another runtime.
  m = model();
  m.values[2] = {"pooled", {8, 8, 4}, {1e-8f, 0}};
  m.nodes[2] = {"sum", graph::op::Add{}, {1, 1}, 2};
  refuse(m, {"sum: add"});
  m.target = targets::onnxruntime;
  refuse(m, {"sum: add"});
}

TEST_CASE("an int8 file reads back as it was described, at any batch") {
  const TemporaryDirectory dir;
  for (const std::int64_t batch : {1, 5}) {
    const TfliteIntegerOptions options{.batch = batch, .description = "a test"};
    save_tflite(dir.path("model.tflite"), model(), options);
    const ModelInfo info = tflite::decode(read_file(dir.path("model.tflite")), "model.tflite");
    CHECK(info == tflite::describe(model(), options));
    CHECK(info.description == "a test");
    CHECK(tensor(info, "logits").shape == std::vector<std::int32_t>{static_cast<std::int32_t>(batch), 5});
  }
  CHECK(dir.files() == 1);
}

}  // namespace save_tflite_integer_test
