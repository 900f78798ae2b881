#pragma once
// QTensor: codes with their meaning.

#include <stet/core/tensor.hpp>
#include <stet/quant/qparams.hpp>

namespace stet {

/// Codes of at most 8 bits in int8 containers and the parameters that make them real numbers.
struct QTensor {
  Tensor<std::int8_t> codes{};
  QParams params{};

  [[nodiscard]] const Shape& shape() const { return codes.shape(); }
};

}  // namespace stet
