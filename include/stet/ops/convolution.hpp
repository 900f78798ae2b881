#pragma once
// Two-dimensional convolution: plain functions on tensors, and the operator on the tape.

#include <stet/autograd/tape.hpp>
#include <stet/core/gemm.hpp>
#include <stet/core/im2col.hpp>
#include <stet/core/lanes.hpp>
#include <stet/ops/bands.hpp>
#include <stet/ops/record_layer.hpp>
#include <stet/ops/scale_shift.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace stet {

/// Attributes of a convolution whose weights are given.
struct ConvOptions {
  Pair stride = 1;
  Padding padding = Padding::same();
  Pair dilation = 1;
  int groups = 1;
};

namespace detail {

// Where the taps of a window lie in a row of A: runs as long as the memory allows.
template <class T, class X>
std::vector<std::int64_t> window_segments(const Bands<T, X>& bands, int groups) {
  const Window& w = bands.window;
  const bool lines = w.w.dilation == 1 && groups == 1;
  std::vector<std::int64_t> segments;
  for (std::int64_t ky = 0; ky < w.h.kernel; ++ky) {
    for (std::int64_t kx = 0; kx < (lines ? 1 : w.w.kernel); ++kx) segments.push_back(bands.tap(ky, kx));
  }
  return segments;
}

// Convolution with weights that are already packed: one group of panels [depth, filters] after the other. `tail` is applied
// to the results while they are in the cache.
template <class T>
Tensor<T> convolve(const Tensor<T>& x, const T* packed, std::int64_t filters, const T* bias, const Window& w,
                   int groups, const ScaleShift<T>& tail = ScaleShift<T>()) {
  const Bands<T> bands(w, x.shape()[0], x.shape()[3]);
  const std::int64_t channels = bands.channels / groups;
  const std::int64_t group_filters = filters / groups;
  const std::vector<std::int64_t> segments = window_segments(bands, groups);
  const auto segment_count = static_cast<std::int64_t>(segments.size());
  const std::int64_t total = w.taps() * channels;
  const Depth depth{segments.data(), segment_count, total / segment_count, 1};
  Tensor<T> result(Shape{bands.batch, w.h.out, w.w.out, filters});
  T* y = result.edit().data();
  const std::int64_t together = bands.together(2 * product_block);
  parallel_blocks(bands.count(), together, bands.pixels() * total, [&](Chunk chunk) {
    Tensor<T> buffer(Shape{bands.buffer_size(together)});
    Tensor<std::int64_t> offsets(Shape{together * bands.pixels()});
    T* memory = buffer.edit().data();
    std::int64_t* offset = offsets.edit().data();
    for (std::int64_t line = 0; line < together * bands.band_lines; ++line) {  // a division per pixel would show for one image
      const std::int64_t first = bands.offset(line, 0);
      for (std::int64_t i = 0; i < w.w.out; ++i) offset[line * w.w.out + i] = first + i * w.w.stride * bands.channels;
    }
    for (std::int64_t i = chunk.first; i < chunk.last; i += together) {
      const auto band = bands.load(x.data(), i, memory, std::min(together, chunk.last - i));
      T* out = y + band.first_pixel(w) * filters;
      for (std::int64_t g = 0; g < groups; ++g) {
        const T* data = band.data + g * channels;
        product<T>(
            band.lines * w.w.out, group_filters, [&](std::int64_t p) { return data + offset[p]; }, depth,
            Panels<T>{packed + g * total * padded_width<T>(group_filters), 0}, out + g * group_filters, filters,
            Start<T>{bias == nullptr ? nullptr : bias + g * group_filters, 0});
      }
      tail.apply(out, band.lines * w.w.out * filters);
    }
  });
  return result;
}

// Window of the convolution that takes gradients back through a window of stride 1, with the kernel turned around.
inline Window turned_window(const Window& w) {
  const auto turned = [](const WindowAxis& a) {
    return WindowAxis{a.out, a.in, a.kernel, 1, a.dilation, (a.kernel - 1) * a.dilation - a.before};
  };
  return {turned(w.h), turned(w.w)};
}

}  // namespace detail

/// Checks the shapes of a convolution and resolves its window.
/// Errors:    Errc::shape if ranks, channels, filters or bias do not fit; Errc::range for impossible attributes
inline Window conv2d_window(const Shape& x, const Shape& w, const Shape* bias, const ConvOptions& options) {
  require(x.rank() == 4, Errc::shape, "conv2d: input must be [N,H,W,C], got {}", x);
  require(w.rank() == 4, Errc::shape, "conv2d: weight must be [O,kh,kw,C/groups], got {}", w);
  require(options.groups >= 1, Errc::range, "conv2d: groups is {}, must be at least 1", options.groups);
  require(x[3] % options.groups == 0 && w[0] % options.groups == 0, Errc::shape,
          "conv2d: groups {} must divide input channels {} and filters {}", options.groups, x[3], w[0]);
  require(w[3] * options.groups == x[3], Errc::shape,
          "conv2d: weight expects {} input channels, input has {} (input {}, weight {}, groups {})",
          w[3] * options.groups, x[3], x, w, options.groups);
  require(bias == nullptr || *bias == Shape{w[0]}, Errc::shape, "conv2d: bias must be [{}], got {}", w[0],
          bias == nullptr ? Shape{} : *bias);
  return make_window("conv2d", x[1], x[2], Pair(static_cast<int>(w[1]), static_cast<int>(w[2])), options.stride,
                     options.dilation, options.padding);
}

/// The weights of a convolution in the order of the product kernel, for conv2d_packed.
/// Shapes:    w [O,kh,kw,C/groups]
template <class T>
Tensor<T> pack_filters(const Tensor<T>& w, int groups) {
  const std::int64_t filters = w.shape()[0] / groups;
  const std::int64_t depth = w.shape().product(1, 4);
  Tensor<T> packed(Shape{groups * depth * padded_width<T>(filters)});
  T* panels = packed.edit().data();
  for (std::int64_t g = 0; g < groups; ++g) {
    const T* from = w.data() + g * filters * depth;
    pack_transposed_panels(depth, filters, from, depth, panels + g * depth * padded_width<T>(filters));
  }
  return packed;
}

/// conv2d_forward with weights that pack_filters packed, and `tail` applied to its results.
template <class T>
Tensor<T> conv2d_packed(const Tensor<T>& x, const Tensor<T>& packed, std::int64_t filters, const Tensor<T>* bias,
                        const Window& window, int groups, const ScaleShift<T>& tail = ScaleShift<T>()) {
  return detail::convolve(x, packed.data(), filters, bias == nullptr ? nullptr : bias->data(), window, groups, tail);
}

/// Convolves a batch of images.
/// Formula:   y[n,i,j,o] = b[o] + sum over taps and channels of x[n, i*stride - before + ky*dilation, ..., c] * w[o,ky,kx,c]
/// Shapes:    x [N,H,W,C], w [O,kh,kw,C/groups], bias [O] or null -> y [N,window.h.out,window.w.out,O]
template <class T>
Tensor<T> conv2d_forward(const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>* bias, const Window& window,
                         int groups) {
  return conv2d_packed(x, pack_filters(w, groups), w.shape()[0], bias, window, groups);
}

/// Gradient of a convolution with respect to its input.
/// Shapes:    dy [N,h,w,O], w [O,kh,kw,C/groups] -> dx of shape `input`
template <class T>
Tensor<T> conv2d_backward_input(const Tensor<T>& dy, const Tensor<T>& w, const Window& window, int groups,
                                const Shape& input) {
  const std::int64_t filters = w.shape()[0] / groups;
  const std::int64_t channels = w.shape()[3];
  const std::int64_t taps = window.taps();
  if (window.h.stride == 1 && window.w.stride == 1) {
    // A convolution of dy with the kernel turned around.
    const std::int64_t depth = taps * filters;
    Tensor<T> packed(Shape{groups * depth * padded_width<T>(channels)});
    T* panels = packed.edit().data();
    for (std::int64_t g = 0; g < groups; ++g) {
      const T* from = w.data() + g * filters * taps * channels;
      pack_panels(
          depth, channels,
          [=](std::int64_t k, std::int64_t c) {
            return from[(k % filters * taps + taps - 1 - k / filters) * channels + c];
          },
          panels + g * depth * padded_width<T>(channels));
    }
    return detail::convolve(dy, packed.data(), input[3], static_cast<const T*>(nullptr), detail::turned_window(window),
                            groups);
  }
  // Columns of gradients, block by block, added onto the image they came from.
  const std::int64_t width = taps * channels;
  Tensor<T> packed(Shape{groups * filters * padded_width<T>(width)});
  T* panels = packed.edit().data();
  for (std::int64_t g = 0; g < groups; ++g) {
    const T* from = w.data() + g * filters * width;
    pack_panels(
        filters, width, [=](std::int64_t k, std::int64_t j) { return from[k * width + j]; },
        panels + g * filters * padded_width<T>(width));
  }
  Tensor<T> result(input);
  T* dx = result.edit().data();
  const std::int64_t pixels = window.h.out * window.w.out;
  const std::int64_t image = input.product(1, 4);
  // Several small images at a time, so that products have rows enough.
  const std::int64_t images = std::max<std::int64_t>(2 * product_block / std::max<std::int64_t>(pixels, 1), 1);
  parallel_blocks(input[0], images, pixels * width * filters, [&](Chunk chunk) {
    ColumnGeometry geometry{window, input[0], input[3], 0, channels};
    const std::int64_t block = std::min(chunk.size() * pixels, geometry.block_rows(sizeof(T)));
    Tensor<T> buffer(Shape{block, width});
    T* columns = buffer.edit().data();
    const std::int64_t start = 0;
    std::fill_n(dx + chunk.first * image, chunk.size() * image, T{0});
    for (std::int64_t g = 0; g < groups; ++g) {
      geometry.first_channel = g * channels;
      for (std::int64_t first = chunk.first * pixels; first < chunk.last * pixels; first += block) {
        const std::int64_t count = std::min(block, chunk.last * pixels - first);
        const T* rows = dy.data() + first * w.shape()[0] + g * filters;
        product<T>(
            count, width, [&](std::int64_t r) { return rows + r * w.shape()[0]; }, Depth{&start, 1, filters, 1},
            Panels<T>{panels + g * filters * padded_width<T>(width), 0}, columns, width, Start<T>{nullptr, 0});
        col2im_add(geometry, columns, width, first, count, dx);
      }
    }
  });
  return result;
}

namespace detail {

// Sum of matrices [groups][depth, filters], in their order, as [groups][filters, depth].
template <class T>
void add_transposed(const T* matrices, std::int64_t count, std::int64_t groups, std::int64_t depth, std::int64_t filters,
                    T* out) {
  constexpr std::int64_t rows = 16;  // of a block: what is written of a column is a line of the cache
  const std::int64_t size = groups * depth * filters, blocks = (depth + rows - 1) / rows;
  parallel_chunks(groups * blocks, rows * filters * count, [&](Chunk chunk) {
    Tensor<T> memory(Shape{rows * filters});
    T* sum = memory.edit().data();
    for (std::int64_t b = chunk.first; b < chunk.last; ++b) {
      const std::int64_t g = b / blocks, first = b % blocks * rows, height = std::min(rows, depth - first);
      const T* from = matrices + (g * depth + first) * filters;
      lanes(height * filters, [=](std::int64_t i) { sum[i] = T{0} + from[i]; });
      for (std::int64_t c = 1; c < count; ++c) {
        const T* next = from + c * size;
        lanes(height * filters, [=](std::int64_t i) { sum[i] += next[i]; });
      }
      for (std::int64_t o = 0; o < filters; ++o) {
        T* to = out + (g * filters + o) * depth + first;
        for (std::int64_t k = 0; k < height; ++k) to[k] = sum[k * filters + o];
      }
    }
  });
}

}  // namespace detail

/// Gradient of a convolution with respect to its weights. The image may consist of 8-bit codes: then its values are
/// code - zero_point, converted band by band in the cache (multiply the result by the scale).
/// Shapes:    x [N,H,W,C], dy [N,h,w,O] -> dw [O,kh,kw,C/groups]
template <class T, class X>
Tensor<T> conv2d_backward_weight(const Tensor<X>& x, const Tensor<T>& dy, const Window& window, int groups,
                                 std::int32_t zero_point = 0) {
  const detail::Bands<T, X> bands(window, x.shape()[0], x.shape()[3], zero_point);
  const std::int64_t all_filters = dy.shape()[3];
  const std::int64_t filters = all_filters / groups;
  const std::int64_t channels = bands.channels / groups;
  const std::int64_t depth = window.taps() * channels;
  const std::int64_t padded = padded_width<T>(filters);
  const bool copy = padded != filters;  // vectors would read past a row of dy
  Tensor<std::int64_t> taps(Shape{depth});
  std::int64_t* tap = taps.edit().data();
  for (std::int64_t k = 0; k < depth; ++k) {
    const std::int64_t t = k / channels;
    tap[k] = bands.tap(t / window.w.kernel, t % window.w.kernel) + k % channels;
  }
  const std::int64_t together = bands.together(64);
  std::vector<std::int64_t> lines;
  for (std::int64_t l = 0; l < together * bands.band_lines; ++l) lines.push_back(bands.offset(l, 0));

  // Partial sums [chunk][group][tap, filter], the transposed weights, added up in the order of the chunks.
  const std::int64_t size = depth * all_filters;
  const std::int64_t affordable = std::max<std::int64_t>((std::int64_t{4} << 20) / std::max<std::int64_t>(size, 1), 2);
  const std::int64_t chunks =
      std::max<std::int64_t>(std::min(std::min<std::int64_t>(16, affordable), bands.count()), 1);
  Tensor<T> partials(Shape{chunks, size});
  T* partial = partials.edit().data();
  parallel(chunks, [&](std::int64_t index) {
    T* sums = partial + index * size;
    std::fill_n(sums, size, T{0});
    Tensor<T> buffer(Shape{bands.buffer_size(together)});
    T* memory = buffer.edit().data();
    Tensor<T> rows(Shape{copy ? together * bands.pixels() * padded : 0});
    T* copied = rows.edit().data();
    const Chunk chunk = chunk_of(bands.count(), chunks, index);
    for (std::int64_t i = chunk.first; i < chunk.last; i += together) {
      const auto band = bands.load(x.data(), i, memory, std::min(together, chunk.last - i));
      const Depth pixels{lines.data(), band.lines, window.w.out, window.w.stride * bands.channels};
      for (std::int64_t g = 0; g < groups; ++g) {
        const T* right = dy.data() + band.first_pixel(window) * all_filters + g * filters;
        std::int64_t stride = all_filters;
        if (copy) {
          for (std::int64_t p = 0; p < pixels.total(); ++p) {
            std::copy_n(right + p * all_filters, filters, copied + p * padded);
            std::fill_n(copied + p * padded + filters, padded - filters, T{0});
          }
          right = copied;
          stride = padded;
        }
        const T* left = band.data + g * channels;
        T* to = sums + g * depth * filters;
        product<T>(
            depth, filters, [&](std::int64_t k) { return left + tap[k]; }, pixels, Panels<T>{right, stride}, to,
            filters, Start<T>{to, filters});
      }
    }
  });
  Tensor<T> result(Shape{all_filters, window.h.kernel, window.w.kernel, channels});
  detail::add_transposed(partial, chunks, groups, depth, filters, result.edit().data());
  return result;
}

namespace detail {

template <class T>
Var<Tensor<T>> record_conv2d(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>* b,
                             const ConvOptions& options) {
  const Window window = conv2d_window(x.shape(), w.shape(), b == nullptr ? nullptr : &b->shape(), options);
  Tensor<T> y = conv2d_forward(x.value(), w.value(), b == nullptr ? nullptr : &b->value(), window, options.groups);
  auto pull = [x = x.value(), w = w.value(), window, groups = options.groups](const Tensor<T>& dy, const auto& dx,
                                                                              const auto& dw) {
    if (dx.wanted()) dx.add(conv2d_backward_input(dy, w, window, groups, x.shape()));
    if (dw.wanted()) dw.add(conv2d_backward_weight(x, dy, window, groups));
  };
  return record_layer(std::move(y), x, w, b, std::move(pull));
}

}  // namespace detail

/// Convolution on the tape, without bias.
/// Formula:   as conv2d_forward
/// Shapes:    x [N,H,W,C], w [O,kh,kw,C/groups] -> y [N,h,w,O]
/// Gradient:  dx = transposed convolution of dy with w; dw[o,ky,kx,c] = sum over pixels of dy * x
/// Errors:    as conv2d_window
template <class T>
Var<Tensor<T>> conv2d(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const ConvOptions& options = {}) {
  return detail::record_conv2d<T>(x, w, nullptr, options);
}

/// Convolution on the tape, with bias.
/// Shapes:    x [N,H,W,C], w [O,kh,kw,C/groups], b [O] -> y [N,h,w,O]
/// Gradient:  as without bias; db[o] = sum over pixels of dy
template <class T>
Var<Tensor<T>> conv2d(const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>& b,
                      const ConvOptions& options = {}) {
  return detail::record_conv2d(x, w, &b, options);
}

}  // namespace stet
