// Normalizations and norms of .onnx that stet writes out: LRN, InstanceNormalization, GroupNormalization, ReduceL1 and its kin.

#include <stet/engine/engine.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/load_onnx_integer.hpp>
#include <stet/model/prepare.hpp>
#include <stet/ops/loss.hpp>

#include "io/onnx_source.hpp"
#include "support/images_last.hpp"
#include "support/networks.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace onnx_norms_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using onnx::attribute;

namespace {

constexpr std::int64_t samples = 2, channels = 6, height = 3, width = 4, pixels = height * width;

// Images [N,C,H,W] of the file.
Tensor<float> first() {
  Tensor<float> x(Shape{samples, channels, height, width});
  for (std::int64_t i = 0; i < x.size(); ++i) x.edit()[static_cast<std::size_t>(i)] = static_cast<float>((i * 37) % 101 - 50) * 0.03f + 0.2f * static_cast<float>(i % 5);
  return x;
}
// What a function of (sample, channel, pixel) says, against a model.
void compare(const Model& m, const std::function<double(std::int64_t, std::int64_t, std::int64_t)>& wanted) {
  const Tensor<float> y = infer(m, images_last(first()));
  REQUIRE(y.shape() == Shape{samples, height, width, channels});
  for (std::int64_t n = 0; n < samples; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p) CHECK(std::abs(static_cast<double>(y[(n * pixels + p) * channels + c]) - wanted(n, c, p)) < 2e-5);
    }
  }
}
double at(const Tensor<float>& x, std::int64_t n, std::int64_t c, std::int64_t p) { return static_cast<double>(x[(n * channels + c) * pixels + p]); }

// Mean and variance of the channels from one to another of a sample.
std::pair<double, double> moments(const Tensor<float>& x, std::int64_t n, std::int64_t from, std::int64_t to) {
  double sum = 0, squares = 0;
  const auto count = static_cast<double>((to - from) * pixels);
  for (std::int64_t c = from; c < to; ++c) {
    for (std::int64_t p = 0; p < pixels; ++p) sum += at(x, n, c, p);
  }
  for (std::int64_t c = from; c < to; ++c) {
    for (std::int64_t p = 0; p < pixels; ++p) squares += (at(x, n, c, p) - sum / count) * (at(x, n, c, p) - sum / count);
  }
  return {sum / count, squares / count};
}

struct Norms : OnnxSource {
  Norms() : OnnxSource({channels, height, width}) {
    constant("scale", {channels}, Floats{1, 2, -3, 0.5f, 1.5f, 4});
    constant("bias", {channels}, Floats{0, 1, 2, -1, -2, 0.25f});
  }
  std::string instance() { return node("InstanceNormalization", {"x", "scale", "bias"}, {attribute("epsilon", 0.01f)}); }
  std::string group(std::int64_t groups) { return node("GroupNormalization", {"x", "scale", "bias"}, {attribute("num_groups", groups), attribute("epsilon", 0.01f)}); }
  std::string local(std::int64_t size) { return node("LRN", {"x"}, {attribute("size", size), attribute("alpha", 0.5f), attribute("beta", 0.6f), attribute("bias", 1.5f)}); }
};

const double scales[] = {1, 2, -3, 0.5, 1.5, 4}, biases[] = {0, 1, 2, -1, -2, 0.25};

}  // namespace

TEST_CASE("instance and group norm are a LayerNorm over a group and a layer for scale and bias") {
  const Tensor<float> x = first();
  for (const std::int64_t groups : {6, 3, 1}) {
    Norms s;
    const std::int64_t size = channels / groups;
    compare(s.load(groups == 6 ? s.instance() : s.group(groups)), [&](std::int64_t n, std::int64_t c, std::int64_t p) {
      const auto [mean, variance] = moments(x, n, c / size * size, c / size * size + size);
      return (at(x, n, c, p) - mean) / std::sqrt(variance + 0.01f) * scales[c] + biases[c];
    });
  }
  Norms old;  // before opset 21: one number for each group
  old.constant("scale2", {2}, Floats{2, 3});
  old.constant("bias2", {2}, Floats{1, -1});
  compare(old.load(old.node("GroupNormalization", {"x", "scale2", "bias2"}, {attribute("num_groups", std::int64_t{2}), attribute("epsilon", 0.01f)})),
          [&](std::int64_t n, std::int64_t c, std::int64_t p) {
            const auto [mean, variance] = moments(x, n, c / 3 * 3, c / 3 * 3 + 3);
            return (at(x, n, c, p) - mean) / std::sqrt(variance + 0.01f) * (c < 3 ? 2.0 : 3.0) + (c < 3 ? 1.0 : -1.0);
          });
}

TEST_CASE("LRN divides by a power of the squares of neighbouring channels") {
  const Tensor<float> x = first();
  for (const std::int64_t size : {1, 2, 3, 5, 20}) {
    Norms s;
    compare(s.load(s.local(size)), [&](std::int64_t n, std::int64_t c, std::int64_t p) {
      double sum = 0;
      for (std::int64_t k = std::max<std::int64_t>(0, c - (size - 1) / 2); k <= std::min(channels - 1, c + size / 2); ++k) sum += at(x, n, k, p) * at(x, n, k, p);
      return at(x, n, c, p) * std::pow(1.5 + 0.5 / static_cast<double>(size) * sum, -0.6);
    });
  }
}

TEST_CASE("training moves scale and bias of these norms and nothing else, along their gradients") {
  for (int kind = 0; kind < 3; ++kind) {
    INFO("kind " << kind);
    Norms s;
    Model model = s.load(kind == 0 ? s.instance() : kind == 1 ? s.group(2) : s.local(3));
    int moving = 0;
    for (const NamedParameter& p : model.parameters()) moving += p.frozen ? 0 : 1;
    CHECK(moving == (kind == 2 ? 0 : 2));
    const Tensor<float> x = images_last(first());
    Tensor<float> pull(x.shape());  
    for (std::int64_t i = 0; i < pull.size(); ++i) pull.edit()[static_cast<std::size_t>(i)] = 0.1f * static_cast<float>((i * 7) % 11 - 5);
    const auto loss = [&] {  // quadratic in scale and bias, so that its differences are its slopes
      Tape tape;
      return static_cast<double>(mse(forward(tape, model, x), tape.constant(pull)).value()[0]);
    };
    {
      Tape tape;
      tape.backward(mse(forward(tape, model, x), tape.constant(pull)));
    }
    for (NamedParameter& p : model.parameters()) {
      if (p.frozen) continue;
      for (std::size_t i = 0; i < p.parameter.value.span().size(); ++i) {
        const float kept = p.parameter.value.span()[i];
        p.parameter.value.edit()[i] = kept + 0.25f;
        const double more = loss();
        p.parameter.value.edit()[i] = kept - 0.25f;
        const double less = loss();
        p.parameter.value.edit()[i] = kept;
        CHECK(std::abs(static_cast<double>(p.parameter.gradient.span()[i]) - (more - less) / 0.5) < 1e-3);
      }
    }
  }
}

TEST_CASE("networks with these norms train on integers, with the norms in float, and go into files and back") {
  const CaughtWarnings warnings;
  for (int kind = 0; kind < 3; ++kind) {
    INFO("kind " << kind);
    Norms s;
    const std::string y = kind == 0 ? s.instance() : kind == 1 ? s.group(2) : s.local(3);
    const Model model = s.load(s.node("Relu", {y}));
    const Tensor<float> x = images_last(first());
    const auto differ = [&](const Model& other) {
      const Tensor<float> a = infer(model, x), b = infer(other, x);
      REQUIRE(a.shape() == b.shape());
      double worst = 0;
      for (std::int64_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
      return worst;
    };
    CHECK(differ(import_onnx(onnx::decode(onnx_bytes(model), "again"), "again")) < 2e-5);
    CHECK(differ(tflite::import_model(tflite::decode(tflite_bytes(model), "again"), "again")) < 2e-5);
    Recipe recipe = recipes::int8();
    recipe.target = targets::onnxruntime;
    recipe.keep_float_unsupported = true;
    QatModel qat = prepare(model, recipe);
    calibrate(qat, Dataset(x));
    const IntegerModel integers = convert(qat);
    const QTensor trained = Engine(integers).run(x), loaded = Engine(import_onnx_integer(onnx::decode(onnx_bytes(integers), "again"), recipe.target, "again")).run(x);
    CHECK(same_bits(trained.codes, loaded.codes));
  }
}

TEST_CASE("norms of elements over dimensions, and least values") {
  OnnxSource s({2, 3});
  const auto one = [&](const std::string& op, std::int64_t keep) {
    const Model m = s.load(s.node(op, {"x", s.constant("axes" + op + std::to_string(keep), {1}, Ints{2})}, {attribute("keepdims", keep)}), {.ending = Ending::whole});
    const Tensor<float> y = infer(m, Tensor<float>(Shape{1, 2, 3}, Floats{-1, 2, -3, 4, 5, -6}));
    CHECK(y.shape() == (keep != 0 ? Shape{1, 2, 1} : Shape{1, 2}));
    return Floats{y[0], y[1]};
  };
  const auto near = [](const Floats& a, float x, float y) { return std::abs(a[0] - x) < 1e-5f && std::abs(a[1] - y) < 1e-5f; };
  s.model.opsets = {{"", 18}};
  for (const std::int64_t keep : {0, 1}) {
    CHECK(near(one("ReduceL1", keep), 6, 15));
    CHECK(near(one("ReduceL2", keep), std::sqrt(14.0f), std::sqrt(77.0f)));
    CHECK(near(one("ReduceSumSquare", keep), 14, 77));
    CHECK(near(one("ReduceMin", keep), -3, -6));
    CHECK(near(one("ReduceMax", keep), 2, 5));
  }
  const Model same = s.load(s.node("ReduceSum", {"x"}, {attribute("noop_with_empty_axes", std::int64_t{1})}), {.ending = Ending::whole});
  CHECK(same.graph().size() == 1);
  CHECK_THAT(s.refusal(s.node("ReduceL2", {"x"})), ContainsSubstring("axes are missing"));
}

TEST_CASE("norms that are not understood are refused with their numbers") {
  Norms s;
  s.constant("short", {2}, Floats{1, 2});
  CHECK_THAT(s.refusal(s.node("InstanceNormalization", {"x", "short", "bias"})), ContainsSubstring("scale has 2 numbers and bias 6 for 6 channels"));
  CHECK_THAT(s.refusal(s.node("GroupNormalization", {"x", "scale", "bias"}, {attribute("num_groups", std::int64_t{4})})), ContainsSubstring("does not divide"));
  CHECK_THAT(s.refusal(s.node("InstanceNormalization", {"x", "scale", "bias"}, {attribute("epsilon", -1.0f)})), ContainsSubstring("epsilon is -1"));
  CHECK_THAT(s.refusal(s.node("LRN", {"x"}, {attribute("size", std::int64_t{0})})), ContainsSubstring("attributes size 0"));
}

}  // namespace onnx_norms_test
