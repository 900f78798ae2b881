#pragma once
// IntegerModel: a network as integers. Plain data; the engine runs it, the exporters write it.

#include <stet/core/tensor.hpp>
#include <stet/graph/match.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/integer/layer.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/affine.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stet {

using integer::Activation;

/// A value of an IntegerModel. Shape without the batch; what its codes mean.
struct IntegerValue {
  std::string name{};
  Shape shape{};
  Affine codes{};
};

/// One operator of a graph on codes, with the activation behind it that it applies itself. Inputs and output are indices
/// into IntegerModel::values. Input has no inputs: it makes codes of the model's real input.
struct IntegerNode {
  std::string name{};
  graph::Operator op = graph::op::Input{};
  std::vector<int> inputs{};
  int output = -1;
  Activation activation = Activation::none;
  LayerConstants constants{};  ///< of layers, whose operator's `bias` says nothing: integers always have one
};

/// Nodes in execution order, values, and the target whose arithmetic they follow.
struct IntegerModel {
  Target target = targets::litert_default;
  std::vector<IntegerValue> values{};
  std::vector<IntegerNode> nodes{};
  std::vector<int> outputs{};

  /// Shapes of a node's inputs, without the batch.
  [[nodiscard]] std::vector<Shape> input_shapes(const IntegerNode& node) const {
    std::vector<Shape> shapes;
    for (const int in : node.inputs) shapes.push_back(values[static_cast<std::size_t>(in)].shape);
    return shapes;
  }
};

/// The clamp that an operator is: relu and relu6 on their own; none for all others.
inline Activation clamp_of(const graph::Operator& o) {
  return graph::is<graph::op::Relu>(o)    ? Activation::relu
         : graph::is<graph::op::Relu6>(o) ? Activation::relu6
                                          : Activation::none;
}

/// The operator that integers know in place of one of a graph: a flatten is a reshape, a mean over height and width a
/// global average pool; others stay as they are.
inline graph::Operator integer_form_of(const graph::Operator& o, std::span<const Shape> in, const Shape& out) {
  namespace op = graph::op;
  if (graph::is<op::Flatten>(o)) return op::Reshape{out};
  if (const auto* mean = graph::as<op::Mean>(o)) {
    if (mean->axes == std::vector<int>{0, 1} && !mean->keep_dims && in[0].rank() == 3) return op::GlobalAveragePool{};
  }
  return o;
}

}  // namespace stet
