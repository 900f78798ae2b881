#pragma once
// Bands: a convolution's input cut into a few output lines at a time, padded (and converted from codes) into a buffer
// that stays in the cache, where the product kernel reads every window in place. No columns are ever written.

#include <stet/core/gemm_kernel.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/core/vectorized.hpp>
#include <stet/core/window.hpp>

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace stet::detail {

/// A batch of images as bands of output lines. T is the type of the arithmetic, X that of the image's elements.
template <class T, class X = T>
struct Bands {
  Window window;
  std::int64_t batch, channels;
  std::int32_t zero_point = 0;

  std::int64_t width = 0;       ///< pixels of a line of the buffer
  std::int64_t band_lines = 1;  ///< output lines of a full band
  std::int64_t per_image = 1;   ///< bands of an image
  bool in_place = false;        ///< windows never leave the image: no buffer is needed

  Bands(const Window& w, std::int64_t n, std::int64_t c, std::int32_t zero = 0)
      : window(w), batch(n), channels(c), zero_point(zero) {
    const std::int64_t reach = (w.w.out - 1) * w.w.stride + (w.w.kernel - 1) * w.w.dilation + 1;
    in_place = std::is_same_v<T, X> && inside(w.h) && inside(w.w);
    width = in_place ? w.w.in : reach;
    // About 48 KiB of lines, at least 64 pixels: the buffer shares the cache with weights and results.
    const std::int64_t line = std::max<std::int64_t>(width * channels * static_cast<std::int64_t>(sizeof(T)), 1);
    const std::int64_t halo = (w.h.kernel - 1) * w.h.dilation + 1;
    const std::int64_t wanted = ((std::int64_t{48} << 10) / line - halo) / w.h.stride + 1;
    const std::int64_t least = (64 + w.w.out - 1) / std::max<std::int64_t>(w.w.out, 1);
    band_lines = std::clamp<std::int64_t>(std::max(wanted, least), 1, std::max<std::int64_t>(w.h.out, 1));
    per_image = (w.h.out + band_lines - 1) / band_lines;
  }

  [[nodiscard]] std::int64_t count() const { return batch * per_image; }
  [[nodiscard]] std::int64_t pixels() const { return band_lines * window.w.out; }
  /// How many bands of whole images are worth loading together, so that products have about `wanted` pixels; 1 where an
  /// image has several bands.
  [[nodiscard]] std::int64_t together(std::int64_t wanted) const {
    const std::int64_t images = per_image > 1 ? 1 : wanted / std::max<std::int64_t>(pixels(), 1);
    return std::clamp<std::int64_t>(images, 1, std::max<std::int64_t>(batch, 1));
  }
  /// Elements of the buffer of so many bands; 0 when bands are read in place.
  [[nodiscard]] std::int64_t buffer_size(std::int64_t bands = 1) const { return in_place ? 0 : bands * buffer_lines() * width * channels; }
  /// Offset, within the first of the bands loaded together, of the window of output pixel (line, x); lines count on from
  /// band to band.
  [[nodiscard]] std::int64_t offset(std::int64_t line, std::int64_t x) const {
    const std::int64_t apart = (in_place ? window.h.in : buffer_lines()) * width;
    return (line / band_lines * apart + line % band_lines * window.h.stride * width + x * window.w.stride) * channels;
  }
  /// Offset of tap (ky, kx) within a window.
  [[nodiscard]] std::int64_t tap(std::int64_t ky, std::int64_t kx) const {
    return (ky * window.h.dilation * width + kx * window.w.dilation) * channels;
  }

  /// One band: output lines [first, first + lines) of image n, and where its first window begins. Of whole images loaded
  /// together, all lines.
  struct Band {
    std::int64_t n, first, lines;
    const T* data;
    [[nodiscard]] std::int64_t first_pixel(const Window& w) const { return (n * w.h.out + first) * w.w.out; }
  };

  /// Makes `bands` bands from `index` on readable, at most together() of them; `buffer` has buffer_size(bands) elements.
  Band load(const X* image, std::int64_t index, T* buffer, std::int64_t bands = 1) const {
    Band band = load_one(image, index, buffer);
    for (std::int64_t i = 1; i < bands; ++i) {
      band.lines += load_one(image, index + i, in_place ? buffer : buffer + i * buffer_size()).lines;
    }
    return band;
  }

 private:
  // Lines of the buffer that the windows of a full band need.
  [[nodiscard]] std::int64_t buffer_lines() const {
    return (band_lines - 1) * window.h.stride + (window.h.kernel - 1) * window.h.dilation + 1;
  }

  Band load_one(const X* image, std::int64_t index, T* buffer) const {
    Band band{index / per_image, index % per_image * band_lines, 0, buffer};
    band.lines = std::min(band_lines, window.h.out - band.first);
    if constexpr (std::is_same_v<T, X>) {
      if (in_place) {
        const std::int64_t y = band.first * window.h.stride - window.h.before;
        band.data = image + ((band.n * window.h.in + y) * window.w.in - window.w.before) * channels;
        return band;
      }
    }
    const std::int64_t lines = (band.lines - 1) * window.h.stride + (window.h.kernel - 1) * window.h.dilation + 1;
    const std::int64_t left = std::clamp<std::int64_t>(window.w.before, 0, width);
    const std::int64_t right = std::clamp<std::int64_t>(window.w.in + window.w.before, left, width);
    for (std::int64_t l = 0; l < lines; ++l) {
      T* to = buffer + l * width * channels;
      const std::int64_t y = band.first * window.h.stride - window.h.before + l;
      if (y < 0 || y >= window.h.in) {
        std::fill_n(to, width * channels, T{0});
        continue;
      }
      const X* from = image + ((band.n * window.h.in + y) * window.w.in + left - window.w.before) * channels;
      std::fill_n(to, left * channels, T{0});
      convert(from, (right - left) * channels, to + left * channels);
      std::fill_n(to + right * channels, (width - right) * channels, T{0});
    }
    return band;
  }

  static bool inside(const WindowAxis& a) {
    return a.before <= 0 && (a.out - 1) * a.stride - a.before + (a.kernel - 1) * a.dilation < a.in;
  }
  void convert(const X* from, std::int64_t n, T* to) const {
    if constexpr (std::is_same_v<T, X>) {
      std::copy_n(from, n, to);
    } else {
      const std::int32_t zero = zero_point;
      vectorized([=] { lanes(n, [=](std::int64_t i) { to[i] = static_cast<T>(static_cast<std::int32_t>(from[i]) - zero); }); });
    }
  }
};

}  // namespace stet::detail
