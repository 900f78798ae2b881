#pragma once
// Clip mask: where quantization lets the gradient pass.

#include <stet/core/requirements.hpp>

namespace stet {

/// Which elements count as inside the range, so that their gradient passes.
/// Formula:   n, p ends of the grid, z zero point, s scale; NaN is always outside
/// Source:    rounded_inclusive: PyTorch fake_quantize; raw_inclusive: TensorFlow fake_quant_with_min_max;
///            raw_exclusive: Esser 2020, LSQ, arXiv 1902.08153
enum class ClipMask {
  rounded_inclusive,  ///< n <= z + rne(x/s) <= p: passes for half a step beyond the ends
  raw_inclusive,      ///< (n-z)s <= x <= (p-z)s
  raw_exclusive       ///< (n-z)s <  x <  (p-z)s
};

}  // namespace stet
