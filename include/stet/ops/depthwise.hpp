#pragma once
// Depthwise convolution: every input channel has its own `multiplier` kernels.

#include <stet/autograd/tape.hpp>
#include <stet/ops/bands.hpp>
#include <stet/ops/channel_lanes.hpp>
#include <stet/ops/convolution.hpp>
#include <stet/ops/record_layer.hpp>

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

// Where the windows of one output line lie: pixel x, tap t at data[x * step + taps[t]].
template <class T>
struct WindowLine {
  const T* data;
  std::int64_t step;
  const std::int64_t* taps;
  std::int64_t tap_count;
};

template <class V, class T>
[[gnu::always_inline]] inline V load(const T* from) {
  V value;
  std::memcpy(&value, from, sizeof(V));
  return value;
}

// One output line of as many channels as V holds (a vector, or one element): four pixels share every weight.
template <class V, class T>
void depthwise_line(const WindowLine<T>& line, std::int64_t pixels, std::int64_t channels, const T* w, V start, T* y) {
  std::int64_t x = 0;
  for (; x + 4 <= pixels; x += 4) {
    const T* from = line.data + x * line.step;
    V a = start, b = start, c = start, d = start;
    for (std::int64_t t = 0; t < line.tap_count; ++t) {
      const V weight = load<V>(w + t * channels);
      const T* at = from + line.taps[t];
      a += load<V>(at) * weight;
      b += load<V>(at + line.step) * weight;
      c += load<V>(at + 2 * line.step) * weight;
      d += load<V>(at + 3 * line.step) * weight;
    }
    T* to = y + x * channels;
    std::memcpy(to, &a, sizeof(V));
    std::memcpy(to + channels, &b, sizeof(V));
    std::memcpy(to + 2 * channels, &c, sizeof(V));
    std::memcpy(to + 3 * channels, &d, sizeof(V));
  }
  for (; x < pixels; ++x) {
    const T* from = line.data + x * line.step;
    V a = start;
    for (std::int64_t t = 0; t < line.tap_count; ++t) a += load<V>(from + line.taps[t]) * load<V>(w + t * channels);
    std::memcpy(y + x * channels, &a, sizeof(V));
  }
}

// Adds the products of one line of gradients with Taps neighbouring taps, for as many channels as V holds.
template <class V, int Taps, class T>
void depthwise_line_weight(const WindowLine<T>& line, std::int64_t first, std::int64_t pixels, std::int64_t channels,
                           const T* dy, T* sums) {
  V sum[static_cast<std::size_t>(Taps)];
  for (int t = 0; t < Taps; ++t) sum[t] = load<V>(sums + (first + t) * channels);
  for (std::int64_t x = 0; x < pixels; ++x) {
    const V gradient = load<V>(dy + x * channels);
    for (int t = 0; t < Taps; ++t) sum[t] += load<V>(line.data + x * line.step + line.taps[first + t]) * gradient;
  }
  for (int t = 0; t < Taps; ++t) std::memcpy(sums + (first + t) * channels, &sum[t], sizeof(V));
}
template <class V, class T>
void depthwise_line_weights(const WindowLine<T>& line, std::int64_t pixels, std::int64_t channels, const T* dy,
                            T* sums) {
  std::int64_t t = 0;
  for (; t + 3 <= line.tap_count; t += 3) depthwise_line_weight<V, 3>(line, t, pixels, channels, dy, sums);
  for (; t < line.tap_count; ++t) depthwise_line_weight<V, 1>(line, t, pixels, channels, dy, sums);
}

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
/// Shapes:    x [N,H,W,C], w [1,kh,kw,C*m], bias [C*m] or null -> y [N,window.h.out,window.w.out,C*m]
template <class T>
Tensor<T> depthwise_conv2d_forward(const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>* bias,
                                   const Window& window) {
  using V = typename VectorOf<T>::type;
  const std::int64_t channels = w.shape()[3];
  const Tensor<T> image = detail::repeat_channels(x, channels / x.shape()[3]);
  const detail::Bands<T> bands(window, x.shape()[0], channels);
  Tensor<T> result(Shape{x.shape()[0], window.h.out, window.w.out, channels});
  T* y = result.edit().data();
  const Tensor<T> starts = bias == nullptr ? Tensor<T>::zeros({channels}) : *bias;
  parallel_chunks(bands.count(), bands.pixels() * channels * window.taps(), [&](Chunk chunk) {
    detail::for_each_window_line(
        bands, image.data(), chunk, [&](const detail::WindowLine<T>& line, std::int64_t pixel) {
          T* to = y + pixel * channels;
          std::int64_t c = 0;
          for (; c + vector_width<T> <= channels; c += vector_width<T>) {
            const detail::WindowLine<T> part{line.data + c, line.step, line.taps, line.tap_count};
            detail::depthwise_line(part, window.w.out, channels, w.data() + c, detail::load<V>(starts.data() + c),
                                   to + c);
          }
          for (; c < channels; ++c) {
            const detail::WindowLine<T> part{line.data + c, line.step, line.taps, line.tap_count};
            detail::depthwise_line(part, window.w.out, channels, w.data() + c, starts[c], to + c);
          }
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
  using V = typename VectorOf<T>::type;
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
          const T* gradient = dy.data() + pixel * channels;
          std::int64_t c = 0;
          for (; c + vector_width<T> <= channels; c += vector_width<T>) {
            const detail::WindowLine<T> part{line.data + c, line.step, line.taps, line.tap_count};
            detail::depthwise_line_weights<V>(part, window.w.out, channels, gradient + c, sums + c);
          }
          for (; c < channels; ++c) {
            const detail::WindowLine<T> part{line.data + c, line.step, line.taps, line.tap_count};
            detail::depthwise_line_weights<T>(part, window.w.out, channels, gradient + c, sums + c);
          }
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
