// Images as PyTorch has them, for tests that compare with it.
#pragma once

#include <stet/core/tensor.hpp>

#include <cstddef>
#include <cstdint>

namespace stet_test {

/// Shapes:    [N,C,H,W] -> [N,H,W,C]
inline stet::Tensor<float> images_last(const stet::Tensor<float>& x) {
  const stet::Shape& s = x.shape();
  stet::Tensor<float> y(stet::Shape{s[0], s[2], s[3], s[1]});
  const auto to = y.edit();
  std::size_t i = 0;
  for (std::int64_t n = 0; n < s[0]; ++n) {
    for (std::int64_t p = 0; p < s[2] * s[3]; ++p) {
      for (std::int64_t c = 0; c < s[1]; ++c) to[i++] = x[(n * s[1] + c) * s[2] * s[3] + p];
    }
  }
  return y;
}

}  // namespace stet_test
