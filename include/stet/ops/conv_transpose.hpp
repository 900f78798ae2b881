#pragma once
// Transposed convolution: what takes gradients back through a convolution, as a layer that makes images larger.

#include <stet/ops/convolution.hpp>
#include <stet/ops/shape.hpp>

#include <cstdint>

namespace stet {

/// Attributes of a transposed convolution whose weights are given. Padding cuts off the border of the result: PyTorch's
/// padding p with output_padding q is Padding::of(p, p - q, p, p - q).
struct ConvTransposeOptions {
  Pair stride = 1;
  Padding padding = Padding::same();
};

/// Checks the shapes of a transposed convolution and resolves the window of the convolution that it turns back.
/// Errors:    Errc::shape if ranks, channels or bias do not fit or nothing of the result remains; Errc::range for impossible attributes
inline Window conv_transpose_window(const Shape& x, const Shape& w, const Shape* bias, const ConvTransposeOptions& options) {
  require(x.rank() == 4, Errc::shape, "conv_transpose: input must be [N,H,W,C], got {}", x);
  require(w.rank() == 4, Errc::shape, "conv_transpose: weight must be [O,kh,kw,C], got {}", w);
  require(w[3] == x[3], Errc::shape, "conv_transpose: weight expects {} input channels, input has {} (input {}, weight {})", w[3],
          x[3], x, w);
  require(bias == nullptr || *bias == Shape{w[0]}, Errc::shape, "conv_transpose: bias must be [{}], got {}", w[0],
          bias == nullptr ? Shape{} : *bias);
  return make_transposed_window("conv_transpose", x[1], x[2], Pair(static_cast<int>(w[1]), static_cast<int>(w[2])),
                                options.stride, options.padding);
}

namespace detail {

// Weights of the convolution that a transposed one turns back, and back again: [O,kh,kw,C] <-> [C,kh,kw,O].
template <class T>
Tensor<T> swapped_channels(const Tensor<T>& w) {
  constexpr int order[] = {3, 1, 2, 0};
  return transpose_forward<T>(w, order);
}

}  // namespace detail

/// Convolves a batch of images the other way around: each input pixel adds the kernel, times its value, to the result.
/// Formula:   y[n,i,j,o] = b[o] + sum over y, x, c with i + before = y*stride + ky, j likewise, of x[n,y,x,c] * w[o,ky,kx,c]
/// Shapes:    x [N,H,W,C], w [O,kh,kw,C], bias [O] or null -> y [N,window.h.in,window.w.in,O]
template <class T>
Tensor<T> conv_transpose_forward(const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>* bias, const Window& window) {
  const std::int64_t filters = w.shape()[0];
  Tensor<T> y = conv2d_backward_input(x, detail::swapped_channels(w), window, 1,
                                      {x.shape()[0], window.h.in, window.w.in, filters});
  if (bias == nullptr) return y;
  T* to = y.edit().data();
  parallel_chunks(y.size() / filters, filters, [&, b = bias->data()](Chunk chunk) {
    for (std::int64_t p = chunk.first; p < chunk.last; ++p) {
      for (std::int64_t o = 0; o < filters; ++o) to[p * filters + o] += b[o];
    }
  });
  return y;
}

/// Gradient of a transposed convolution with respect to its input: a convolution.
/// Shapes:    dy [N,h,w,O], w [O,kh,kw,C] -> dx [N,H,W,C]
template <class T>
Tensor<T> conv_transpose_backward_input(const Tensor<T>& dy, const Tensor<T>& w, const Window& window) {
  return conv2d_forward<T>(dy, detail::swapped_channels(w), nullptr, window, 1);
}

/// Gradient of a transposed convolution with respect to its weights.
/// Shapes:    x [N,H,W,C], dy [N,h,w,O] -> dw [O,kh,kw,C]
template <class T>
Tensor<T> conv_transpose_backward_weight(const Tensor<T>& x, const Tensor<T>& dy, const Window& window) {
  return detail::swapped_channels(conv2d_backward_weight(dy, x, window, 1));
}

namespace detail {

template <class T>
Var<Tensor<T>> record_conv_transpose(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>* b,
                                     const ConvTransposeOptions& options) {
  const Window window = conv_transpose_window(x.shape(), w.shape(), b == nullptr ? nullptr : &b->shape(), options);
  Tensor<T> y = conv_transpose_forward(x.value(), w.value(), b == nullptr ? nullptr : &b->value(), window);
  auto pull = [x = x.value(), w = w.value(), window](const Tensor<T>& dy, const auto& dx, const auto& dw) {
    if (dx.wanted()) dx.add(conv_transpose_backward_input(dy, w, window));
    if (dw.wanted()) dw.add(conv_transpose_backward_weight(x, dy, window));
  };
  return record_layer(std::move(y), x, w, b, std::move(pull));
}

}  // namespace detail

/// Transposed convolution on the tape, without bias.
/// Formula:   as conv_transpose_forward
/// Shapes:    x [N,H,W,C], w [O,kh,kw,C] -> y [N,h,w,O]
/// Gradient:  dx = convolution of dy with w; dw[o,ky,kx,c] = sum over pixels of x * dy
/// Errors:    as conv_transpose_window
template <class T>
Var<Tensor<T>> conv_transpose(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const ConvTransposeOptions& options = {}) {
  return detail::record_conv_transpose<T>(x, w, nullptr, options);
}

/// Transposed convolution on the tape, with bias.
/// Shapes:    x [N,H,W,C], w [O,kh,kw,C], b [O] -> y [N,h,w,O]
/// Gradient:  as without bias; db[o] = sum over pixels of dy
template <class T>
Var<Tensor<T>> conv_transpose(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>& b,
                              const ConvTransposeOptions& options = {}) {
  return detail::record_conv_transpose(x, w, &b, options);
}

}  // namespace stet
