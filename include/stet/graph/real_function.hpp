#pragma once
// RealFunction: a computation on reals in a network of integers.

#include <stet/core/tensor.hpp>

#include <span>
#include <string>
#include <string_view>

namespace stet {
class Model;
}

namespace stet::graph {

class Graph;

/// What an operator that is kept in float computes, with its parameters: all that whoever runs integers knows of it. Who
/// writes files asks for the graph and the parameters behind it.
class RealFunction {
 public:
  virtual ~RealFunction() = default;
  /// The operator as a graph of its own: its inputs in order, then its node, whose value is the output.
  [[nodiscard]] virtual const Graph& graph() const = 0;
  /// The same with its parameters; null while it is planned.
  [[nodiscard]] virtual const Model* model() const = 0;
  /// Kind of the operator, and the text of its attributes.
  [[nodiscard]] virtual std::string_view kind() const = 0;
  [[nodiscard]] virtual std::string attributes() const = 0;
  /// Output shape from input shapes, all without the batch.
  [[nodiscard]] virtual Shape infer(std::span<const Shape> inputs) const = 0;
  /// Any number of threads may call it at the same time.
  /// Shapes:    [N] + each input's shape -> [N] + the output's
  [[nodiscard]] virtual Tensor<float> run(std::span<const Tensor<float>> inputs) const = 0;
};

}  // namespace stet::graph
