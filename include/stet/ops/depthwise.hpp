#pragma once
// Depthwise convolution: every input channel has its own `multiplier` kernels.

#include <stet/autograd/tape.hpp>
#include <stet/ops/bands.hpp>
#include <stet/ops/channel_sums.hpp>
#include <stet/ops/convolution.hpp>

#include <cstdint>

namespace stet {

/// Attributes of a depthwise convolution; the multiplier follows from the weight's shape.
struct DepthwiseConvOptions {
  Pair stride = 1;
  Padding padding = Padding::same();
  Pair dilation = 1;
};

/// Checks the shapes of a depthwise convolution and resolves its window.
/// Errors:    Errc::shape if ranks, channels or bias do not fit; Errc::range for impossible attributes
inline Window depthwise_conv2d_window(const Shape& x, const Shape& w, const Shape* bias,
                                      const DepthwiseConvOptions& options) {
  require(x.rank() == 4, Errc::shape, "depthwise_conv2d: input must be [N,H,W,C], got {}", x);
  require(w.rank() == 4 && w[0] == 1, Errc::shape, "depthwise_conv2d: weight must be [1,kh,kw,C*multiplier], got {}",
          w);
  require(x[3] > 0 && w[3] >= x[3] && w[3] % x[3] == 0, Errc::shape,
          "depthwise_conv2d: weight has {} channels, must be a multiple of the input's {} (input {}, weight {})", w[3],
          x[3], x, w);
  require(bias == nullptr || *bias == Shape{w[3]}, Errc::shape, "depthwise_conv2d: bias must be [{}], got {}", w[3],
          bias == nullptr ? Shape{} : *bias);
  return make_window("depthwise_conv2d", x[1], x[2], Pair(static_cast<int>(w[1]), static_cast<int>(w[2])),
                     options.stride, options.dilation, options.padding);
}

namespace detail {

// Calls f(output pixel, input pixel or -1 outside, tap) for the taps of output line (n, y).
template <class F>
[[gnu::always_inline]] inline void visit_line(const Window& w, std::int64_t n, std::int64_t y, F&& f) {
  for (std::int64_t ky = 0; ky < w.h.kernel; ++ky) {
    const std::int64_t iy = y * w.h.stride - w.h.before + ky * w.h.dilation;
    if (iy < 0 || iy >= w.h.in) continue;
    for (std::int64_t kx = 0; kx < w.w.kernel; ++kx) {
      for (std::int64_t x = 0; x < w.w.out; ++x) {
        const std::int64_t ix = x * w.w.stride - w.w.before + kx * w.w.dilation;
        if (ix < 0 || ix >= w.w.in) continue;
        f((n * w.h.out + y) * w.w.out + x, (n * w.h.in + iy) * w.w.in + ix, ky * w.w.kernel + kx);
      }
    }
  }
}

}  // namespace detail

/// Convolves every channel on its own.
/// Formula:   y[n,i,j,c*m+k] = b[c*m+k] + sum over taps of x[n, i*stride - before + ky*dilation, ..., c] * w[0,ky,kx,c*m+k]
/// Shapes:    x [N,H,W,C], w [1,kh,kw,C*m], bias [C*m] or null -> y [N,window.h.out,window.w.out,C*m]
template <class T>
Tensor<T> depthwise_conv2d_forward(const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>* bias,
                                   const Window& window) {
  const std::int64_t batch = x.shape()[0], channels = x.shape()[3], outputs = w.shape()[3];
  const std::int64_t multiplier = outputs / channels;
  Tensor<T> result(Shape{batch, window.h.out, window.w.out, outputs});
  T* y = result.edit().data();
  const std::int64_t line = window.w.out * outputs;
  parallel_chunks(batch * window.h.out, line * window.taps(), [&](Chunk chunk) {
    for (std::int64_t l = chunk.first; l < chunk.last; ++l) {
      for (std::int64_t i = 0; i < line; ++i) y[l * line + i] = bias == nullptr ? T{0} : (*bias)[i % outputs];
      detail::visit_line(window, l / window.h.out, l % window.h.out,
                         [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
                           T* __restrict to = y + out * outputs;
                           const T* from = x.data() + in * channels;
                           const T* weight = w.data() + tap * outputs;
                           if (multiplier == 1) {
                             for (std::int64_t c = 0; c < channels; ++c) to[c] += from[c] * weight[c];
                           } else {
                             for (std::int64_t c = 0; c < outputs; ++c) to[c] += from[c / multiplier] * weight[c];
                           }
                         });
    }
  });
  return result;
}

/// Gradient of a depthwise convolution with respect to its input.
/// Shapes:    dy [N,h,w,C*m], w [1,kh,kw,C*m] -> dx of shape `input`
template <class T>
Tensor<T> depthwise_conv2d_backward_input(const Tensor<T>& dy, const Tensor<T>& w, const Window& window,
                                          const Shape& input) {
  const std::int64_t channels = input[3], outputs = w.shape()[3], multiplier = outputs / channels;
  Tensor<T> result = Tensor<T>::zeros(input);
  T* dx = result.edit().data();
  parallel_chunks(input[0], window.h.out * window.w.out * outputs * window.taps(), [&](Chunk chunk) {
    for (std::int64_t l = chunk.first * window.h.out; l < chunk.last * window.h.out; ++l) {
      detail::visit_line(window, l / window.h.out, l % window.h.out,
                         [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
                           T* __restrict to = dx + in * channels;
                           const T* from = dy.data() + out * outputs;
                           const T* weight = w.data() + tap * outputs;
                           if (multiplier == 1) {
                             for (std::int64_t c = 0; c < channels; ++c) to[c] += from[c] * weight[c];
                           } else {
                             for (std::int64_t c = 0; c < outputs; ++c) to[c / multiplier] += from[c] * weight[c];
                           }
                         });
    }
  });
  return result;
}

/// Gradient of a depthwise convolution with respect to its weights. The image may consist of 8-bit codes: then its
/// values are code - zero_point (multiply the result by the scale).
/// Shapes:    x [N,H,W,C], dy [N,h,w,C*m] -> dw [1,kh,kw,C*m]
template <class T, class X>
Tensor<T> depthwise_conv2d_backward_weight(const Tensor<X>& x, const Tensor<T>& dy, const Window& window,
                                           std::int32_t zero_point = 0) {
  const std::int64_t channels = x.shape()[3], outputs = dy.shape()[3], multiplier = outputs / channels;
  const std::int64_t lines = x.shape()[0] * window.h.out;
  const std::int64_t size = window.taps() * outputs;
  const std::int64_t chunks = std::min<std::int64_t>(16, std::max<std::int64_t>(lines, 1));
  Tensor<T> partials = Tensor<T>::zeros({chunks, size});
  T* partial = partials.edit().data();
  const auto value = [&](X code) {
    if constexpr (std::is_same_v<T, X>) {
      return code;
    } else {
      return static_cast<T>(static_cast<std::int32_t>(code) - zero_point);
    }
  };
  parallel(chunks, [&](std::int64_t index) {
    const Chunk chunk = chunk_of(lines, chunks, index);
    for (std::int64_t l = chunk.first; l < chunk.last; ++l) {
      detail::visit_line(window, l / window.h.out, l % window.h.out,
                         [&](std::int64_t out, std::int64_t in, std::int64_t tap) {
                           T* __restrict to = partial + index * size + tap * outputs;
                           const X* from = x.data() + in * channels;
                           const T* gradient = dy.data() + out * outputs;
                           if (multiplier == 1) {
                             for (std::int64_t c = 0; c < channels; ++c) to[c] += value(from[c]) * gradient[c];
                           } else {
                             for (std::int64_t c = 0; c < outputs; ++c) {
                               to[c] += value(from[c / multiplier]) * gradient[c];
                             }
                           }
                         });
    }
  });
  Tensor<T> result(Shape{1, window.h.kernel, window.w.kernel, outputs});
  T* dw = result.edit().data();
  for (std::int64_t k = 0; k < size; ++k) {
    T sum{0};
    for (std::int64_t c = 0; c < chunks; ++c) sum += partial[c * size + k];
    dw[k] = sum;
  }
  return result;
}

namespace detail {

template <class T>
Var<Tensor<T>> record_depthwise(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>* b,
                                const DepthwiseConvOptions& options) {
  const Window window = depthwise_conv2d_window(x.shape(), w.shape(), b == nullptr ? nullptr : &b->shape(), options);
  Tensor<T> y = depthwise_conv2d_forward(x.value(), w.value(), b == nullptr ? nullptr : &b->value(), window);
  auto pull = [x = x.value(), w = w.value(), window](const Tensor<T>& dy, auto dx, auto dw) {
    if (dx.wanted()) dx.add(depthwise_conv2d_backward_input(dy, w, window, x.shape()));
    if (dw.wanted()) dw.add(depthwise_conv2d_backward_weight(x, dy, window));
  };
  if (b == nullptr) return record(std::move(y), std::tie(x, w), std::move(pull));
  return record(std::move(y), std::tie(x, w, *b),
                [pull = std::move(pull)](const Tensor<T>& dy, auto dx, auto dw, auto db) {
                  pull(dy, dx, dw);
                  if (db.wanted()) db.add(channel_sums(dy));
                });
}

}  // namespace detail

/// Depthwise convolution on the tape, without bias.
/// Formula:   as depthwise_conv2d_forward
/// Shapes:    x [N,H,W,C], w [1,kh,kw,C*m] -> y [N,h,w,C*m]
/// Gradient:  dx and dw are the transposed maps of the formula
/// Errors:    as depthwise_conv2d_window
template <class T>
Var<Tensor<T>> depthwise_conv2d(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w,
                                const DepthwiseConvOptions& options = {}) {
  return detail::record_depthwise<T>(x, w, nullptr, options);
}

/// Depthwise convolution on the tape, with bias.
/// Shapes:    x [N,H,W,C], w [1,kh,kw,C*m], b [C*m] -> y [N,h,w,C*m]
/// Gradient:  as without bias; db[c] = sum over pixels of dy
template <class T>
Var<Tensor<T>> depthwise_conv2d(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>& b,
                                const DepthwiseConvOptions& options = {}) {
  return detail::record_depthwise(x, w, &b, options);
}

}  // namespace stet
