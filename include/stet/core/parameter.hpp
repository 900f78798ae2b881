#pragma once
// Parameter: a tensor that is trained, with its gradient beside it.

#include <stet/core/tensor.hpp>

namespace stet {

/// Value and accumulated gradient of one trained tensor. The gradient is empty until the first backward pass.
struct Parameter {
  Tensor<float> value;
  Tensor<float> gradient{};

  void clear_gradient() { gradient = Tensor<float>(); }
};

}  // namespace stet
