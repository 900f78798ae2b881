#pragma once
// Surroundings: what the arithmetic of an operator on codes depends on besides its attributes.

#include <stet/core/scalar_function.hpp>
#include <stet/core/shape.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/integer/lookup.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/affine.hpp>

#include <memory>
#include <span>

namespace stet {

using integer::Activation;

/// A value as the operators around it see it: its shape without the batch, and what its codes mean.
struct Operand {
  Shape shape{};
  Affine codes{};
};

/// What surrounds an operator: the target, its inputs and output, the activation that it applies.
struct Surroundings {
  const Target& target;
  std::span<const Operand> in;
  const Operand& out;
  Activation activation = Activation::none;
};

/// Parameters of an operator that computes nothing of codes.
struct NoParameters {};

/// The function that an operator computes by a table, and its slope where it has one.
struct TableFunction {
  integer::Function function = integer::Function::sigmoid;
  float alpha = 0.0f;
  std::shared_ptr<const ScalarFunction> scalar{};
};

}  // namespace stet
