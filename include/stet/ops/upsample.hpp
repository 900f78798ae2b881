#pragma once
// Nearest-neighbour upsampling by whole factors.

#include <stet/autograd/tape.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/window.hpp>

#include <algorithm>
#include <cstdint>

namespace stet {

/// Repeats rows and columns.
/// Shapes:    x [N,H,W,C] -> [N,H*factor.height,W*factor.width,C]
/// Errors:    Errc::shape if x is no image, Errc::range if a factor is below 1
template <class T>
Tensor<T> upsample_forward(const Tensor<T>& x, Pair factor) {
  const Shape& s = x.shape();
  require(s.rank() == 4, Errc::shape, "upsample: input must be [N,H,W,C], got {}", s);
  require(factor.height >= 1 && factor.width >= 1, Errc::range, "upsample: factors {} and {} must be at least 1", factor.height, factor.width);
  Tensor<T> y(Shape{s[0], s[1] * factor.height, s[2] * factor.width, s[3]});
  T* to = y.edit().data();
  const std::int64_t c = s[3], row = s[2] * factor.width * c;
  parallel_chunks(s[0] * s[1], row * factor.height, [&](Chunk rows) {
    for (std::int64_t r = rows.first; r < rows.last; ++r) {
      T* line = to + r * factor.height * row;
      const T* from = x.data() + r * s[2] * c;
      T* at = line;
      for (std::int64_t w = 0; w < s[2]; ++w) {
        for (int k = 0; k < factor.width; ++k) at = std::copy_n(from + w * c, c, at);
      }
      for (int k = 1; k < factor.height; ++k) std::copy_n(line, row, line + k * row);
    }
  });
  return y;
}
/// Adds up what was repeated, in double.
/// Shapes:    dy of upsample_forward -> shape `input`
template <class T>
Tensor<T> upsample_backward(const Tensor<T>& dy, Pair factor, const Shape& input) {
  Tensor<T> dx(input);
  T* to = dx.edit().data();
  const std::int64_t c = input[3], width = input[2], row = width * factor.width * c;
  parallel_chunks(input[0] * input[1], row * factor.height, [&](Chunk rows) {
    for (std::int64_t r = rows.first; r < rows.last; ++r) {
      for (std::int64_t i = 0; i < width * c; ++i) {
        const T* from = dy.data() + r * factor.height * row + i / c * factor.width * c + i % c;
        double sum = 0;
        for (int h = 0; h < factor.height; ++h) {
          for (int w = 0; w < factor.width; ++w) sum += static_cast<double>(from[h * row + w * c]);
        }
        to[r * width * c + i] = static_cast<T>(sum);
      }
    }
  });
  return dx;
}

/// Upsampling on the tape; see upsample_forward.
/// Gradient:  dx = the sum of dy over what was repeated
template <class T>
Var<Tensor<T>> upsample(const Var<Tensor<T>>& x, Pair factor) {
  return record(upsample_forward(x.value(), factor), std::tie(x), [factor, input = x.shape()](const Tensor<T>& dy, auto dx) {
    dx.add(upsample_backward(dy, factor, input));
  });
}

}  // namespace stet
