#pragma once
// IntegerModel: a network as integers. Plain data; the engine runs it, the exporters write it.

#include <stet/core/tensor.hpp>
#include <stet/graph/input_fingerprint.hpp>
#include <stet/graph/match.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/integer/layer.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/affine.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace stet {

using integer::Activation;

/// A value of an IntegerModel. Shape without the batch; what its codes mean, unless it is real: then it has none, and only
/// operators that are kept in float make and read it.
struct IntegerValue {
  std::string name{};
  Shape shape{};
  Affine codes{};
  bool real = false;
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
  /// Of the data that gave the ranges, one for each input, or none where it is not known: diagnose_input() compares others with it.
  std::vector<InputFingerprint> input_fingerprints{};

  /// Values of the inputs, in the order in which they are given.
  [[nodiscard]] std::vector<int> inputs() const {
    std::vector<int> list;
    for (const IntegerNode& node : nodes) {
      if (graph::is<graph::op::Input>(node.op)) list.push_back(node.output);
    }
    return list;
  }
  /// Shapes of a node's inputs, without the batch.
  [[nodiscard]] std::vector<Shape> input_shapes(const IntegerNode& node) const {
    std::vector<Shape> shapes;
    for (const int in : node.inputs) shapes.push_back(values[static_cast<std::size_t>(in)].shape);
    return shapes;
  }
};

}  // namespace stet
