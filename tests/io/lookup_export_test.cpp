// Operators that run as tables are exported as the operators that they stand for.

#include <stet/integer/lookup.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <stdexcept>

namespace lookup_export_test {

using namespace stet;
using integer::Function;

namespace {

graph::Operator operator_of(Function f) {
  namespace op = graph::op;
  switch (f) {
    case Function::leaky_relu: return op::LeakyRelu{0.25f};
    case Function::sigmoid: return op::Sigmoid{};
    case Function::tanh: return op::Tanh{};
    case Function::hard_swish: return op::HardSwish{};
    case Function::scalar: break;
  }
  throw std::runtime_error("no such function");
}

// A value of four codes through one function.
IntegerModel one_function(Function f, const Grid& grid = Grid::int8()) {
  IntegerModel m;
  m.target = targets::onnxruntime;
  const auto* fixed = integer::fixed_output(f);
  const float s = fixed != nullptr ? fixed->scale : 0.1f;
  const std::int32_t z = fixed != nullptr ? fixed->zero_point : -100;
  m.values = {{"x", {4}, Affine{0.05f, -3}}, {"y", {4}, Affine{s, z, grid}}};
  m.nodes = {{"x", graph::op::Input{{4}}, {}, 0}, {"y", operator_of(f), {0}, 1}};
  m.outputs = {1};
  return m;
}

}  // namespace

TEST_CASE("tables are exported as the functions that they stand for") {
  struct Names {
    Function function;
    tflite::Builtin builtin;
    std::string onnx;
  };
  for (const auto& [function, builtin, op_type] :
       {Names{Function::leaky_relu, tflite::Builtin::leaky_relu, "LeakyRelu"},
        Names{Function::sigmoid, tflite::Builtin::logistic, "Sigmoid"},
        Names{Function::tanh, tflite::Builtin::tanh, "Tanh"},
        Names{Function::hard_swish, tflite::Builtin::hard_swish, "HardSwish"}}) {
    INFO(op_type);
    const IntegerModel m = one_function(function);
    const tflite::ModelInfo lite = tflite::describe(m);
    REQUIRE(lite.operators.size() == 1);
    CHECK(lite.operators[0].code == builtin);
    CHECK(lite.operators[0].options.alpha == (function == Function::leaky_relu ? 0.25f : 0.0f));
    CHECK(lite.tensors[static_cast<std::size_t>(lite.operators[0].outputs[0])].quantization.scale ==
          std::vector<float>{m.values[1].codes.scale});

    const onnx::ModelInfo open = onnx::describe(m, {.output_codes = true});
    const auto node = std::ranges::find(open.nodes, op_type, &onnx::NodeInfo::op_type);
    REQUIRE(node != open.nodes.end());
    CHECK(node->name == "y");
    CHECK(node->attributes.size() == (function == Function::leaky_relu ? 1u : 0u));
    if (function == Function::leaky_relu) CHECK(node->attributes[0].real == 0.25f);
    CHECK_FALSE(onnx_bytes(m).empty());
  }
}

TEST_CASE("codes of a grid below 8 bits are cut behind a table") {
  const IntegerModel m = one_function(Function::leaky_relu, Grid::activation(5));
  const auto count = [](const auto& nodes, auto member, auto wanted) {
    return std::ranges::count(nodes, wanted, member);
  };
  CHECK(count(tflite::describe(m).operators, &tflite::OperatorInfo::code, tflite::Builtin::minimum) == 1);
  CHECK(count(onnx::describe(m).nodes, &onnx::NodeInfo::op_type, std::string("Clip")) == 1);
}

TEST_CASE("an image stays as it lies where functions and a layer alone read its elements") {
  namespace op = graph::op;
  IntegerModel m;
  m.target = targets::onnxruntime;
  m.values = {{"x", {2, 1, 2}, Affine{0.05f, -3}},
              {"flat", {4}, Affine{0.05f, -3}},
              {"leaky", {4}, Affine{0.1f, -100}},
              {"y", {1}, Affine{1.0f, 0}}};
  Tensor<std::int8_t> weights(Shape{1, 4}, std::vector<std::int8_t>{1, 2, 3, 4});
  m.nodes = {{"x", op::Input{{2, 1, 2}}, {}, 0},
             {"flat", op::Reshape{{4}}, {0}, 1},
             {"leaky", op::LeakyRelu{0.25f}, {1}, 2},
             {"y", op::Linear{.units = 1}, {2}, 3, Activation::none, {weights, {0.5f}, Tensor<std::int32_t>(Shape{1})}}};
  m.outputs = {3};
  const auto transposes = [](const onnx::ModelInfo& info) {
    return std::ranges::count(info.nodes, std::string("Transpose"), &onnx::NodeInfo::op_type);
  };
  const onnx::ModelInfo info = onnx::describe(m);
  CHECK(transposes(info) == 0);
  // The layer's columns follow: channel 0 of both pixels, then channel 1.
  const auto w = std::ranges::find(info.initializers, std::string("y.weight"), &onnx::TensorInfo::name);
  REQUIRE(w != info.initializers.end());
  CHECK(w->data == std::vector<std::uint8_t>{1, 3, 2, 4});
  m.outputs = {3, 2};  // whoever reads the output wants its elements in their order
  CHECK(transposes(onnx::describe(m)) == 1);
}

}  // namespace lookup_export_test
