#pragma once
// Transposed convolution of codes: a convolution of the image with zeros between its pixels, by the kernel turned around.

#include <stet/integer/convolution.hpp>

#include <algorithm>
#include <cstdint>

namespace stet::integer {

/// Weight codes of a transposed convolution, turned around and packed once.
class ConvTransposeWeights : public ConvolutionWeights {
 public:
  /// Shapes:    codes [O,kh,kw,I]
  /// Errors:    as ConvolutionWeights
  explicit ConvTransposeWeights(const Tensor<std::int8_t>& codes) : ConvolutionWeights(turned(codes)) {}

 private:
  static Tensor<std::int8_t> turned(const Tensor<std::int8_t>& codes) {
    const Shape& s = codes.shape();
    require(s.rank() == 4, Errc::shape, "ConvTransposeWeights: codes must be [O,kh,kw,I], got {}", s);
    const std::int64_t taps = s[1] * s[2];
    Tensor<std::int8_t> result(s);
    std::int8_t* to = result.edit().data();
    for (std::int64_t o = 0; o < s[0]; ++o) {
      for (std::int64_t t = 0; t < taps; ++t) {
        std::copy_n(codes.data() + (o * taps + taps - 1 - t) * s[3], s[3], to + (o * taps + t) * s[3]);
      }
    }
    return result;
  }
};

/// Convolves codes the other way around, without bias.
/// Formula:   acc[n,i,j,o] = sum over y, x, c with i + before = y*stride + ky, j likewise, of w[o,ky,kx,c] * (q[n,y,x,c] - z_x)
/// Shapes:    x [N,H,W,I], window as make_transposed_window -> rows of N*h*w pixels with O accumulators, given to the sink
/// Units:     acc in steps of s_x * s_w[o]
/// Errors:    Errc::shape if x is not [N,H,W,I] with the weights' I or the window does not fit it or the weights;
///            Errc::range if z_x lies outside int8
inline void conv_transpose(const Codes& x, std::int32_t z_x, const ConvTransposeWeights& weights, const Window& window,
                           AccumulatorSink sink) {
  const Shape& s = x.shape();
  require(s.rank() == 4 && s[1] == window.h.out && s[2] == window.w.out, Errc::shape,
          "conv_transpose: window over {}x{} does not fit input {}", window.h.out, window.w.out, s);
  require(z_x >= -128 && z_x <= 127, Errc::range, "conv_transpose: input zero point {} lies outside int8", z_x);
  const auto stretched = [](const WindowAxis& a) {
    return WindowAxis{(a.out - 1) * a.stride + 1, a.in, a.kernel, 1, 1, a.kernel - 1 - a.before};
  };
  const Window turned{stretched(window.h), stretched(window.w)};
  if (window.h.stride == 1 && window.w.stride == 1) return convolve(x, z_x, weights, turned, sink);
  Tensor<std::int8_t> image(Shape{s[0], turned.h.in, turned.w.in, s[3]});
  std::int8_t* to = image.edit().data();
  std::fill_n(to, image.size(), static_cast<std::int8_t>(z_x));
  const std::int64_t line = turned.w.in * s[3];
  for (std::int64_t row = 0; row < s[0] * s[1]; ++row) {
    std::int8_t* at = to + (row / s[1] * turned.h.in + row % s[1] * window.h.stride) * line;
    for (std::int64_t p = 0; p < s[2]; ++p) {
      std::copy_n(x.data() + (row * s[2] + p) * s[3], s[3], at + p * window.w.stride * s[3]);
    }
  }
  convolve(Codes(image), z_x, weights, turned, sink);
}

}  // namespace stet::integer
