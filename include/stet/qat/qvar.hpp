#pragma once
// Codes on the tape: the gradient of a QTensor is a real tensor of its shape.

#include <stet/autograd/tape.hpp>
#include <stet/quant/qtensor.hpp>

namespace stet {

/// Gradients of codes are in real units: with respect to the value that a code stands for.
template <>
struct GradientOf<QTensor> {
  using type = Tensor<float>;
  static const Shape& shape(const QTensor& value) { return value.shape(); }
};

}  // namespace stet
