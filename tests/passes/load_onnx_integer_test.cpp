// What save_onnx writes of integers, load_onnx_integer reads: random networks with several ends, islands and shared scales. So
// it does with files of ONNX Runtime's quantize_static (tests/models/quantized_networks.py --fixtures makes them).

#include <stet/engine/engine.hpp>
#include <stet/io/npy.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/load_onnx_integer.hpp>
#include <stet/model/quantize.hpp>

#include "io/onnx_source.hpp"
#include "support/catch.hpp"
#include "support/images_last.hpp"
#include "support/networks.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <cmath>

namespace load_onnx_integer_test {

using namespace stet;
using namespace stet_test;

namespace {

IntegerModel through_file(const IntegerModel& model, const OnnxIntegerOptions& options = {}) {
  return import_onnx_integer(onnx::decode(onnx_bytes(model, options), "test"), model.target, "test", {.ending = Ending::whole});
}

// Codes of the outputs that differ, of all; of an image with its channels first, where the file has them so.
std::int64_t differing(const IntegerModel& a, const IntegerModel& b, const std::vector<Tensor<float>>& x) {
  const std::vector<QTensor> before = Engine(a).run(x), after = Engine(b).run(x);
  REQUIRE(before.size() == after.size());
  std::int64_t count = 0;
  for (std::size_t k = 0; k < before.size(); ++k) {
    REQUIRE(before[k].codes.shape() == after[k].codes.shape());
    REQUIRE(before[k].params.scale == after[k].params.scale);
    for (std::int64_t i = 0; i < before[k].codes.size(); ++i) count += before[k].codes[i] != after[k].codes[i] ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("integer networks come back from .onnx with the same codes") {
  int compared = 0;
  for (std::uint64_t seed = 1; seed <= 48; ++seed) {
    INFO("seed " << seed);
    const Model model = random_model(seed, {.with_dropout = false, .large = seed % 2 == 0, .floats = seed % 4 == 3, .several = seed % 3 == 1});
    Recipe recipe = seed % 5 == 4 ? recipes::int8_per_tensor() : recipes::int8();
    recipe.target = targets::onnxruntime;
    recipe.keep_float_unsupported = seed % 4 == 3;
    if (seed % 7 == 0) recipe.activations = Int8Activation(6);
    IntegerModel integers;
    try {
      QatModel qat = prepare(model, recipe);
      calibrate(qat, random_samples(model, 20, seed));
      integers = convert(qat);
      (void)Engine(integers);
    } catch (const Error& e) {
      const std::string text = e.what();
      INFO(text);
      continue;
    }
    const OnnxIntegerOptions options{.layout = seed % 3 == 0 ? OnnxLayout::nchw : OnnxLayout::nhwc,
                                     .activations = seed % 2 == 0 ? OnnxActivations::uint8 : OnnxActivations::int8};
    const IntegerModel loaded = through_file(integers, options);
    CHECK(differing(integers, loaded, random_inputs(model, 3, seed + 1)) == 0);
    ++compared;
  }
  CHECK(compared >= 40);
}

TEST_CASE("every operator of integers comes back from .onnx with the same codes") {
  Graph g;
  auto x = g.input({8, 8, 4}).named("image");
  auto y = relu6(conv2d(x, {.filters = 6, .kernel = 3, .padding = Padding::of(1, 0, 2, 1), .groups = 2}));
  y = max_pool(y, {.size = 3, .stride = 2, .padding = Padding::of(1, 0, 1, 1)});
  y = depthwise_conv2d(pad(y, {.top = 1, .right = 2}), {.kernel = 3, .padding = Padding::same(), .multiplier = 2});
  y = y * sigmoid(mean(y, {0, 1}, true)) + hard_swish(y);
  y = concat({tanh(y), leaky_relu(y - average_pool(y, {.size = 3, .stride = 1, .padding = Padding::same()}), {.alpha = 0.3f})}, 2);
  y = resize_bilinear(upsample(y, 2), {7, 12});
  y = maximum(y, elu(conv2d(y, {.filters = static_cast<int>(y.shape()[2]), .kernel = 1})));
  g.output(clip(y, -0.5f, 2.0f).named("image_out"));
  const auto rows = linear(reshape(transpose(y, {1, 0, 2}), {y.shape()[0] * y.shape()[1], y.shape()[2]}), {.units = 5});
  g.output(linear(flatten(slice(softplus(rows), 0, 3, 9)), {.units = 4}).named("flat_out"));
  Model model(g, Rng(3));
  Recipe recipe = recipes::int8();
  recipe.target = targets::onnxruntime;
  const IntegerModel integers = quantize(model, recipe, random_dataset({8, 8, 4}, 24, 4, 5));
  const std::vector<Tensor<float>> images{random_images({8, 8, 4}, 4, 6)};
  for (const OnnxLayout layout : {OnnxLayout::nchw, OnnxLayout::nhwc}) {
    for (const OnnxActivations codes : {OnnxActivations::uint8, OnnxActivations::int8}) {
      const IntegerModel loaded = through_file(integers, {.layout = layout, .activations = codes});
      CHECK(differing(integers, loaded, images) == 0);
      CHECK(loaded.input_fingerprints.size() == 1);
      // Written again it says the same.
      CHECK(differing(integers, through_file(loaded, {.layout = layout, .activations = codes}), images) == 0);
    }
  }
}

TEST_CASE("weights of 4 bits come back from .onnx") {
  Graph g;
  auto x = g.input({6, 6, 3});
  g.output(linear(flatten(relu(conv2d(x, {.filters = 4, .kernel = 3}))), {.units = 3}));
  Recipe recipe = recipes::int8();
  recipe.target = targets::onnxruntime;
  IntegerModel integers = quantize(Model(g, Rng(4)), recipe, random_dataset({6, 6, 3}, 20, 3, 5));
  for (IntegerNode& n : integers.nodes) {
    if (!graph::has_weights(n.op)) continue;
    for (std::int8_t& q : n.constants.weights.edit()) q = static_cast<std::int8_t>(q / 18);
  }
  const IntegerModel loaded = through_file(integers, {.int4_weights = true});
  CHECK(differing(integers, loaded, {random_images({6, 6, 3}, 4, 6)}) == 0);
  for (std::size_t i = 0; i < integers.nodes.size(); ++i) {
    CHECK(same_bits(integers.nodes[i].constants.weights, loaded.nodes[i].constants.weights));
    CHECK(same_bits(integers.nodes[i].constants.bias, loaded.nodes[i].constants.bias));
    CHECK(integers.nodes[i].constants.weight_scale == loaded.nodes[i].constants.weight_scale);
  }
}

TEST_CASE("files of ONNX Runtime's quantize_static run with its codes") {
  for (const char* name : {"residual_uint8", "joined_uint8", "gated_operators", "arithmetic_int8", "depthwise_symmetric"}) {
    INFO(name);
    const std::string base = std::string(STET_TEST_DIR) + "/io/onnxruntime/" + name;
    const IntegerModel model = load_onnx_integer(base + ".onnx");
    CHECK(model.target == targets::onnxruntime);
    Tensor<float> x = load_npy<float>(base + ".x.0.npy"), y = load_npy<float>(base + ".y.0.npy");
    const QTensor codes = Engine(model).run(images_last(x));
    if (y.shape().rank() == 4) y = images_last(y);
    REQUIRE(y.shape() == codes.codes.shape());
    std::int64_t differ = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) {
      differ += codes.codes[i] != static_cast<int>(std::round(y[i] / codes.params.scale[0])) + codes.params.zero_point[0] ? 1 : 0;
    }
    CHECK(differ == 0);
  }
}

namespace {

// Codes of a value and back, as QuantizeLinear and DequantizeLinear.
struct CodesSource : OnnxSource {
  using OnnxSource::OnnxSource;
  CodesSource() : OnnxSource({4}) {}
  std::vector<std::string> params(float scale, std::uint8_t zero) {
    const std::string n = std::to_string(model.initializers.size());
    return {constant("s" + n, {}, Floats{scale}), constant("z" + n, {}, std::vector<std::uint8_t>{zero})};
  }
  std::string coded(const std::string& x, float scale = 0.02f, std::uint8_t zero = 128) {
    const auto p = params(scale, zero);
    return node("DequantizeLinear", {node("QuantizeLinear", {x, p[0], p[1]}), p[0], p[1]});
  }
  std::string weights(const Ints& dims, const std::vector<std::int8_t>& codes, float scale = 0.01f) {
    const std::string n = std::to_string(model.initializers.size());
    return node("DequantizeLinear", {constant("w" + n, dims, codes), constant("ws" + n, {}, Floats{scale})});
  }
  std::string bias(const std::vector<std::int32_t>& codes, float scale) {
    const std::string n = std::to_string(model.initializers.size());
    return node("DequantizeLinear", {constant("b" + n, {static_cast<std::int64_t>(codes.size())}, codes), constant("bs" + n, {}, Floats{scale})});
  }
  IntegerModel integers(const std::string& output) {
    model.outputs = {{output, stet::onnx::DataType::float32, false, {}}};
    return import_onnx_integer(model, targets::onnxruntime, "made.onnx");
  }
  std::string refusal_of(const std::string& output) {
    try {
      (void)integers(output);
    } catch (const Error& e) {
      CHECK_THAT(e.what(), Catch::Matchers::ContainsSubstring("made.onnx"));
      return e.what();
    }
    return "";
  }
};

using Catch::Matchers::ContainsSubstring;

}  // namespace

TEST_CASE("values between two scales go through a table in float") {
  CodesSource s;
  const std::string x = s.coded("x", 0.02f, 128);
  const IntegerModel model = s.integers(s.coded(s.node("Relu", {s.coded(x, 0.03f, 100)}), 0.017f, 0));
  CHECK(model.nodes.size() == 3);
  Tensor<float> all(Shape{64, 4});
  for (std::int64_t i = 0; i < 256; ++i) all.edit()[static_cast<std::size_t>(i)] = 0.02f * static_cast<float>(i - 128);
  const QTensor y = Engine(model).run(all);
  for (int q = 0; q < 256; ++q) {
    const auto code = [](float v, float scale, int zero) { return std::clamp(static_cast<int>(std::nearbyint(v / scale)) + zero, 0, 255); };
    const float first = 0.02f * static_cast<float>(q - 128), second = 0.03f * static_cast<float>(code(first, 0.03f, 100) - 100);
    CHECK(y.codes[q] == code(std::max(0.0f, second), 0.017f, 0) - 128);
  }
}

TEST_CASE("a layer of codes has the codes of the file, whatever type they have there") {
  for (const bool offset : {false, true}) {
    CodesSource s;
    const std::vector<std::int8_t> codes{1, -2, 3, -128, 127, 0, 5, -6};
    std::string w = s.weights({4, 2}, codes);
    if (offset) {
      std::vector<std::uint8_t> shifted;
      for (const std::int8_t q : codes) shifted.push_back(static_cast<std::uint8_t>(q + 128));
      w = s.node("DequantizeLinear", {s.constant("w", {4, 2}, shifted), s.constant("ws", {}, Floats{0.01f}), s.constant("wz", {}, std::vector<std::uint8_t>{128})});
    }
    const IntegerModel model = s.integers(s.coded(s.node("Gemm", {s.coded("x"), w, s.bias({1 << 30, -7}, 0.02f * 0.01f)})));
    const LayerConstants& c = model.nodes.at(1).constants;
    CHECK(same_bits(c.weights, Tensor<std::int8_t>(Shape{2, 4}, std::vector<std::int8_t>{1, 3, 127, 5, -2, -128, 0, -6})));
    CHECK(same_bits(c.bias, Tensor<std::int32_t>(Shape{2}, std::vector<std::int32_t>{1 << 30, -7})));
    CHECK(c.weight_scale == Floats{0.01f});
  }
}

TEST_CASE("what an integer model cannot hold of a .onnx file is refused, all of it") {
  {
    CodesSource s;
    const std::string w = s.weights({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
    const std::string a = s.coded(s.node("Gemm", {s.coded("x"), w, s.bias({1, 2}, 0.5f)})), b = s.coded(s.node("Gemm", {a, s.constant("real", {2, 2}, Floats{1, 2, 3, 4})}));
    const std::string text = s.refusal_of(s.node("Gemm", {b, s.constant("other", {2, 2}, Floats{1, 2, 3, 4})}));
    CHECK_THAT(text, ContainsSubstring("its bias has the scale 0.5"));
    CHECK_THAT(text, ContainsSubstring("its weights are real numbers between codes"));
    CHECK_THAT(text, ContainsSubstring("is an output, but no QuantizeLinear makes codes of it"));
  }
  {
    CodesSource s;
    CHECK_THAT(s.refusal_of(s.coded(s.node("Gemm", {"x", s.weights({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8})}))), ContainsSubstring("the input is read as real numbers"));
  }
  {
    CodesSource s;
    const std::string y = s.node("Tanh", {s.coded("x")});
    const std::string sum = s.coded(s.node("Add", {s.coded(y, 0.01f), s.coded(s.node("Softmax", {y}), 0.01f)}));
    CHECK_THAT(s.refusal_of(sum), ContainsSubstring("is read by a Softmax too, as real numbers or other codes"));
  }
  {
    CodesSource s;
    const auto p = s.params(0.02f, 128), other = s.params(0.03f, 128);
    CHECK_THAT(s.refusal_of(s.node("DequantizeLinear", {s.node("QuantizeLinear", {"x", p[0], p[1]}), other[0], other[1]})),
               ContainsSubstring("another scale or zero point"));
  }
  {
    CodesSource s;
    const auto p = s.params(0.02f, 128);
    const std::string q = s.node("QuantizeLinear", {"x", p[0], p[1]});
    CHECK_THAT(s.refusal_of(s.node("DequantizeLinear", {s.node("Add", {q, q}), p[0], p[1]})), ContainsSubstring("computes with codes"));
  }
  {
    CodesSource s;
    s.constant("wide", {}, std::vector<std::int16_t>{0});
    const auto p = s.params(0.02f, 128), bad = s.params(-1.0f, 128);
    const std::string a = s.node("DequantizeLinear", {s.node("QuantizeLinear", {"x", p[0], "wide"}), p[0], "wide"});
    CHECK_THAT(s.refusal_of(a), ContainsSubstring("its codes have data type 5"));
    CodesSource t;
    CHECK_THAT(t.refusal_of(t.coded("x", -1.0f)), ContainsSubstring("must be positive and finite"));
  }
  {
    CodesSource s;  // weights with a zero point that leads out of int8
    const std::string w = s.node("DequantizeLinear", {s.constant("w", {4, 1}, std::vector<std::uint8_t>{0, 200, 3, 4}), s.constant("ws", {}, Floats{0.01f}),
                                                      s.constant("wz", {}, std::vector<std::uint8_t>{20})});
    CHECK_THAT(s.refusal_of(s.coded(s.node("MatMul", {s.coded("x"), w}))), ContainsSubstring("its weights are no int8 codes about zero"));
  }
  {
    CodesSource s;
    CHECK_THAT(s.refusal_of(s.coded(s.node("QLinearNothing", {"x"}))), ContainsSubstring("QLinearNothing is not understood"));
    CodesSource t;
    t.model.outputs = {{t.coded("x"), stet::onnx::DataType::float32, false, {}}};
    CHECK_THROWS_WITH(import_onnx(t.model, "made.onnx"), ContainsSubstring("load_onnx_integer reads files of integers"));
  }
}

}  // namespace load_onnx_integer_test
