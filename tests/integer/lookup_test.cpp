// Tables of activations against those that the runtimes computed, and against the functions themselves.
//
// tests/integer/tables: outputs of one operator on all 256 codes, by LiteRT 2.3 (reference kernels; default), ONNX
// Runtime 1.32 and TensorFlow Lite Micro 0.dev20261023 (reference kernels). Rows of parameters.npy: function, alpha, s_in, z_in, s_out, z_out.

#include "support/catch.hpp"

#include <stet/core/random.hpp>
#include <stet/integer/lookup.hpp>
#include <stet/io/npy.hpp>

#include <string>

namespace lookup_test {

#ifndef STET_TEST_DIR
#define STET_TEST_DIR "tests"
#endif

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using integer::Function;
using integer::make_table;
using integer::TableSpec;

namespace {

double exact(const TableSpec& t, double x) {
  switch (t.function) {
    case Function::leaky_relu:
      return x > 0 ? x : static_cast<double>(t.alpha) * x;
    case Function::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Function::tanh:
      return std::tanh(x);
    case Function::hard_swish:
      return x * std::clamp(x + 3, 0.0, 6.0) / 6;
    case Function::scalar:
      return t.scalar->value(x);
  }
  return 0;
}

TableSpec random_spec(Rng& rng, Function f) {
  TableSpec t{f, static_cast<float>(rng.uniform(0, 1.5)),
              {static_cast<float>(std::exp2(rng.uniform(-8, -2))), static_cast<int>(rng.below(256)) - 128}};
  if (const auto* fixed = integer::fixed_output(f)) {
    t.out.scale = fixed->scale;
    t.out.zero_point = fixed->zero_point;
  } else {
    t.out.scale = t.in.scale * static_cast<float>(std::exp2(rng.uniform(-1, 3)));
    t.out.zero_point = static_cast<int>(rng.below(256)) - 128;
  }
  return t;
}

const Function functions[] = {Function::leaky_relu, Function::sigmoid, Function::tanh, Function::hard_swish};

}  // namespace

TEST_CASE("tables are those of the runtimes", "[integer][bits]") {
  const std::string directory = std::string(STET_TEST_DIR) + "/integer/tables/";
  const auto parameters = load_npy<float>(directory + "parameters.npy");
  REQUIRE(parameters.shape() == Shape{56, 6});
  for (const Target& target : targets::all) {
    const auto codes = load_npy<std::int8_t>(directory + std::string(target.name) + ".npy");
    REQUIRE(codes.shape() == Shape{56, 256});
    for (std::int64_t row = 0; row < 56; ++row) {
      const auto p = [&](std::int64_t i) { return parameters[row * 6 + i]; };
      const auto z = [&](std::int64_t i) { return static_cast<std::int32_t>(p(i)); };
      const TableSpec spec{static_cast<Function>(z(0)), p(1), {p(2), z(3)}, {p(4), z(5)}};
      INFO(target.name << " row " << row << " " << name(spec.function));
      const integer::Table table = make_table(target, spec);
      int wrong = 0;
      for (std::int64_t q = 0; q < 256; ++q) wrong += table[static_cast<std::size_t>(q)] != codes[row * 256 + q];
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("tables stay near their function and inside the grid on every target", "[integer][bits]") {
  Rng rng(1);
  for (const Target& target : targets::all) {
    for (const Function f : functions) {
      for (int repeat = 0; repeat < 50; ++repeat) {
        TableSpec t = random_spec(rng, f);
        if (repeat % 5 == 0) t.out.grid = {-100, 90};
        const integer::Table table = make_table(target, t);
        // XNNPACK's slopes have 8 bits of fraction: up to 256/512 of a step more, and hard swish is 16-bit fixed point.
        const double far = f == Function::leaky_relu ? 1.01 : f == Function::hard_swish ? 1.6 : 0.51;
        double worst = 0;
        for (int q = -128; q < 128; ++q) {
          const double x = static_cast<double>(t.in.scale) * (q - t.in.zero_point);
          const double code = exact(t, x) / static_cast<double>(t.out.scale) + t.out.zero_point;
          const int got = table[static_cast<std::size_t>(q + 128)];
          CHECK((got >= t.out.grid.lo && got <= t.out.grid.hi));
          worst = std::max(worst, std::fabs(got - std::clamp<double>(code, t.out.grid.lo, t.out.grid.hi)));
        }
        INFO(target.name << " " << name(f) << " " << t.in.scale << " " << t.out.scale);
        CHECK(worst <= far);
      }
    }
  }
}

TEST_CASE("a function of runtimes is computed in float and rounded as the target names it", "[integer][bits]") {
  struct Half final : integer::RuntimeFunction {
    std::string_view name() const override { return "half"; }
    double value(double x) const override { return 0.5 * x; }
    float value_on(const Target&, float x) const override { return 0.5f * x; }
  };
  const TableSpec spec{Function::scalar, 0.0f, {1.0f, 0}, {1.0f, 3}, std::make_shared<Half>()};
  for (const Target& target : targets::all) {
    const integer::Table table = make_table(target, spec);
    for (int q = -128; q < 128; ++q) {  // every second one lies between two codes
      const double half = 0.5 * q;
      const double rounded = target == targets::onnxruntime ? std::nearbyint(half) : std::round(half);
      CHECK(table[static_cast<std::size_t>(q + 128)] == static_cast<int>(rounded) + 3);
    }
  }
  CHECK(integer::of_runtimes(spec.scalar.get()) == spec.scalar.get());
}

TEST_CASE("lookup maps every code through its table", "[integer]") {
  integer::Table table{};
  for (std::size_t i = 0; i < 256; ++i) table[i] = static_cast<std::int8_t>(127 - static_cast<int>(i));
  Tensor<std::int8_t> x(Shape{5, 100});
  for (std::size_t i = 0; i < 500; ++i) x.edit()[i] = static_cast<std::int8_t>(static_cast<int>(i * 7 % 256) - 128);
  std::vector<std::int8_t> out(500);
  integer::lookup(x, table, out);
  for (std::int64_t i = 0; i < 500; ++i) CHECK(out[static_cast<std::size_t>(i)] == -1 - x[i]);
  out.resize(499);
  CHECK_THROWS_WITH(integer::lookup(x, table, out), ContainsSubstring("lookup: the result [5,100] needs 500 elements"));
}

TEST_CASE("make_table refuses what no runtime computes", "[integer]") {
  const auto complaint = [](const Target& target, const TableSpec& t) -> std::string {
    try {
      (void)make_table(target, t);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  const Target& t = targets::litert_default;
  const float s = 1.0f / 256.0f;
  CHECK(complaint(t, {Function::sigmoid, 0, {1, 0}, {s, -128}}) == "");
  CHECK_THAT(complaint(t, {Function::sigmoid, 0, {1, 0}, {s, 0}}),
             ContainsSubstring("zero point 0 must be 0.00390625 and -128"));
  CHECK_THAT(complaint(t, {Function::tanh, 0, {1, 0}, {s, 0}}), ContainsSubstring("tanh: output scale"));
  CHECK_THAT(complaint(targets::tflite_micro, {Function::tanh, 0, {8, 0}, {1.0f / 128.0f, 0}}),
             ContainsSubstring("tanh: input scale 8 must be below 8 on target tflite_micro"));
  CHECK_THAT(complaint(t, {Function::leaky_relu, -0.1f, {1, 0}, {1, 0}}), ContainsSubstring("slope -0.1 must be 0 to 256"));
  CHECK_THAT(complaint(t, {Function::leaky_relu, 0.1f, {256, 0}, {1, 0}}), ContainsSubstring("multiplier 256"));
  CHECK_THAT(complaint(t, {Function::hard_swish, 0, {128, 0}, {1, 0}}), ContainsSubstring("must be below 128 times"));
  CHECK_THAT(complaint(t, {Function::hard_swish, 0, {NAN, 0}, {1, 0}}), ContainsSubstring("scale nan"));
  CHECK_THAT(complaint(t, {Function::hard_swish, 0, {1, 128}, {1, 0}}), ContainsSubstring("zero point 128"));
  CHECK_THAT(complaint(t, {Function::hard_swish, 0, {1, 0}, {1, 0, Grid::uint8()}}), ContainsSubstring("grid 0..255"));
}

}  // namespace lookup_test
