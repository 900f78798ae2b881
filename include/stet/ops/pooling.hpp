#pragma once
// Max, average and global average pooling: plain functions on tensors, and the operators on the tape.

#include <stet/autograd/tape.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/window.hpp>
#include <stet/ops/channel_lanes.hpp>

#include <algorithm>
#include <cstdint>

namespace stet {

/// Attributes of a pool; a stride of 0 means the size of the window.
struct PoolOptions {
  Pair size = 2;
  Pair stride = 0;
  Padding padding = Padding::valid();
  bool count_include_pad = false;  ///< average: divide by the whole window at borders too (PyTorch's default)
};

/// Resolves the window of a pool.
/// Errors:    Errc::shape if x is not [N,H,W,C], the window does not fit or explicit padding is as wide as the window;
///            Errc::range for impossible attributes
inline Window pool_window(const char* op, const Shape& x, const PoolOptions& options) {
  require(x.rank() == 4, Errc::shape, "{}: input must be [N,H,W,C], got {}", op, x);
  const Pair stride = options.stride == Pair(0) ? options.size : options.stride;
  const Padding& p = options.padding;
  require(std::max(p.top, p.bottom) < std::max(options.size.height, 1) &&
              std::max(p.left, p.right) < std::max(options.size.width, 1),
          Errc::shape, "{}: padding must be smaller than the window of {}x{}", op, options.size.height,
          options.size.width);
  return make_window(op, x[1], x[2], options.size, stride, 1, p);
}

/// Result of a max pool: values, and for every one the tap (row-major in the window) it came from.
template <class T>
struct MaxPooled {
  Tensor<T> y;
  Tensor<std::uint8_t> tap;
};

namespace detail {

// Part of a window that lies inside the image along one axis: taps [first, last).
struct TapRange {
  std::int64_t first, last, origin;
};
inline TapRange tap_range(const WindowAxis& a, std::int64_t out) {
  const std::int64_t origin = out * a.stride - a.before;
  const std::int64_t first = std::min(std::max<std::int64_t>(-origin, 0), a.kernel);
  return {first, std::max(std::min(a.kernel, a.in - origin), first), origin};
}

// Largest of a window's taps for `Count` channels from `image` on.
template <int Count, class T>
void max_taps(const Window& w, const TapRange& ys, const TapRange& xs, const T* image, std::int64_t channels,
              T* __restrict y, std::uint8_t* __restrict tap) {
  T best[static_cast<std::size_t>(Count)];
  std::int32_t winner[static_cast<std::size_t>(Count)];
  const auto at = [&](std::int64_t ky, std::int64_t kx) {
    return image + ((ys.origin + ky) * w.w.in + xs.origin + kx) * channels;
  };
  const T* first = at(ys.first, xs.first);
  const auto start = static_cast<std::int32_t>(ys.first * w.w.kernel + xs.first);
  fixed_lanes<Count>([&](int j) {
    best[j] = first[j];
    winner[j] = start;
  });
  for (std::int64_t ky = ys.first; ky < ys.last; ++ky) {
    for (std::int64_t kx = xs.first + (ky == ys.first ? 1 : 0); kx < xs.last; ++kx) {
      const T* from = at(ky, kx);
      const auto t = static_cast<std::int32_t>(ky * w.w.kernel + kx);
      fixed_lanes<Count>([&](int j) {
        const T value = from[j];
        const bool larger = (value > best[j]) | (value != value);  // NaN wins, the last one of several
        best[j] = larger ? value : best[j];
        winner[j] = larger ? t : winner[j];
      });
    }
  }
  fixed_lanes<Count>([&](int j) { y[j] = best[j]; });
  fixed_lanes<Count>([&](int j) { tap[j] = static_cast<std::uint8_t>(winner[j]); });
}

}  // namespace detail

/// Largest value of every window and channel; the first one of equals. Padding never wins; NaN does. Works on codes too.
/// Shapes:    x [N,H,W,C] -> y, tap [N,window.h.out,window.w.out,C]
/// Errors:    Errc::unsupported if the window has more than 256 taps
template <class T>
MaxPooled<T> max_pool_forward(const Tensor<T>& x, const Window& window) {
  require(window.taps() <= 256, Errc::unsupported, "max_pool: window of {}x{} has more than 256 taps", window.h.kernel,
          window.w.kernel);
  const std::int64_t channels = x.shape()[3];
  const Shape shape{x.shape()[0], window.h.out, window.w.out, channels};
  MaxPooled<T> result{Tensor<T>(shape), Tensor<std::uint8_t>(shape)};
  T* y = result.y.edit().data();
  std::uint8_t* tap = result.tap.edit().data();
  parallel_chunks(shape[0] * window.h.out, window.w.out * channels * window.taps(), [&](Chunk chunk) {
    for (std::int64_t l = chunk.first; l < chunk.last; ++l) {
      const T* image = x.data() + l / window.h.out * window.h.in * window.w.in * channels;
      const detail::TapRange ys = detail::tap_range(window.h, l % window.h.out);
      for (std::int64_t i = 0; i < window.w.out; ++i) {
        const detail::TapRange xs = detail::tap_range(window.w, i);
        const std::int64_t pixel = (l * window.w.out + i) * channels;
        std::int64_t c = 0;
        for (; c + detail::channel_block <= channels; c += detail::channel_block) {
          detail::max_taps<detail::channel_block>(window, ys, xs, image + c, channels, y + pixel + c, tap + pixel + c);
        }
        for (; c < channels; ++c) {
          detail::max_taps<1>(window, ys, xs, image + c, channels, y + pixel + c, tap + pixel + c);
        }
      }
    }
  });
  return result;
}

/// Sends every gradient to the tap that won.
/// Shapes:    dy, tap [N,h,w,C] -> dx of shape `input`
template <class T>
Tensor<T> max_pool_backward(const Tensor<T>& dy, const Tensor<std::uint8_t>& tap, const Window& window,
                            const Shape& input) {
  Tensor<T> result(input);
  T* dx = result.edit().data();
  const std::int64_t channels = input[3];
  const std::int64_t image = input.product(1, 4);
  const auto tiled = [](const WindowAxis& a) {
    return a.stride == a.kernel && a.before == 0 && a.out * a.stride == a.in;
  };
  const bool once = tiled(window.h) && tiled(window.w);  // every pixel lies in one window: nothing to add up
  parallel_chunks(input[0], window.h.out * window.w.out * channels * window.taps(), [&](Chunk chunk) {
    if (!once) std::fill_n(dx + chunk.first * image, chunk.size() * image, T{0});
    for (std::int64_t l = chunk.first * window.h.out; l < chunk.last * window.h.out; ++l) {
      T* to_image = dx + l / window.h.out * image;
      const detail::TapRange ys = detail::tap_range(window.h, l % window.h.out);
      for (std::int64_t i = 0; i < window.w.out; ++i) {
        const detail::TapRange xs = detail::tap_range(window.w, i);
        const T* __restrict gradient = dy.data() + (l * window.w.out + i) * channels;
        const std::uint8_t* __restrict winner = tap.data() + (l * window.w.out + i) * channels;
        for (std::int64_t ky = ys.first; ky < ys.last; ++ky) {
          for (std::int64_t kx = xs.first; kx < xs.last; ++kx) {
            T* __restrict to = to_image + ((ys.origin + ky) * window.w.in + xs.origin + kx) * channels;
            const auto t = static_cast<std::uint8_t>(ky * window.w.kernel + kx);
            if (once) {
              detail::channel_lanes(channels, [=](std::int64_t c) {
                const T g = gradient[c];
                to[c] = winner[c] == t ? g : T{0};
              });
            } else {
              detail::channel_lanes(channels, [=](std::int64_t c) {
                const T g = gradient[c];
                to[c] += winner[c] == t ? g : T{0};
              });
            }
          }
        }
      }
    }
  });
  return result;
}

namespace detail {

// Calls f(output element, input element, divisor) for every output pixel and tap inside the image of images [first, last).
template <class F>
void visit_pool(const Window& w, std::int64_t channels, bool count_pad, std::int64_t first, std::int64_t last, F&& f) {
  for (std::int64_t l = first * w.h.out; l < last * w.h.out; ++l) {
    const TapRange ys = tap_range(w.h, l % w.h.out);
    for (std::int64_t i = 0; i < w.w.out; ++i) {
      const TapRange xs = tap_range(w.w, i);
      const std::int64_t inside = (ys.last - ys.first) * (xs.last - xs.first);
      const std::int64_t divisor = count_pad ? w.taps() : std::max<std::int64_t>(inside, 1);
      for (std::int64_t ky = ys.first; ky < ys.last; ++ky) {
        for (std::int64_t kx = xs.first; kx < xs.last; ++kx) {
          f((l * w.w.out + i) * channels,
            ((l / w.h.out * w.h.in + ys.origin + ky) * w.w.in + xs.origin + kx) * channels, divisor);
        }
      }
    }
  }
}

}  // namespace detail

/// Mean of every window and channel. Padding counts only if `count_include_pad`.
/// Shapes:    x [N,H,W,C] -> y [N,window.h.out,window.w.out,C]
template <class T>
Tensor<T> avg_pool_forward(const Tensor<T>& x, const Window& window, bool count_include_pad) {
  const std::int64_t channels = x.shape()[3];
  Tensor<T> result = Tensor<T>::zeros({x.shape()[0], window.h.out, window.w.out, channels});
  T* y = result.edit().data();
  const T* from = x.data();
  parallel_chunks(x.shape()[0], window.h.out * window.w.out * channels * window.taps(), [&](Chunk chunk) {
    detail::visit_pool(window, channels, count_include_pad, chunk.first, chunk.last,
                       [&](std::int64_t out, std::int64_t in, std::int64_t divisor) {
                         const T share = T{1} / static_cast<T>(divisor);
                         detail::channel_lanes(channels, [=](std::int64_t c) { y[out + c] += from[in + c] * share; });
                       });
  });
  return result;
}

/// Shapes:    dy [N,h,w,C] -> dx of shape `input`
template <class T>
Tensor<T> avg_pool_backward(const Tensor<T>& dy, const Window& window, bool count_include_pad, const Shape& input) {
  const std::int64_t channels = input[3];
  Tensor<T> result = Tensor<T>::zeros(input);
  T* dx = result.edit().data();
  const T* gradient = dy.data();
  parallel_chunks(input[0], window.h.out * window.w.out * channels * window.taps(), [&](Chunk chunk) {
    detail::visit_pool(window, channels, count_include_pad, chunk.first, chunk.last,
                       [&](std::int64_t out, std::int64_t in, std::int64_t divisor) {
                         const T share = T{1} / static_cast<T>(divisor);
                         detail::channel_lanes(channels,
                                               [=](std::int64_t c) { dx[in + c] += gradient[out + c] * share; });
                       });
  });
  return result;
}

/// Mean over height and width, in double.
/// Shapes:    x [N,H,W,C] -> y [N,C]
/// Errors:    Errc::shape if x is not [N,H,W,C] or an image has no pixel
template <class T>
Tensor<T> global_average_pool_forward(const Tensor<T>& x) {
  require(x.shape().rank() == 4, Errc::shape, "global_average_pool: input must be [N,H,W,C], got {}", x.shape());
  const std::int64_t pixels = x.shape()[1] * x.shape()[2], channels = x.shape()[3];
  require(pixels > 0, Errc::shape, "global_average_pool: input {} has no pixels", x.shape());
  Tensor<T> result(Shape{x.shape()[0], channels});
  T* y = result.edit().data();
  parallel_chunks(x.shape()[0], pixels * channels, [&](Chunk chunk) {
    Tensor<double> sums(Shape{channels});
    double* __restrict sum = sums.edit().data();
    for (std::int64_t n = chunk.first; n < chunk.last; ++n) {
      std::fill_n(sum, channels, 0.0);
      for (std::int64_t p = 0; p < pixels; ++p) {
        const T* __restrict from = x.data() + (n * pixels + p) * channels;
        detail::channel_lanes(channels, [=](std::int64_t c) { sum[c] += static_cast<double>(from[c]); });
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        y[n * channels + c] = static_cast<T>(sum[c] / static_cast<double>(pixels));
      }
    }
  });
  return result;
}

/// Shapes:    dy [N,C] -> dx of shape `input` [N,H,W,C]
template <class T>
Tensor<T> global_average_pool_backward(const Tensor<T>& dy, const Shape& input) {
  const std::int64_t pixels = input[1] * input[2], channels = input[3];
  Tensor<T> result(input);
  T* dx = result.edit().data();
  const T share = T{1} / static_cast<T>(pixels);
  parallel_chunks(input[0], pixels * channels, [&](Chunk chunk) {
    for (std::int64_t p = chunk.first * pixels; p < chunk.last * pixels; ++p) {
      const T* __restrict from = dy.data() + p / pixels * channels;
      T* __restrict to = dx + p * channels;
      detail::channel_lanes(channels, [=](std::int64_t c) { to[c] = from[c] * share; });
    }
  });
  return result;
}

/// Max pooling on the tape.
/// Formula:   y[n,i,j,c] = largest of the window's values inside the image
/// Shapes:    x [N,H,W,C] -> y [N,h,w,C]
/// Gradient:  all of dy to the first largest value; NaN propagates and takes the gradient
/// Errors:    as pool_window; Errc::unsupported beyond 256 taps
template <class T>
Var<Tensor<T>> max_pool(const Var<Tensor<T>>& x, const PoolOptions& options = {}) {
  const Window window = pool_window("max_pool", x.shape(), options);
  MaxPooled<T> pooled = max_pool_forward(x.value(), window);
  return record(std::move(pooled.y), std::tie(x),
                [tap = std::move(pooled.tap), window, input = x.shape()](const Tensor<T>& dy, auto dx) {
                  dx.add(max_pool_backward(dy, tap, window, input));
                });
}

/// Average pooling on the tape.
/// Formula:   y[n,i,j,c] = mean of the window's values inside the image (of all taps if count_include_pad)
/// Shapes:    x [N,H,W,C] -> y [N,h,w,C]
/// Gradient:  dy / count to every value of the window
/// Errors:    as pool_window
template <class T>
Var<Tensor<T>> avg_pool(const Var<Tensor<T>>& x, const PoolOptions& options = {}) {
  const Window window = pool_window("avg_pool", x.shape(), options);
  Tensor<T> y = avg_pool_forward(x.value(), window, options.count_include_pad);
  return record(std::move(y), std::tie(x),
                [window, count = options.count_include_pad, input = x.shape()](const Tensor<T>& dy, auto dx) {
                  dx.add(avg_pool_backward(dy, window, count, input));
                });
}

/// Mean over height and width on the tape.
/// Shapes:    x [N,H,W,C] -> y [N,C]
/// Gradient:  dy / (H W)
/// Errors:    Errc::shape if x is not [N,H,W,C] or an image has no pixel
template <class T>
Var<Tensor<T>> global_average_pool(const Var<Tensor<T>>& x) {
  Tensor<T> y = global_average_pool_forward(x.value());
  return record(std::move(y), std::tie(x),
                [input = x.shape()](const Tensor<T>& dy, auto dx) { dx.add(global_average_pool_backward(dy, input)); });
}

}  // namespace stet
