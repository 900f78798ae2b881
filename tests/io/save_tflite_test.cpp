// save_tflite for float models: what stands in the file, and what is refused before there is one.
#include "io/temporary_directory.hpp"
#include "io/tflite_contents.hpp"
#include "support/catch.hpp"

#include <stet/graph/builder.hpp>
#include <stet/graph/fold_batch_norm.hpp>
#include <stet/io/int4.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/io/float16.hpp>
#include <stet/io/tflite/window_plan.hpp>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace save_tflite_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using tflite::Builtin;
using tflite::ModelInfo;
using tflite::TensorInfo;
using tflite::TensorType;

namespace {

template <class T>
std::vector<T> values(const TensorInfo& t) {
  std::vector<T> v(t.data.size() / sizeof(T));
  std::memcpy(v.data(), t.data.data(), t.data.size());
  return v;
}

Model classifier() {
  Graph g;
  auto x = g.input({8, 8, 3}).named("image");
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2, .bias = false}).named("conv")))
          .named("features");
  x = relu6(depthwise_conv2d(x, {.kernel = 3, .dilation = 2}).named("depthwise")).named("more");
  x = dropout(global_average_pool(x).named("pooled"));
  g.output(linear(x, {.units = 5}).named("logits"));
  return Model(std::move(g), Rng(1));
}

ActivationRanges ranges_of(const Model& m, Range r = {-2.0f, 1.0f}) {
  ActivationRanges ranges;
  ranges.of_node.assign(m.graph().nodes().size(), r);
  return ranges;
}

class Mystery : public graph::CustomOp {
 public:
  std::string_view kind() const override { return "mystery"; }
  Shape infer(std::span<const Shape> in) const override { return in[0]; }
};

}  // namespace

TEST_CASE("a float file has the folded network, one operator per layer, with the names of the nodes") {
  const Model m = classifier();
  const ModelInfo info = tflite::describe(m);
  CHECK(operators(info) == "3v1 4v2 40v1 9v1 ");
  CHECK(info.min_runtime_version == "1.12.0");
  CHECK(info.signature_key == "serving_default");
  REQUIRE(info.inputs.size() == 1);
  REQUIRE(info.outputs.size() == 1);
  CHECK(info.signature_inputs == std::vector<tflite::SignatureEntry>{{"image", info.inputs[0]}});
  CHECK(info.signature_outputs == std::vector<tflite::SignatureEntry>{{"logits", info.outputs[0]}});
  const std::vector<std::vector<std::int32_t>> shapes = {{1, 8, 8, 3}, {1, 4, 4, 8}, {1, 4, 4, 8}, {1, 8}, {1, 5}};
  const std::vector<std::string> names = {"image", "features", "more", "pooled", "logits"};
  for (std::size_t i = 0; i < names.size(); ++i) CHECK(tensor(info, names[i]).shape == shapes[i]);
  CHECK(info.operators[0].options.fused_activation == tflite::FusedActivation::relu);
  CHECK(info.operators[0].options.stride_w == 2);
  CHECK(info.operators[1].options.fused_activation == tflite::FusedActivation::relu6);
  CHECK(info.operators[1].options.dilation_h == 2);
  CHECK(info.operators[1].options.depth_multiplier == 1);
  CHECK_FALSE(info.operators[2].options.keep_dims);
  const Model folded = fold_batch_norm(m);
  for (const char* name : {"conv.weight", "conv.bias", "depthwise.weight", "logits.weight", "logits.bias"}) {
    CHECK(same(tensor(info, name), folded.parameter(name).value));
  }
}

TEST_CASE("the batch is the first dimension of every shape") {
  const ModelInfo info = tflite::describe(classifier(), {.batch = 7});
  CHECK(tensor(info, "image").shape == std::vector<std::int32_t>{7, 8, 8, 3});
  CHECK(tensor(info, "logits").shape == std::vector<std::int32_t>{7, 5});
  CHECK_THROWS_WITH(tflite::describe(classifier(), {.batch = 0}), ContainsSubstring("batch must be positive, got 0"));
}

TEST_CASE("a window is SAME or VALID where that reads the same taps, else padded before") {
  using tflite::Padding;
  const auto plan = [](stet::Padding p, Pair kernel, Pair stride) {
    return tflite::plan_window(make_window("test", 7, 8, kernel, stride, 1, p), p);
  };
  CHECK(plan(stet::Padding::same(), 3, 2).padding == Padding::same);
  CHECK(plan(stet::Padding::valid(), 3, 2).padding == Padding::valid);
  CHECK(plan(stet::Padding::of(1), 3, 1).padding == Padding::same);
  // An odd height at stride 2 pads by one on both sides under SAME, an even width behind only.
  CHECK(plan(stet::Padding::of(1), 3, 2).explicit_pad);
  CHECK(plan(stet::Padding::of(1, 1, 0, 1), 3, 2).padding == Padding::same);
  CHECK_FALSE(plan(stet::Padding::of(1, 1, 0, 1), 3, 2).explicit_pad);
  // Padding that no window reaches needs no operator.
  CHECK(plan(stet::Padding::of(0, 0, 0, 0), 3, 2).padding == Padding::valid);
  const auto padded = plan(stet::Padding::of(2, 0, 1, 3), 3, 1);
  CHECK(padded.explicit_pad);
  CHECK(padded.padding == Padding::valid);
  CHECK(std::vector<int>{padded.top, padded.bottom, padded.left, padded.right} == std::vector<int>{2, 0, 1, 3});
}

TEST_CASE("operators that TFLite has in another form are put together from those it has") {
  Graph g;
  auto x = g.input({6, 6, 4});
  x = max_pool(x, {.size = 3, .stride = 1, .padding = Padding::of(2, 1, 0, 2)});
  x = average_pool(x, {.size = 3, .stride = 1, .padding = Padding::of(1, 0, 1, 0)}).named("mean");
  x = average_pool(x, {.size = 3, .stride = 2, .count_padding = true}).named("valid");
  auto y = reshape(x, {x.shape()[0] * x.shape()[1], 4});
  g.output(batch_norm(y));
  g.output(linear(y, {.units = 2}));
  const ModelInfo info = tflite::describe(Model(std::move(g), Rng(1)));
  // PADV2 MAX_POOL | PAD AVERAGE_POOL MUL | AVERAGE_POOL | RESHAPE | MUL ADD | FULLY_CONNECTED with keep_num_dims
  CHECK(operators(info) == "60v1 17v1 34v1 1v1 18v1 1v1 22v1 18v1 0v1 9v5 ");
  // The corner window of the second pool sees 4 of 9 elements.
  CHECK(values<float>(tensor(info, "mean:share"))[0] == 9.0f / 4.0f);
  CHECK(info.operators[6].options.new_shape[0] == -1);
  CHECK(std::isinf(values<float>(tensor(info, "max_pool_1:lowest"))[0]));
}

TEST_CASE("a value that is an output twice, or an input too, is copied: a runtime hands out each once") {
  Graph g;
  const auto x = g.input({4}).named("x");
  const auto y = relu(x).named("y");
  g.output(x);
  g.output(y);
  g.output(dropout(y).named("dropped"));
  const ModelInfo info = tflite::describe(Model(std::move(g), Rng(1)));
  REQUIRE(info.outputs.size() == 3);
  CHECK(operators(info) == "19v1 22v1 22v1 ");
  CHECK(info.outputs[0] != info.inputs[0]);
  CHECK(info.outputs[1] != info.outputs[2]);
  CHECK(info.signature_outputs[0].name == "x");
  CHECK(info.signature_outputs[2].name == "dropped");
}

TEST_CASE("half precision is the nearest number, ties to even") {
  const auto real = [](std::uint16_t h) {
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double m = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    return (h & 0x8000) != 0 ? -m : m;
  };
  std::size_t wrong = 0;
  for (unsigned h = 0; h < 0x10000; ++h) {
    if ((h & 0x7c00) == 0x7c00) continue;
    const auto bits = static_cast<std::uint16_t>(h);
    wrong += float16_bits(static_cast<float>(real(bits))) != bits;
    if ((h & 0x7fff) >= 0x7bff) continue;
    // Halfway to the next number, and the floats on both sides of that.
    const double next = real(static_cast<std::uint16_t>(h + 1));
    const auto half = static_cast<float>((real(bits) + next) / 2);
    const auto even = static_cast<std::uint16_t>(h % 2 == 0 ? h : h + 1);
    wrong += float16_bits(half) != even;
    wrong += float16_bits(std::nextafter(half, static_cast<float>(next))) != h + 1;
    wrong += float16_bits(std::nextafter(half, static_cast<float>(real(bits)))) != h;
  }
  CHECK(wrong == 0);
  CHECK(float16_bits(65519.99f) == 0x7bff);
  CHECK(float16_bits(65520.0f) == 0x7c00);
  CHECK(float16_bits(-INFINITY) == 0xfc00);
  CHECK((float16_bits(NAN) & 0x7fff) > 0x7c00);
}

TEST_CASE("float16 halves the parameters and refuses what does not fit") {
  Model m = classifier();
  const ModelInfo info = tflite::describe(m, {.format = TfliteFormat::float16});
  // Six parameters go through DEQUANTIZE.
  CHECK(operators(info) == "6v3 6v3 3v1 6v3 6v3 4v2 40v1 6v3 6v3 9v1 ");
  const TensorInfo& half = tensor(info, "logits.weight:float16");
  CHECK(half.type == TensorType::float16);
  CHECK(values<std::uint16_t>(half)[3] == float16_bits(m.parameter("logits.weight").value[3]));
  CHECK(tensor(info, "logits.weight").shape == std::vector<std::int32_t>{5, 8});
  m.parameter("logits.bias").value.edit()[2] = 7e4f;
  CHECK_THROWS_WITH(tflite::describe(m, {.format = TfliteFormat::float16}),
                    ContainsSubstring("logits.bias: 70000 at index 2 does not fit float16"));
}

TEST_CASE("dynamic range weights are per channel on the narrow grid, biases float") {
  const Model m = classifier();
  const ModelInfo info = tflite::describe(m, {.format = TfliteFormat::dynamic_range});
  CHECK(operators(info) == "3v5 4v6 40v1 9v9 ");
  const TensorInfo& w = tensor(info, "depthwise.weight");
  CHECK(w.type == TensorType::int8);
  CHECK(w.quantization.scale.size() == 8);
  CHECK(w.quantization.dimension == 3);
  CHECK(tensor(info, "logits.weight").quantization.scale.size() == 1);
  CHECK(tensor(info, "logits.bias").type == TensorType::float32);
  const auto codes = values<std::int8_t>(w);
  const Tensor<float>& real = m.parameter("depthwise.weight").value;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const float s = w.quantization.scale[i % 8];
    CHECK(codes[i] != -128);
    CHECK(std::abs(s * static_cast<float>(codes[i]) - real[static_cast<std::int64_t>(i)]) <= 0.5001f * s);
  }
  CHECK(operators(tflite::describe(m, {.format = TfliteFormat::dynamic_range, .per_channel_linear = true})) ==
        "3v5 4v6 40v1 9v12 ");
}

TEST_CASE("weights of 4 bits are packed, first code in the low bits; depthwise weights keep 8") {
  CHECK(packed_int4(std::vector<std::int8_t>{1, -1, 7, -7, 3}) == std::vector<std::uint8_t>{0xf1, 0x97, 0x03});
  const std::vector<std::int8_t> all = {-8, -7, -1, 0, 1, 7, 5};
  CHECK(unpacked_int4(packed_int4(all), all.size()) == all);
  CHECK(fits_int4(std::vector<std::int8_t>{-7, 7}));
  CHECK_FALSE(fits_int4(std::vector<std::int8_t>{-8}));
  const ModelInfo info = tflite::describe(classifier(), {.format = TfliteFormat::dynamic_range, .weight_bits = 4});
  CHECK(operators(info) == "3v7 4v6 40v1 9v10 ");
  CHECK(tensor(info, "conv.weight").type == TensorType::int4);
  CHECK(tensor(info, "conv.weight").data.size() == 8 * 27 / 2);
  CHECK(tensor(info, "depthwise.weight").type == TensorType::int8);
  CHECK_THROWS_WITH(tflite::describe(classifier(), {.weight_bits = 4}), ContainsSubstring("weight_bits 4"));
}

TEST_CASE("16x8 has symmetric activations, and biases of 64 bits at the product of the scales") {
  const Model m = classifier();
  ActivationRanges ranges = ranges_of(m);
  ranges.of_node[static_cast<std::size_t>(m.graph().find("features"))] = {0.0f, 6.0f};
  const TfliteOptions options{.format = TfliteFormat::int16x8, .ranges = ranges};
  const ModelInfo info = tflite::describe(m, options);
  CHECK(operators(info) == "114v2 3v4 4v5 40v3 9v7 6v3 ");
  const TensorInfo& features = tensor(info, "features");
  CHECK(features.type == TensorType::int16);
  CHECK(features.quantization == tflite::Quantization{{6.0f / 32767.0f}, {0}, 0});
  CHECK(tensor(info, "image:codes").quantization.scale[0] == 2.0f / 32767.0f);
  CHECK(tensor(info, "image").type == TensorType::float32);
  CHECK(tensor(info, "logits").type == TensorType::float32);
  const TensorInfo &w = tensor(info, "depthwise.weight"), &b = tensor(info, "depthwise.bias");
  CHECK(b.type == TensorType::int64);
  for (std::size_t c = 0; c < 8; ++c) {
    CHECK(b.quantization.scale[c] == features.quantization.scale[0] * w.quantization.scale[c]);
  }
  TfliteOptions ends = options;
  ends.integer_ends = true;
  const ModelInfo bare = tflite::describe(m, ends);
  CHECK(operators(bare) == "3v4 4v5 40v3 9v7 ");
  CHECK(tensor(bare, "image").type == TensorType::int16);
  CHECK_THROWS_WITH(tflite::describe(m, {.format = TfliteFormat::int16x8}),
                    ContainsSubstring("0 activation ranges for 9 nodes; observe the model on data first"));
}

TEST_CASE("values that move without changing share the widest range in 16x8") {
  Graph g;
  auto x = g.input({4, 4, 2}).named("x");
  auto y = concat({max_pool(x).named("pool"), conv2d(x, {.filters = 2, .stride = 2}).named("conv")}, 2).named("both");
  g.output(y);
  g.output(softmax(linear(flatten(y).named("flat"), {.units = 3})).named("p"));
  const Model m(std::move(g), Rng(1));
  ActivationRanges ranges = ranges_of(m, {-1.0f, 1.0f});
  ranges.of_node[static_cast<std::size_t>(m.graph().find("conv"))] = {-9.0f, 3.0f};
  const ModelInfo info = tflite::describe(m, {.format = TfliteFormat::int16x8, .ranges = ranges, .integer_ends = true});
  for (const char* name : {"x", "pool", "conv", "both", "flat"}) {
    CHECK(tensor(info, name).quantization.scale[0] == 9.0f / 32767.0f);
  }
  CHECK(tensor(info, "p").quantization.scale[0] == 1.0f / 32768.0f);
}

TEST_CASE("a refusal names every node at once, and no file appears") {
  const TemporaryDirectory dir;
  Graph g;
  auto x = g.input({6, 6, 2});
  x = custom(x, std::make_shared<Mystery>()).named("first");
  x = hard_swish(x).named("swish");
  x = average_pool(x, {.size = 3, .stride = 1, .padding = Padding::of(1, 0, 1, 0)}).named("odd");
  x = batch_norm(flatten(x)).named("norm");
  g.output(log_softmax(custom(x, std::make_shared<Mystery>()).named("second")).named("logs"));
  const Model m(std::move(g), Rng(1));
  try {
    save_tflite(dir.path("a.tflite"), m);
    FAIL("was written");
  } catch (const Error& e) {
    CHECK(e.code() == Errc::unsupported);
    CHECK_THAT(e.what(), ContainsSubstring("first (mystery)") && ContainsSubstring("second (mystery)"));
  }
  try {
    save_tflite(dir.path("a.tflite"), m, {.format = TfliteFormat::int16x8, .ranges = ranges_of(m)});
    FAIL("was written");
  } catch (const Error& e) {
    for (const char* name : {"first", "second", "swish", "odd", "norm", "logs"}) {
      CHECK_THAT(e.what(), ContainsSubstring(std::string("\n  ") + name + " ("));
    }
  }
  CHECK(dir.files() == 0);
}

TEST_CASE("a file is written whole, smaller in each smaller format, and twice the same") {
  const TemporaryDirectory dir;
  Graph g;
  auto x = g.input({16, 16, 32});
  g.output(linear(flatten(relu(conv2d(x, {.filters = 32, .kernel = 3}))), {.units = 16}));
  const Model m(std::move(g), Rng(1));
  const auto size = [&](const char* name, const TfliteOptions& o) {
    save_tflite(dir.path(name), m, o);
    CHECK(read_file(dir.path(name)) == tflite_bytes(m, o));
    return static_cast<double>(read_file(dir.path(name)).size());
  };
  const double full = size("32", {}), parameters = 4.0 * static_cast<double>(m.parameter_count());
  CHECK(full > parameters);
  CHECK(full < parameters + 4096);
  CHECK(size("16", {.format = TfliteFormat::float16}) < 0.51 * full);
  CHECK(size("8", {.format = TfliteFormat::dynamic_range}) < 0.26 * full);
  CHECK(size("4", {.format = TfliteFormat::dynamic_range, .weight_bits = 4}) < 0.14 * full);
  CHECK(dir.files() == 4);
  // A failing write leaves the old file.
  const auto old = read_file(dir.path("32"));
  CHECK_THROWS_AS(save_tflite(dir.path("32"), m, {.format = TfliteFormat::int16x8}), Error);
  CHECK(read_file(dir.path("32")) == old);
  CHECK_THROWS_AS(save_tflite(dir.path("none/32"), m), Error);
}

}  // namespace save_tflite_test
