#pragma once
// RealFunction: a computation on reals in a network of integers.

#include <stet/core/tensor.hpp>

#include <span>
#include <string>
#include <string_view>

namespace stet::graph {

/// What an operator that is kept in float computes, with its parameters: all that whoever runs integers knows of it.
class RealFunction {
 public:
  virtual ~RealFunction() = default;
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
