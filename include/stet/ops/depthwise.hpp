#pragma once
// Depthwise convolution: every input channel has its own `multiplier` kernels.

#include <stet/autograd/tape.hpp>
#include <stet/ops/bands.hpp>
#include <stet/ops/channel_lanes.hpp>
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise_lines.hpp>
#include <stet/ops/record_layer.hpp>
#include <stet/ops/scale_shift.hpp>

#include <cstdint>
#include <cstring>

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

// Calls f(line of windows, band, output line of the batch) for the lines of bands [chunk.first, chunk.last).
template <class T, class X, class F>
void for_each_window_line(const Bands<T, X>& bands, const X* image, Chunk chunk, F&& f) {
  const Window& w = bands.window;
  Tensor<T> buffer(Shape{bands.buffer_size()});
  Tensor<std::int64_t> taps(Shape{w.taps()});
  T* memory = buffer.edit().data();
  std::int64_t* tap = taps.edit().data();
  for (std::int64_t t = 0; t < w.taps(); ++t) tap[t] = bands.tap(t / w.w.kernel, t % w.w.kernel);
  for (std::int64_t i = chunk.first; i < chunk.last; ++i) {
    const auto band = bands.load(image, i, memory);
    for (std::int64_t l = 0; l < band.lines; ++l) {
      f(WindowLine<T>{band.data + bands.offset(l, 0), w.w.stride * bands.channels, tap, w.taps()},
        band.first_pixel(w) + l * w.w.out);
    }
  }
}

// x with every channel repeated, so that a depthwise convolution with a multiplier has one kernel per channel.
template <class X>
Tensor<X> repeat_channels(const Tensor<X>& x, std::int64_t multiplier) {
  if (multiplier == 1) return x;
  Tensor<X> result(x.shape().with(3, x.shape()[3] * multiplier));
  X* to = result.edit().data();
  const X* from = x.data();
  parallel_chunks(x.size(), multiplier, [=](Chunk chunk) {
    for (std::int64_t i = chunk.first; i < chunk.last; ++i) std::fill_n(to + i * multiplier, multiplier, from[i]);
  });
  return result;
}

// The transpose of repeat_channels.
template <class T>
Tensor<T> sum_repeated_channels(const Tensor<T>& x, std::int64_t multiplier) {
  if (multiplier == 1) return x;
  Tensor<T> result(x.shape().with(3, x.shape()[3] / multiplier));
  T* to = result.edit().data();
  const T* from = x.data();
  parallel_chunks(result.size(), multiplier, [=](Chunk chunk) {
    for (std::int64_t i = chunk.first; i < chunk.last; ++i) {
      T sum{0};
      for (std::int64_t k = 0; k < multiplier; ++k) sum += from[i * multiplier + k];
      to[i] = sum;
    }
  });
  return result;
}

}  // namespace detail

/// Convolves every channel on its own.
/// Formula:   y[n,i,j,c*m+k] = b[c*m+k] + sum over taps of x[n, i*stride - before + ky*dilation, ..., c] * w[0,ky,kx,c*m+k]
/// Shapes:    x [N,H,W,C], w [1,kh,kw,C*m], bias [C*m] or null -> y [N,window.h.out,window.w.out,C*m]; `tail` is applied to y
template <class T>
Tensor<T> depthwise_conv2d_forward(const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>* bias,
                                   const Window& window, const ScaleShift<T>& tail = ScaleShift<T>()) {
  const detail::DepthwiseLines<T> lines = detail::depthwise_lines<T>();
  const std::int64_t channels = w.shape()[3];
  const Tensor<T> image = detail::repeat_channels(x, channels / x.shape()[3]);
  const detail::Bands<T> bands(window, x.shape()[0], channels);
  Tensor<T> result(Shape{x.shape()[0], window.h.out, window.w.out, channels});
  T* y = result.edit().data();
  const Tensor<T> starts = bias == nullptr ? Tensor<T>::zeros({channels}) : *bias;
  parallel_chunks(bands.count(), bands.pixels() * channels * window.taps(), [&](Chunk chunk) {
    detail::for_each_window_line(
        bands, image.data(), chunk, [&](const detail::WindowLine<T>& line, std::int64_t pixel) {
          lines.forward(line, window.w.out, channels, w.data(), starts.data(), y + pixel * channels);
          tail.apply(y + pixel * channels, window.w.out * channels);
        });
  });
  return result;
}

/// Gradient of a depthwise convolution with respect to its input.
/// Shapes:    dy [N,h,w,C*m], w [1,kh,kw,C*m] -> dx of shape `input`
template <class T>
Tensor<T> depthwise_conv2d_backward_input(const Tensor<T>& dy, const Tensor<T>& w, const Window& window,
                                          const Shape& input) {
  const std::int64_t channels = w.shape()[3], multiplier = channels / input[3];
  if (window.h.stride == 1 && window.w.stride == 1) {
    // A depthwise convolution of dy with the kernel turned around.
    Tensor<T> turned(w.shape());
    T* to = turned.edit().data();
    for (std::int64_t t = 0; t < window.taps(); ++t) {
      std::copy_n(w.data() + (window.taps() - 1 - t) * channels, channels, to + t * channels);
    }
    return detail::sum_repeated_channels(
        depthwise_conv2d_forward<T>(dy, turned, nullptr, detail::turned_window(window)), multiplier);
  }
  Tensor<T> sums = Tensor<T>::zeros(input.with(3, channels));
  T* dx = sums.edit().data();
  parallel_chunks(input[0], window.h.out * window.w.out * channels * window.taps(), [&](Chunk chunk) {
    ColumnGeometry geometry{window, 1, channels, 0, channels};
    const std::int64_t pixels = window.h.out * window.w.out, width = window.taps() * channels;
    Tensor<T> buffer(Shape{width});
    T* column = buffer.edit().data();
    for (std::int64_t n = chunk.first; n < chunk.last; ++n) {
      for (std::int64_t p = 0; p < pixels; ++p) {
        const T* gradient = dy.data() + (n * pixels + p) * channels;
        for (std::int64_t t = 0; t < window.taps(); ++t) {
          T* __restrict to = column + t * channels;
          const T* weight = w.data() + t * channels;
          detail::channel_lanes(channels, [=](std::int64_t c) { to[c] = gradient[c] * weight[c]; });
        }
        col2im_add(geometry, column, width, p, 1, dx + n * input[1] * input[2] * channels);
      }
    }
  });
  return detail::sum_repeated_channels(sums, multiplier);
}

/// Gradient of a depthwise convolution with respect to its weights. The image may consist of 8-bit codes: then its
/// values are code - zero_point, converted band by band in the cache (multiply the result by the scale).
/// Shapes:    x [N,H,W,C], dy [N,h,w,C*m] -> dw [1,kh,kw,C*m]
template <class T, class X>
Tensor<T> depthwise_conv2d_backward_weight(const Tensor<X>& x, const Tensor<T>& dy, const Window& window,
                                           std::int32_t zero_point = 0) {
  const detail::DepthwiseLines<T> lines = detail::depthwise_lines<T>();
  const std::int64_t channels = dy.shape()[3];
  const Tensor<X> image = detail::repeat_channels(x, channels / x.shape()[3]);
  const detail::Bands<T, X> bands(window, x.shape()[0], channels, zero_point);
  const std::int64_t size = window.taps() * channels;
  const std::int64_t chunks = std::min<std::int64_t>(16, std::max<std::int64_t>(bands.count(), 1));
  Tensor<T> partials = Tensor<T>::zeros({chunks, size});
  T* partial = partials.edit().data();
  parallel(chunks, [&](std::int64_t index) {
    T* sums = partial + index * size;
    detail::for_each_window_line(
        bands, image.data(), chunk_of(bands.count(), chunks, index),
        [&](const detail::WindowLine<T>& line, std::int64_t pixel) {
          lines.weight(line, window.w.out, channels, dy.data() + pixel * channels, sums);
        });
  });
  Tensor<T> result(Shape{1, window.h.kernel, window.w.kernel, channels});
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
  auto pull = [x = x.value(), w = w.value(), window](const Tensor<T>& dy, const auto& dx, const auto& dw) {
    if (dx.wanted()) dx.add(depthwise_conv2d_backward_input(dy, w, window, x.shape()));
    if (dw.wanted()) dw.add(depthwise_conv2d_backward_weight(x, dy, window));
  };
  return record_layer(std::move(y), x, w, b, std::move(pull));
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
