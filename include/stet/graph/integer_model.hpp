#pragma once
// IntegerModel: a network as integers. Plain data; the engine runs it, the exporters write it.

#include <stet/core/tensor.hpp>
#include <stet/core/window.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/integer/lookup.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/qparams.hpp>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace stet {

using integer::Activation;

/// Operators of an IntegerModel with their constants. Attributes are those of the float operator; scales and zero
/// points of inputs and outputs stand at the values.
namespace integer_op {

/// Real input -> codes of the output value.
struct Quantize {};
/// Weight codes [O,kh,kw,I/groups], one scale per output or one for all, bias codes [O] at input scale * weight scale.
struct Conv2D {
  Pair stride{1}, dilation{1};
  Padding padding{};
  int groups = 1;
  Tensor<std::int8_t> weights{};
  std::vector<float> weight_scale{};
  Tensor<std::int32_t> bias{};
  Activation activation = Activation::none;
};
/// Weight codes [1,kh,kw,C*multiplier].
struct DepthwiseConv2D {
  Pair stride{1}, dilation{1};
  Padding padding{};
  int multiplier = 1;
  Tensor<std::int8_t> weights{};
  std::vector<float> weight_scale{};
  Tensor<std::int32_t> bias{};
  Activation activation = Activation::none;
};
/// Weight codes [out,in].
struct Linear {
  Tensor<std::int8_t> weights{};
  std::vector<float> weight_scale{};
  Tensor<std::int32_t> bias{};
  Activation activation = Activation::none;
};
struct Add {
  Activation activation = Activation::none;
};
struct Sub {
  Activation activation = Activation::none;
};
struct Mul {
  Activation activation = Activation::none;
};
struct MaxPool {
  Pair size{2}, stride{2};
  Padding padding = Padding::valid();
};
struct AveragePool {
  Pair size{2}, stride{2};
  Padding padding = Padding::valid();
};
/// Mean over height and width: [N,H,W,C] -> [N,C].
struct Mean {};
/// Along an axis counted without the batch.
struct Concat {
  int axis = 0;
};
struct Pad {
  int top = 0, bottom = 0, left = 0, right = 0;
};
/// To the output value's shape.
struct Reshape {};
/// Axes counted without the batch.
struct Transpose {
  std::vector<int> axes{};
};
/// ReLU or ReLU6 that keeps scale and zero point.
struct Clamp {
  Activation activation = Activation::relu;
};

/// Leaky ReLU, sigmoid, tanh or hard swish, from one scale and zero point to another.
struct Lookup {
  integer::Function function = integer::Function::sigmoid;
  float alpha = 0.0f;  ///< slope of a leaky ReLU
};

}  // namespace integer_op

using IntegerOperator =
    std::variant<integer_op::Quantize, integer_op::Conv2D, integer_op::DepthwiseConv2D, integer_op::Linear,
                 integer_op::Add, integer_op::Sub, integer_op::Mul, integer_op::MaxPool, integer_op::AveragePool,
                 integer_op::Mean, integer_op::Concat, integer_op::Pad, integer_op::Reshape, integer_op::Transpose,
                 integer_op::Clamp, integer_op::Lookup>;

/// A value of an IntegerModel. Shape without the batch; one scale and zero point.
struct IntegerValue {
  std::string name{};
  Shape shape{};
  QParams params{};
};

/// One operator; inputs and output are indices into IntegerModel::values. The model's real input is no value:
/// Quantize has no inputs.
struct IntegerNode {
  std::string name{};
  IntegerOperator op{};
  std::vector<int> inputs{};
  int output = -1;
};

/// Nodes in execution order, values, and the target whose arithmetic they follow.
struct IntegerModel {
  Target target = targets::litert_default;
  std::vector<IntegerValue> values{};
  std::vector<IntegerNode> nodes{};
  std::vector<int> outputs{};
};

}  // namespace stet
