#pragma once
// CodesTail: requantization by a float factor, for kernels that make codes of their sums before these leave the registers.

#include <stet/core/requirements.hpp>

#include <cstdint>

namespace stet::kernel {

/// Formula:   out[r*stride + o] = clamp(float(sum) * scale[o], below, above), rounded half to even, + zero_point
/// Shapes:    scale can be read up to the end of the last panel
struct CodesTail {
  const float* scale;
  float below, above;  ///< whole numbers: the least and largest code, minus the zero point
  std::int32_t zero_point;
  std::int8_t* out;
  std::int64_t stride;
};

}  // namespace stet::kernel
