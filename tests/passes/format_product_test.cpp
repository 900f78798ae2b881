// Every operator with its variants x file format x target: check, asked before training, knows what the writers do.

#include <stet/engine/engine.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/onnx/decode.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_c_program.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace format_product_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using graph::Value;

namespace {

// An operator under test on an image [8,6,4]; what it makes is named "it".
struct Variant {
  std::string name;
  std::function<Value(const Value&)> make;
};

std::vector<Padding> paddings() {
  return {Padding::same(), Padding::valid(), Padding::of(1), Padding::of(0, 1, 0, 1), Padding::of(1, 0, 2, 1)};
}
std::string text(const Padding& p) { return graph::op::str(p); }

std::vector<Variant> variants() {
  std::vector<Variant> all;
  const auto add = [&](std::string name, std::function<Value(const Value&)> make) {
    all.push_back({std::move(name), std::move(make)});
  };
  for (const Padding& p : paddings()) {
    for (const int stride : {1, 2, 4}) {
      const std::string how = fmt::format(" {} stride {}", text(p), stride);
      add("conv2d" + how, [=](const Value& x) {
        return conv2d(x, {.filters = 4, .kernel = 3, .stride = stride, .padding = p});
      });
      add("depthwise_conv2d" + how, [=](const Value& x) {
        return depthwise_conv2d(x, {.kernel = 3, .stride = stride, .padding = p, .multiplier = 2});
      });
      add("max_pool" + how, [=](const Value& x) { return max_pool(x, {.size = 3, .stride = stride, .padding = p}); });
      for (const bool count : {false, true}) {
        add("average_pool" + how + (count ? " counting" : ""), [=](const Value& x) {
          return average_pool(x, {.size = 3, .stride = stride, .padding = p, .count_padding = count});
        });
      }
    }
    add("dilated conv2d " + text(p), [=](const Value& x) {
      return conv2d(x, {.filters = 4, .kernel = {3, 2}, .padding = p, .dilation = 2, .groups = 2, .bias = false});
    });
  }
  add("whole average_pool", [](const Value& x) { return average_pool(x, {.size = {8, 6}}); });
  add("whole max_pool", [](const Value& x) { return max_pool(x, {.size = {8, 6}}); });
  add("linear", [](const Value& x) { return linear(flatten(x), {.units = 3}); });
  add("linear on an image", [](const Value& x) { return linear(x, {.units = 3}); });
  add("matmul", [](const Value& x) {
    return matmul(reshape(x, {12, 16}), reshape(x, {16, 12}));
  });
  add("batch_norm", [](const Value& x) { return batch_norm(conv2d(x, {.filters = 3})); });
  add("batch_norm alone", [](const Value& x) { return batch_norm(x); });
  add("add", [](const Value& x) { return x + relu(conv2d(x, {.filters = 4})); });
  add("broadcasting add", [](const Value& x) { return x + conv2d(x, {.filters = 1}); });
  add("sub", [](const Value& x) { return x - relu(conv2d(x, {.filters = 4})); });
  add("mul", [](const Value& x) { return x * sigmoid(conv2d(x, {.filters = 4})); });
  add("relu", [](const Value& x) { return relu(x); });
  add("relu6", [](const Value& x) { return relu6(x); });
  add("leaky_relu", [](const Value& x) { return leaky_relu(x); });
  add("steep leaky_relu", [](const Value& x) { return leaky_relu(x, {.alpha = 300.0f}); });
  add("sigmoid", [](const Value& x) { return sigmoid(x); });
  add("tanh", [](const Value& x) { return tanh(x); });
  add("hard_swish", [](const Value& x) { return hard_swish(x); });
  for (const Padding& p : {Padding::same(), Padding::valid(), Padding::of(1), Padding::of(1, 0, 1, 0)}) {
    add("conv_transpose " + graph::op::str(p), [=](const Value& x) { return conv_transpose(x, {.filters = 3, .kernel = 3, .padding = p}); });
  }
  add("sparse conv_transpose", [](const Value& x) { return conv_transpose(x, {.filters = 3, .kernel = 2, .stride = 3}); });
  add("gelu", [](const Value& x) { return gelu(x); });
  add("gelu by a tanh", [](const Value& x) { return gelu(x, {.tanh = true}); });
  add("hard_sigmoid", [](const Value& x) { return hard_sigmoid(x); });
  add("silu", [](const Value& x) { return silu(x); });
  add("elu", [](const Value& x) { return elu(x); });
  add("steep elu", [](const Value& x) { return elu(x, {.alpha = 2.0f}); });
  add("softplus", [](const Value& x) { return softplus(x); });
  add("abs", [](const Value& x) { return abs(x); });
  add("pow", [](const Value& x) { return pow(abs(x), 1.5f); });
  add("mish", [](const Value& x) { return mish(x); });
  add("maximum", [](const Value& x) { return maximum(x, relu(conv2d(x, {.filters = 4}))); });
  add("broadcasting minimum", [](const Value& x) { return minimum(x, conv2d(x, {.filters = 1})); });
  for (const auto& [lo, hi] : {std::pair(-1.0f, 1.0f), std::pair(0.0f, 3.0f), std::pair(-INFINITY, 0.5f)}) {
    add(fmt::format("clip {}..{}", lo, hi), [=, l = lo, h = hi](const Value& x) { return clip(x, l, h); });
    add(fmt::format("conv2d, clip {}..{}", lo, hi), [=, l = lo, h = hi](const Value& x) { return clip(conv2d(x, {.filters = 3}), l, h); });
  }
  add("squeeze and excitation", [](const Value& x) { return x * sigmoid(conv2d(global_average_pool(x, true), {.filters = 4, .kernel = 1})); });
  add("upsample", [](const Value& x) { return upsample(x, {2, 3}); });
  for (const Coordinates c : {Coordinates::half_pixel, Coordinates::align_corners, Coordinates::asymmetric}) {
    add("resize_bilinear " + enumerator_name(c), [=](const Value& x) { return resize_bilinear(x, {16, 11}, c); });
  }
  add("resize_bilinear of one", [](const Value& x) { return resize_bilinear(slice(x, 0, 0, 1), {290, 6}, Coordinates::asymmetric); });
  for (int axis = 0; axis < 3; ++axis) {
    add(fmt::format("slice {}", axis), [=](const Value& x) { return slice(x, axis, 1, 3); });
  }
  add("flip", [](const Value& x) { return flip(x, 1); });
  add("slice by steps", [](const Value& x) { return slice(x, 0, 1, 6, 2); });
  add("slice of five", [](const Value& x) { return slice(reshape(x, {2, 2, 2, 6, 4}), 3, 1, 4); });
  add("pad_channels", [](const Value& x) { return pad_channels(x, 1, 2); });
  add("pad_channels flat", [](const Value& x) { return pad_channels(flatten(x), 0, 2); });
  add("global_average_pool", [](const Value& x) { return global_average_pool(x); });
  for (int axis = 0; axis < 3; ++axis) {
    add(fmt::format("concat {}", axis), [=](const Value& x) { return concat({x, relu(x), x}, axis); });
  }
  add("concat of one", [](const Value& x) { return concat({x}); });
  add("pad", [](const Value& x) { return pad(x, {.top = 1, .left = 3}); });
  for (const Shape& shape : {Shape{192}, Shape{8, 24}, Shape{4, 12, 4}, Shape{2, 4, 6, 4}, Shape{2, 2, 2, 6, 4}}) {
    add("reshape to " + shape.str(), [=](const Value& x) { return reshape(x, shape); });
  }
  add("transpose", [](const Value& x) { return transpose(x, {2, 0, 1}); });
  add("transpose of four", [](const Value& x) { return transpose(reshape(x, {2, 4, 6, 4}), {0, 3, 2, 1}); });
  add("flatten", [](const Value& x) { return flatten(x); });
  add("layer_norm", [](const Value& x) { return layer_norm(x); });
  add("linear on tokens", [](const Value& x) { return linear(reshape(x, {48, 4}), {.units = 3}); });
  add("matmul of five", [](const Value& x) {
    return matmul(reshape(x, {2, 4, 2, 12}), transpose(reshape(x, {2, 4, 2, 12}), {0, 1, 3, 2}));
  });
  add("softmax", [](const Value& x) { return softmax(x); });
  add("log_softmax", [](const Value& x) { return log_softmax(x); });
  add("dropout", [](const Value& x) { return dropout(x, {}); });
  add("mean", [](const Value& x) { return mean(x, {0, 1}); });
  add("mean that keeps", [](const Value& x) { return mean(x, {0, 1}, true); });
  add("mean of channels", [](const Value& x) { return mean(x, {2}); });
  add("sum", [](const Value& x) { return sum(x, {0, 1}); });
  return all;
}

Recipe on(const Target& target, int bits) {
  Recipe recipe = recipes::int8();
  recipe.target = target;
  recipe.activations = Int8Activation(bits);
  return recipe;
}

// The refusal of a writer, empty if it wrote.
std::string refusal(IntegerFormat format, const IntegerModel& model, const TemporaryDirectory& dir) {
  try {
    if (format == IntegerFormat::tflite) {
      const std::vector<std::uint8_t> bytes = tflite_bytes(model);
      save_tflite(dir.path("it.tflite"), model);
      const bool whole = std::ranges::none_of(model.nodes, [](const IntegerNode& n) { return graph::is<graph::op::Real>(n.op); });
      if (whole) (void)load_tflite_integer(dir.path("it.tflite"), model.target);
      const bool in_tflm = std::ranges::none_of(model.nodes, [](const IntegerNode& n) { return graph::kind(n.op) == "gelu"; });
      if (in_tflm) save_c_array(dir.path("array.c"), "net", bytes);
    } else if (format == IntegerFormat::onnx) {
      CHECK_FALSE(onnx::decode(onnx_bytes(model), "written").nodes.empty());
    } else if (format == IntegerFormat::c) {
      save_c_weights(dir.path("weights.c"), model);
    } else {
      save_c_program(dir.path("program"), model);
    }
  } catch (const Error& e) {
    CHECK(e.code() == Errc::unsupported);
    return e.what();
  }
  return {};
}

// Asks check before training, then everybody else; the number of refusals of files.
int agree(const Model& model, const Recipe& recipe, const Dataset& data, const TemporaryDirectory& dir) {
  const CheckReport before = check(model, recipe);
  INFO(before.str());
  if (!before.ok()) {
    CHECK_THROWS_AS(prepare(model, recipe), Error);
    return 0;
  }
  QatModel qat = prepare(model, recipe);
  calibrate(qat, data);
  const CheckReport after = check(qat);
  REQUIRE(after.ok());
  const IntegerModel integers = convert(qat);
  CHECK_NOTHROW(infer(Engine(integers), data.batch(0, 2).x));
  int refused = 0;
  for (const IntegerFormat format : integer_formats) {
    INFO(name(format));
    const std::string words = refusal(format, integers, dir);
    INFO(words);
    CHECK(before.writes(format) == words.empty());
    CHECK(after.writes(format) == words.empty());
    for (const CheckEntry& e : before.entries) {
      if (e.refused != format) continue;
      ++refused;
      // "cannot be written as FORMAT: WHAT; OTHERS can": the writer says WHAT.
      const std::string start = fmt::format("cannot be written as {}: ", name(format));
      REQUIRE(e.what.starts_with(start));
      const std::size_t end = e.what.ends_with(" can") ? e.what.rfind("; ") : e.what.size();
      CHECK_THAT(words, ContainsSubstring(e.what.substr(start.size(), end - start.size())));
      const bool own = (format == IntegerFormat::onnx) == (recipe.target == targets::onnxruntime) && format != IntegerFormat::c &&
                       format != IntegerFormat::c_program;
      CHECK(e.severity == (own ? Severity::warning : Severity::note));
    }
  }
  return refused;
}

}  // namespace

TEST_CASE("check says before training which files can hold a model, operator by operator", "[slow]") {
  const TemporaryDirectory dir;
  const Dataset data = random_dataset({8, 6, 4}, 12, 3, 1);
  int refused = 0;
  for (const Variant& v : variants()) {
    for (const bool at_the_end : {false, true}) {
      Graph g;
      const Value made = v.make(relu(conv2d(g.input({8, 6, 4}), {.filters = 4})));
      g.output(at_the_end ? made : linear(flatten(made), {.units = 3}));
      const Model model(std::move(g), Rng(1));
      for (const Target& target : targets::all) {
        INFO(v.name << (at_the_end ? " as output, " : ", ") << target.name);
        Recipe recipe = on(target, 8);
        refused += agree(model, recipe, data, dir);
        if (check(model, recipe).ok()) continue;
        recipe.keep_float_unsupported = true;  // nothing blocks then
        CHECK(check(model, recipe).ok());
        refused += agree(model, recipe, data, dir);
      }
    }
  }
  CHECK(refused > 50);
}

TEST_CASE("a padded average pool is known to be no .tflite before training") {
  Graph g;
  auto x = average_pool(g.input({8, 8, 2}), {.size = 3, .stride = 1, .padding = Padding::of(1, 1, 1, 0)}).named("pool");
  g.output(linear(flatten(x), {.units = 2}));
  const CheckReport report = check(g, recipes::int8());
  CHECK(report.ok());
  CHECK_FALSE(report.writes(IntegerFormat::tflite));
  CHECK(report.writes(IntegerFormat::onnx));
  CHECK(report.writes(IntegerFormat::c));
  CHECK_THAT(report.str(), ContainsSubstring("cannot be written as .tflite: AVERAGE_POOL_2D leaves out the padding"));
  CHECK_THAT(report.str(), ContainsSubstring("; .onnx, C and a C program can"));
}

TEST_CASE("a model without operators is quantized and written") {
  const TemporaryDirectory dir;
  const Dataset data = random_dataset({8, 6, 4}, 12, 3, 1);
  for (const bool dropped : {false, true}) {
    Graph g;
    const Value x = g.input({8, 6, 4});
    g.output(dropped ? dropout(x, {}) : x);
    const Model model(std::move(g), Rng(1));
    for (const Target& target : targets::all) CHECK(agree(model, on(target, 8), data, dir) == 0);
  }
}

}  // namespace format_product_test
