#pragma once
// im2col over blocks of output pixels, so that a block of columns stays in the second-level cache, and its transpose.

#include <stet/core/lanes.hpp>
#include <stet/core/window.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace stet {

/// Columns of a convolution: row r is output pixel r of the whole batch (n, then y, then x), holding the window's taps
/// in the order kernel row, kernel column, channel.
struct ColumnGeometry {
  Window window;
  std::int64_t batch = 1;
  std::int64_t channels = 1;       ///< channels of the input image (the pixel stride)
  std::int64_t first_channel = 0;  ///< first channel of the group
  std::int64_t group_channels = 1; ///< channels of the group

  [[nodiscard]] std::int64_t rows() const { return batch * window.h.out * window.w.out; }
  [[nodiscard]] std::int64_t depth() const { return window.taps() * group_channels; }
  /// Rows of a block: about 128 KiB of columns, at least 64 rows, from the shape alone.
  [[nodiscard]] std::int64_t block_rows(std::int64_t element_bytes) const {
    const std::int64_t row = std::max<std::int64_t>(depth() * element_bytes, 1);
    return std::clamp<std::int64_t>((std::int64_t{128} << 10) / row / 8 * 8, 64, 2048);
  }
};

namespace detail {

// Visits the taps of rows [first, first+count): tap(row, offset into the column row, image element offset or -1).
// Runs of taps that are neighbours in the image are passed as one (length in elements).
template <class F>
[[gnu::always_inline]] inline void visit_columns(const ColumnGeometry& g, std::int64_t first, std::int64_t count,
                                                 F&& tap) {
  const Window& w = g.window;
  const std::int64_t pixels = w.h.out * w.w.out;
  std::int64_t n = first / pixels;
  std::int64_t y = first % pixels / w.w.out;
  std::int64_t x = first % w.w.out;
  const bool whole_row = w.w.dilation == 1 && g.group_channels == g.channels;
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t iy0 = y * w.h.stride - w.h.before;
    const std::int64_t ix0 = x * w.w.stride - w.w.before;
    std::int64_t offset = 0;
    for (std::int64_t ky = 0; ky < w.h.kernel; ++ky) {
      const std::int64_t iy = iy0 + ky * w.h.dilation;
      const bool inside_y = iy >= 0 && iy < w.h.in;
      const std::int64_t line = ((n * w.h.in + iy) * w.w.in) * g.channels + g.first_channel;
      if (!inside_y) {
        tap(r, offset, std::int64_t{-1}, w.w.kernel * g.group_channels);
        offset += w.w.kernel * g.group_channels;
      } else if (whole_row) {
        const std::int64_t left = std::clamp<std::int64_t>(-ix0, 0, w.w.kernel);
        const std::int64_t right = std::clamp<std::int64_t>(w.w.in - ix0, left, w.w.kernel);
        const std::int64_t c = g.channels;
        if (left > 0) tap(r, offset, std::int64_t{-1}, left * c);
        if (right > left) tap(r, offset + left * c, line + (ix0 + left) * c, (right - left) * c);
        if (right < w.w.kernel) tap(r, offset + right * c, std::int64_t{-1}, (w.w.kernel - right) * c);
        offset += w.w.kernel * c;
      } else {
        for (std::int64_t kx = 0; kx < w.w.kernel; ++kx) {
          const std::int64_t ix = ix0 + kx * w.w.dilation;
          const bool inside = ix >= 0 && ix < w.w.in;
          tap(r, offset, inside ? line + ix * g.channels : std::int64_t{-1}, g.group_channels);
          offset += g.group_channels;
        }
      }
    }
    if (++x == w.w.out) {
      x = 0;
      if (++y == w.h.out) {
        y = 0;
        ++n;
      }
    }
  }
}

}  // namespace detail

/// Copies the columns of rows [first, first+count) into out (row stride `stride` >= depth elements); taps outside the
/// image get `pad`. Elements between depth and stride are left alone.
template <class T>
void im2col(const ColumnGeometry& g, const T* image, std::int64_t first, std::int64_t count, T pad, T* out,
            std::int64_t stride) {
  detail::visit_columns(g, first, count,
                        [&](std::int64_t r, std::int64_t offset, std::int64_t source, std::int64_t length) {
                          T* to = out + r * stride + offset;
                          if (source < 0) {
                            for (std::int64_t i = 0; i < length; ++i) to[i] = pad;
                          } else {
                            const T* from = image + source;
                            for (std::int64_t i = 0; i < length; ++i) to[i] = from[i];
                          }
                        });
}

/// Adds the columns of rows [first, first+count) back onto the image: the transpose of im2col.
template <class T>
void col2im_add(const ColumnGeometry& g, const T* columns, std::int64_t stride, std::int64_t first, std::int64_t count,
                T* image) {
  detail::visit_columns(g, first, count,
                        [&](std::int64_t r, std::int64_t offset, std::int64_t source, std::int64_t length) {
                          if (source < 0) return;
                          const T* from = columns + r * stride + offset;
                          T* to = image + source;
                          lanes(length, [=](std::int64_t i) { to[i] += from[i]; });
                        });
}

}  // namespace stet
