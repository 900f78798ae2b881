// Dense layers on images as Keras writes them: rows whose number the file computes; and what stands beside them in ConvNeXt.

#include <stet/io/load_tflite.hpp>
#include <stet/model/forward.hpp>

#include "io/tflite_description.hpp"
#include "support/catch.hpp"

#include <string>
#include <vector>

namespace tflite_rows_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using stet::tflite::Builtin;
using stet::tflite::OptionsType;

namespace {

// x [-1,2,3,4] -> rows of 4 -> 5 units -> [-1,2,3,5], the shapes computed as by tf.tensordot.
Description tensordot(std::int32_t units_said = 5) {
  Description d;
  const auto open = [&](std::string name, std::vector<std::int32_t> shape, std::vector<std::int32_t> signature) {
    const auto t = d.real(std::move(name), std::move(shape));
    d.info.tensors[static_cast<std::size_t>(t)].shape_signature = std::move(signature);
    return t;
  };
  const auto numbers = [&](std::string name, std::vector<std::int32_t> shape) {
    const auto t = d.real(std::move(name), std::move(shape));
    d.info.tensors[static_cast<std::size_t>(t)].type = tflite::TensorType::int32;
    return t;
  };
  const auto x = open("x", {1, 2, 3, 4}, {-1, 2, 3, 4}), shape = numbers("shape", {4}), free = numbers("free", {3}), count = numbers("count", {}),
             last = numbers("last", {1}), depth = numbers("depth", {}), rows = numbers("rows", {2}), whole = numbers("whole", {4});
  const auto flat = open("flat", {1, 1}, {-1, -1}), made = open("made", {1, 5}, {-1, 5}), y = open("y", {1, 2, 3, 5}, {-1, 2, 3, 5});
  std::vector<float> w;
  for (int i = 0; i < 20; ++i) w.push_back(0.1f * static_cast<float>(i % 7) - 0.3f);
  d.operation(Builtin::shape, {x}, shape, {.type = OptionsType::shape});
  d.operation(Builtin::gather, {shape, d.integers("first", {0, 1, 2})}, free, {.type = OptionsType::gather});
  d.operation(Builtin::reduce_prod, {free, d.integers("axis", {0})}, count, {.type = OptionsType::reducer});
  d.operation(Builtin::concatenation, {free, d.integers("units", {units_said})}, whole, {.type = OptionsType::concatenation});
  d.operation(Builtin::gather, {shape, d.integers("fourth", {3})}, last, {.type = OptionsType::gather});
  d.operation(Builtin::reduce_prod, {last, d.integers("axis2", {0})}, depth, {.type = OptionsType::reducer});
  d.operation(Builtin::pack, {count, depth}, rows, {.type = OptionsType::pack, .values_count = 2});
  d.operation(Builtin::reshape, {x, rows}, flat, {.type = OptionsType::reshape});
  d.operation(Builtin::fully_connected, {flat, d.floats("w", {5, 4}, w), -1}, made, {.type = OptionsType::fully_connected});
  d.operation(Builtin::reshape, {made, whole}, y, {.type = OptionsType::reshape});
  d.info.inputs = {x};
  d.info.outputs = {y};
  return d;
}

Tensor<float> images(const Shape& shape) {
  Tensor<float> x(shape);
  for (std::int64_t i = 0; i < x.size(); ++i) x.edit()[static_cast<std::size_t>(i)] = static_cast<float>((i * 37) % 101 - 50) * 0.02f;
  return x;
}

}  // namespace

TEST_CASE("a dense layer between reshapes whose rows the file computes is one along the last dimension") {
  const Model model = tflite::import_model(tensordot().info, "file", {.ending = Ending::whole});
  CHECK(model.graph().size() == 2);
  CHECK(graph::is<graph::op::Linear>(model.graph().node(1).op));
  const Tensor<float> x = images({3, 2, 3, 4}), y = infer(model, x);
  REQUIRE(y.shape() == Shape{3, 2, 3, 5});
  for (std::int64_t row = 0; row < 18; ++row) {
    for (std::int64_t u = 0; u < 5; ++u) {
      float sum = 0.0f;
      for (std::int64_t k = 0; k < 4; ++k) sum += x[row * 4 + k] * (0.1f * static_cast<float>((u * 4 + k) % 7) - 0.3f);
      CHECK(std::abs(y[row * 5 + u] - sum) < 1e-6f);
    }
  }
}

TEST_CASE("reshapes whose rows are others than those of the layer stay what they are, and are refused") {
  CHECK_THROWS_WITH(tflite::import_model(tensordot(6).info, "file", {.ending = Ending::whole}), ContainsSubstring("only the first dimension may be dynamic"));
}

TEST_CASE("a squared difference, and one channel times a number for each of several") {
  Description d;
  const auto x = d.real("x", {1, 2, 2, 3}), m = d.real("m", {1, 2, 2, 1}), s = d.real("s", {1, 2, 2, 3}), n = d.real("n", {1, 2, 2, 1}), y = d.real("y", {1, 2, 2, 2}),
             z = d.real("z", {1, 2, 2, 1}), v = d.real("v", {1, 1}), u = d.real("u", {1, 3});
  d.operation(Builtin::mean, {x, d.integers("axis", {-1})}, m, {.type = OptionsType::reducer, .keep_dims = true});
  d.operation(Builtin::squared_difference, {x, m}, s, {.type = OptionsType::squared_difference});
  d.operation(Builtin::mean, {s, d.integers("axis2", {-1})}, n, {.type = OptionsType::reducer, .keep_dims = true});
  d.operation(Builtin::mul, {n, d.floats("two", {1, 1, 1, 2}, {2.0f, -3.0f})}, y, {.type = OptionsType::mul});
  d.operation(Builtin::mean, {y, d.integers("axis3", {3})}, z, {.type = OptionsType::reducer, .keep_dims = true});
  d.operation(Builtin::mean, {z, d.integers("axis4", {1, 2})}, v, {.type = OptionsType::reducer});
  d.operation(Builtin::mul, {v, d.floats("three", {3}, {1.0f, 10.0f, 100.0f})}, u, {.type = OptionsType::mul});
  d.info.inputs = {x};
  d.info.outputs = {y, u};
  const Model model = tflite::import_model(d.info, "file");
  const Tensor<float> in = images({2, 2, 2, 3});
  const std::vector<Tensor<float>> out = infer(model, std::span(&in, 1));
  for (std::int64_t sample = 0; sample < 2; ++sample) {
    float whole = 0.0f;
    for (std::int64_t p = sample * 4; p < sample * 4 + 4; ++p) {
      const float mean = (in[3 * p] + in[3 * p + 1] + in[3 * p + 2]) / 3.0f;
      float variance = 0.0f;
      for (int c = 0; c < 3; ++c) variance += (in[3 * p + c] - mean) * (in[3 * p + c] - mean) / 3.0f;
      CHECK(std::abs(out[0][2 * p] - 2.0f * variance) < 1e-5f);
      CHECK(std::abs(out[0][2 * p + 1] + 3.0f * variance) < 1e-5f);
      whole += -0.5f * variance / 4.0f;
    }
    CHECK(std::abs(out[1][3 * sample] - whole) < 1e-5f);
    CHECK(std::abs(out[1][3 * sample + 2] - 100.0f * whole) < 1e-3f);
  }
}

}  // namespace tflite_rows_test
