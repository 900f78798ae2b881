#pragma once
// Integer models with drawn constants that no training made.

#include <stet/core/random.hpp>
#include <stet/graph/integer_model.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet_test {

using namespace stet;
namespace op = graph::op;

/// Builds an integer model with drawn constants.
struct IntegerBuilder {
  IntegerModel model;
  Rng rng;

  explicit IntegerBuilder(std::uint64_t seed, const Target& target = targets::tflite_micro) : rng(seed) { model.target = target; }

  const IntegerValue& operator[](int v) const { return model.values[static_cast<std::size_t>(v)]; }
  int node(const std::string& name, graph::Operator o, std::vector<int> inputs, const Shape& shape, Affine codes,
           Activation activation = Activation::none, LayerConstants constants = {}) {
    const auto out = static_cast<int>(model.values.size());
    model.values.push_back({name, shape, codes});
    model.nodes.push_back({name, std::move(o), std::move(inputs), out, activation, std::move(constants)});
    return out;
  }
  int same(const std::string& name, graph::Operator o, std::vector<int> inputs, const Shape& shape) {
    const Affine codes = (*this)[inputs[0]].codes;
    return node(name, std::move(o), std::move(inputs), shape, codes);
  }
  LayerConstants constants(const Shape& weights, std::int64_t outputs, bool per_channel) {
    LayerConstants c{Tensor<std::int8_t>(weights), {}, Tensor<std::int32_t>(Shape{outputs})};
    for (std::int8_t& q : c.weights.edit()) q = static_cast<std::int8_t>(static_cast<int>(rng.below(255)) - 127);
    for (std::int32_t& q : c.bias.edit()) q = static_cast<std::int32_t>(rng.below(4001)) - 2000;
    for (std::int64_t i = 0; i < (per_channel ? outputs : 1); ++i) {
      c.weight_scale.push_back(static_cast<float>(0.002 + 0.01 * rng.uniform()));
    }
    return c;
  }
};

/// Every operator once, with odd sizes, groups, dilation, asymmetric padding and activations.
inline IntegerModel every_operator(std::uint64_t seed, const Target& target = targets::tflite_micro) {
  IntegerBuilder b(seed, target);
  constexpr auto none = Activation::none;
  const int x = b.node("input", op::Input{{7, 6, 4}}, {}, {7, 6, 4}, {0.02f, -3});
  const int conv = b.node("conv",
                          op::Conv2D{.filters = 6,
                                     .kernel = {3, 2},
                                     .stride = {2, 1},
                                     .padding = Padding::of(0, 2, 1, 0),
                                     .dilation = {1, 2},
                                     .groups = 2},
                          {x}, {4, 5, 6}, {0.05f, -90}, Activation::relu6, b.constants({6, 3, 2, 2}, 6, true));
  const int deep = b.node("deep", op::DepthwiseConv2D{.kernel = 3, .multiplier = 2}, {conv}, {4, 5, 12}, {0.06f, 11}, none,
                          b.constants({1, 3, 3, 12}, 12, seed % 2 == 0));
  const int deeper = b.node("deeper", op::DepthwiseConv2D{.kernel = 1}, {deep}, {4, 5, 12}, {0.03f, -20}, none,
                            b.constants({1, 1, 1, 12}, 12, true));
  const int sum = b.node("sum", op::Add{}, {deep, deeper}, {4, 5, 12}, {0.05f, -100}, Activation::relu);
  const int rest = b.node("rest", op::Sub{}, {sum, deeper}, {4, 5, 12}, {0.04f, 3});
  const int product = b.node("product", op::Mul{}, {sum, rest}, {4, 5, 12}, {0.07f, -77}, Activation::relu6);
  const int high =
      b.same("high", op::MaxPool{.size = {2, 3}, .stride = {1, 2}, .padding = Padding::same()}, {product}, {4, 3, 12});
  const int middle = b.same("middle", op::AveragePool{.size = {3, 2}, .stride = {1, 2}, .padding = Padding::same()},
                            {product}, {4, 3, 12});
  const int both = b.same("both", op::Concat{1}, {high, middle}, {4, 6, 12});
  const int deepest = b.same("both.channels", op::Concat{2}, {both, both}, {4, 6, 24});
  const int padded = b.same("padded", op::Pad{1, 0, 2, 1}, {deepest}, {5, 9, 24});
  const int turned = b.same("turned", op::Transpose{{1, 0, 2}}, {padded}, {9, 5, 24});
  const int cut = b.same("cut", op::Relu{}, {turned}, {9, 5, 24});
  const int reshaped = b.same("reshaped", op::Reshape{{45, 1, 24}}, {cut}, {45, 1, 24});
  const int mean = b.node("mean", op::GlobalAveragePool{}, {reshaped}, {24}, {0.01f, -30});
  const int logits = b.node("logits", op::Linear{.units = 5}, {mean}, {5}, {0.08f, 7}, none, b.constants({5, 24}, 5, seed % 3 == 0));
  const int leaky = b.node("leaky", op::LeakyRelu{0.1f}, {logits}, {5}, {0.05f, -40});
  const int swish = b.node("swish", op::HardSwish{}, {leaky}, {5}, {0.04f, -60});
  const int tanh = b.node("tanh", op::Tanh{}, {swish}, {5}, {1.0f / 128.0f, 0});
  const int sigmoid = b.node("sigmoid", op::Sigmoid{}, {tanh}, {5}, {1.0f / 256.0f, -128});
  // Operands that are repeated.
  const int gate = b.node("gate", op::GlobalAveragePool{true}, {product}, {1, 1, 12}, {0.02f, 5});
  const int narrow = b.same("narrow", op::MaxPool{.size = {4, 1}}, {product}, {1, 5, 12});
  const int gated = b.node("gated", op::Mul{}, {gate, product}, {4, 5, 12}, {0.06f, -40});
  const int lifted = b.node("lifted", op::Add{}, {gated, narrow}, {4, 5, 12}, {0.07f, -30}, Activation::relu);
  const int lowered = b.node("lowered", op::Sub{}, {narrow, lifted}, {4, 5, 12}, {0.09f, 20});
  const int part = b.same("part", op::Slice{2, 3, 8}, {b.same("rows", op::Slice{0, 1, 4}, {lowered}, {3, 5, 12})}, {3, 5, 5});
  b.same("every_second", op::Slice{1, 0, 5, 2}, {b.same("backwards", op::Slice{2, 4, -1, -1}, {part}, {3, 5, 5})}, {3, 3, 5});
  b.same(
      "most", op::Extremum{true},
      {lowered, b.same("least", op::Extremum{false}, {lowered, b.same("column", op::Slice{1, 2, 3}, {lowered}, {4, 1, 12})}, {4, 5, 12})},
      {4, 5, 12});
  const int larger = b.same("larger", op::Upsample{{2, 3}}, {part}, {6, 15, 5});
  b.same("wider", op::PadChannels{1, 2}, {larger}, {6, 15, 8});
  const int smooth = b.same("smooth", op::ResizeBilinear{7, 10}, {part}, {7, 10, 5});
  b.same("corners", op::ResizeBilinear{4, 23, Coordinates::align_corners}, {smooth}, {4, 23, 5});
  b.model.outputs = {sigmoid};
  return b.model;
}

}  // namespace stet_test
