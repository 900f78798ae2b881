// Operands of int8 .tflite files that no float network of stet has: constants, and a RELU that changes the scale.

#include <stet/engine/engine.hpp>
#include <stet/io/integers.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/save_c.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/io/safetensors.hpp>

#include "io/temporary_directory.hpp"
#include "io/tflite_description.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace tflite_operands_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using stet::tflite::Builtin;
using stet::tflite::ModelInfo;
using stet::tflite::OptionsType;
using stet::tflite::TensorType;

namespace {

IntegerModel load(const ModelInfo& info, const Target& target = targets::tflite_reference) {
  return tflite::import_integer_model(info, target, "file");
}

// x [2,2,3] times a factor per channel, plus one number, minus x: what converters leave of a batch norm that follows nothing.
Description with_constants() {
  Description d;
  const auto x = d.codes("x", {1, 2, 2, 3}, 0.05f, 10), a = d.codes("a", {1, 2, 2, 3}, 0.1f, -3), b = d.codes("b", {1, 2, 2, 3}, 0.2f, 5), c = d.codes("c", {1, 2, 2, 3}, 0.25f, 1);
  const auto factor = d.constant("factor", {3}, TensorType::int8, std::vector<std::int8_t>{-128, 17, 127}, {{0.01f}, {-4}, 0});
  const auto one = d.constant("one", {}, TensorType::int8, std::vector<std::int8_t>{100}, {{0.03f}, {0}, 0});
  d.operation(Builtin::mul, {x, factor}, a, {.type = OptionsType::mul});
  d.operation(Builtin::add, {one, a}, b, {.type = OptionsType::add});
  d.operation(Builtin::sub, {b, one}, c, {.type = OptionsType::sub});
  d.info.inputs = {x};
  d.info.outputs = {c};
  return d;
}
Tensor<float> images() {
  Tensor<float> x(Shape{3, 2, 2, 3});
  for (std::int64_t i = 0; i < x.size(); ++i) x.edit()[static_cast<std::size_t>(i)] = static_cast<float>((i * 37) % 101 - 50) * 0.1f;
  return x;
}

// n >= 0 times a real factor: with 31 bits of it, halves up, then halved as often as it is small, halves up again.
std::int64_t rounded_twice(std::int64_t n, double factor) {
  int exponent = 0;
  const auto bits = static_cast<std::int64_t>(std::floor(std::frexp(factor, &exponent) * 0x1p31 + 0.5));
  const std::int64_t high = ((n << std::max(exponent, 0)) * bits + (std::int64_t{1} << 30)) >> 31;
  const int right = std::max(-exponent, 0);
  return right == 0 ? high : (high + (std::int64_t{1} << (right - 1))) >> right;
}

}  // namespace

TEST_CASE("constant operands of integers are values of their own, the same for every sample") {
  const IntegerModel m = load(with_constants().info);
  CHECK(std::ranges::count_if(m.nodes, [](const IntegerNode& n) { return graph::is<graph::op::Constant>(n.op); }) == 2);  // one is read twice
  const Engine engine(m);
  const Tensor<float> x = images();
  const QTensor y = engine.run(x);
  // In reals, within the steps of the values between.
  const double factor[] = {0.01 * (-128 + 4), 0.01 * (17 + 4), 0.01 * (127 + 4)};
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double in = 0.05 * std::clamp(std::nearbyint(static_cast<double>(x[i]) / 0.05), -138.0, 117.0);
    const double product = std::clamp(in * factor[i % 3], -12.5, 13.0);
    CHECK(0.25 * (y.codes[i] - 1) == Approx(product).margin(0.05 + 0.1 + 0.125));
  }
  // Sample by sample the same.
  for (std::int64_t n = 0; n < 3; ++n) {
    const QTensor alone = engine.run(Tensor<float>({1, 2, 2, 3}, {x.data() + n * 12, 12}));
    CHECK(std::equal(alone.codes.data(), alone.codes.data() + 12, y.codes.data() + n * 12));
  }
}

TEST_CASE("constant operands come back from .tflite, stand in .onnx and among the integers, and are refused in C") {
  const TemporaryDirectory dir;
  const IntegerModel m = load(with_constants().info);
  save_tflite(dir.path("m.tflite"), m);
  const IntegerModel again = load_tflite_integer(dir.path("m.tflite"), targets::tflite_reference);
  const QTensor a = Engine(m).run(images()), b = Engine(again).run(images());
  CHECK(std::equal(a.codes.data(), a.codes.data() + a.codes.size(), b.codes.data()));
  save_onnx(dir.path("m.onnx"), m);
  save_integers(dir.path("m.safetensors"), m);
  const Tensor<std::int8_t> codes = SafetensorsFile::load(dir.path("m.safetensors")).get<std::int8_t>("factor.codes");
  CHECK(codes[2] == 127);
  CHECK_THROWS_WITH(save_c_weights(dir.path("m.c"), m), ContainsSubstring("factor: is a constant operand, which tables of C do not hold"));
}

TEST_CASE("constant operands that no engine could take are refused") {
  Description d = with_constants();
  const auto factor = static_cast<std::size_t>(4);
  REQUIRE(d.info.tensors[factor].name == "factor");
  d.info.tensors[factor].shape = {3, 1, 1, 1};  // differs from sample to sample
  CHECK_THROWS_WITH(load(d.info), ContainsSubstring("the constant factor has shape [3,1,1,1]; it must be the same for every sample"));
  d = with_constants();
  d.info.tensors[factor].quantization = {{0.1f, 0.2f, 0.3f}, {0, 0, 0}, 0};
  CHECK_THROWS_WITH(load(d.info), ContainsSubstring("factor has 3 scales, must have one"));
  d = with_constants();
  d.info.operators[0].inputs[0] = static_cast<std::int32_t>(factor);
  CHECK_THROWS_WITH(load(d.info), ContainsSubstring("computes of constants alone"));
  IntegerModel m = load(with_constants().info);
  for (IntegerNode& n : m.nodes) {
    if (graph::is<graph::op::Constant>(n.op)) n.constants.weights = Tensor<std::int8_t>::zeros(Shape{2});
  }
  CHECK_THROWS_WITH(Engine(m), ContainsSubstring("holds codes [2] for a value"));
}

// Source:    LiteRT kernels/activations.cc, QuantizedReluX: z_out + the rounded product of q - z_in with s_in / s_out, at
//            least z_out; measured equal in both kernels of LiteRT 2.3.0 on 15,360 codes
TEST_CASE("a RELU between codes of different scales rounds as LiteRT's kernels do") {
  const std::vector<std::pair<float, float>> scales{{0.1f, 0.037f}, {0.02f, 0.5f}, {1.0f, 0.25f}, {0.0062f, 0.00383f}};
  for (const Target& target : {targets::tflite_reference, targets::litert_default}) {
    for (const auto& [si, so] : scales) {
      for (const std::int32_t zo : {-128, -7}) {
        Description d;
        const auto x = d.codes("x", {1, 256}, si, 3), y = d.codes("y", {1, 256}, so, zo);
        d.operation(Builtin::relu, {x}, y);
        d.info.inputs = {x};
        d.info.outputs = {y};
        Tensor<float> in(Shape{1, 256});
        for (int q = -128; q < 128; ++q) in.edit()[static_cast<std::size_t>(q + 128)] = si * static_cast<float>(q - 3);
        const QTensor codes = Engine(load(d.info, target)).run(in);
        for (int q = -128; q < 128; ++q) {
          CHECK(int{codes.codes[q + 128]} == std::min<std::int64_t>(127, zo + rounded_twice(std::max(q - 3, 0), static_cast<double>(si) / static_cast<double>(so))));
        }
      }
    }
  }
}

}  // namespace tflite_operands_test
