#pragma once
// Bands: the input lines that a run of output pixels needs, copied as operands with their padding, so that every window
// is a few contiguous pieces at fixed distances. Unlike im2col each input element is copied once, not once per tap.

#include <stet/core/tensor.hpp>
#include <stet/core/window.hpp>
#include <stet/integer/kernel/product.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>

namespace stet::integer {

/// How the output pixels of a layer are cut into chunks of work, from the shape alone.
/// Every chunk starts at a pixel whose first element (pixel * outputs) is a multiple of 32, so that chunks share no
/// word of pass bits; where possible chunks hold whole images or whole lines.
inline std::int64_t chunk_pixels(const Window& w, std::int64_t pixels, std::int64_t outputs, std::int64_t taps) {
  // Products of a chunk: rows enough for weights to be worth loading; half of them where threads had too few chunks.
  constexpr std::int64_t products = std::int64_t{1} << 22, least_chunks = 8;
  const std::int64_t unit = 32 / std::gcd<std::int64_t>(outputs, 32);
  const std::int64_t most = products / std::max<std::int64_t>(outputs * taps, 1);
  const std::int64_t wanted = std::clamp<std::int64_t>(std::clamp(pixels / least_chunks, most / 2, most), 8, 16384);
  for (const std::int64_t whole : {w.h.out * w.w.out, w.w.out, std::int64_t{8}}) {
    const std::int64_t step = std::lcm(whole, unit);
    if (step <= 2 * wanted || whole == 8)
      return std::min((wanted + step - 1) / step * step, (pixels + unit - 1) / unit * unit);
  }
  return pixels;
}

/// Operands of the output pixels [first, last) of a batch of images.
class Bands {
 public:
  /// Copies the lines that the pixels need, every channel `repeat` times. Taps outside the image get the zero point.
  /// Shapes:    image [N,H,W,channels]
  Bands(const Window& w, std::int64_t channels, const std::int8_t* image, std::int32_t zero_point, std::int64_t first,
        std::int64_t last, std::int64_t repeat = 1)
      : window_(w), channels_(channels * repeat), repeat_(repeat), first_(first) {
    const std::int64_t out = w.h.out * w.w.out;
    columns_ = (w.w.out - 1) * w.w.stride + (w.w.kernel - 1) * w.w.dilation + 1;
    const std::int64_t first_image = first / out;
    const std::int64_t last_image = (last - 1) / out;
    std::int64_t total = 0;
    for (std::int64_t n = first_image; n <= last_image; ++n) total += lines(n, first, last).size;
    bytes_ = Tensor<std::uint8_t>(Shape{total * pitch() + slack});
    std::uint8_t* to = bytes_.edit().data();
    const auto pad = static_cast<std::uint8_t>(zero_point + 128);
    for (std::int64_t n = first_image; n <= last_image; ++n) {
      const Lines l = lines(n, first, last);
      for (std::int64_t i = 0; i < l.size; ++i, to += pitch()) {
        const std::int64_t y = l.input + i;
        copy_line(y >= 0 && y < w.h.in ? image + (n * w.h.in + y) * w.w.in * channels : nullptr, pad, to);
      }
    }
    std::memset(to, 0, slack);
  }

  /// Bytes from a line to the next.
  [[nodiscard]] std::int64_t pitch() const { return columns_ * channels_; }

  /// Walks over pixels in order and gives the address of each window's first tap.
  class Walker {
   public:
    explicit Walker(const Bands& b)
        : bands_(&b),
          y_(b.first_ % (b.window_.h.out * b.window_.w.out) / b.window_.w.out),
          x_(b.first_ % b.window_.w.out),
          line_(b.bytes_.data()) {}

    /// Windows side by side in one line: the address of the first, how many, and the bytes from one to the next.
    struct Run {
      const std::uint8_t* address;
      std::int64_t count, step;
    };
    /// The next pixels of the current line, at most `most` of them.
    Run next(std::int64_t most) {
      const Window& w = bands_->window_;
      const std::int64_t step = w.w.stride * bands_->channels_;
      const Run run{line_ + x_ * step, std::min(most, w.w.out - x_), step};
      x_ += run.count;
      if (x_ == w.w.out) {
        x_ = 0;
        std::int64_t lines = w.h.stride;
        if (++y_ == w.h.out) {
          y_ = 0;
          lines = (w.h.kernel - 1) * w.h.dilation + 1;  // the next image's lines follow this window
        }
        line_ += lines * bands_->pitch();
      }
      return run;
    }

   private:
    const Bands* bands_;
    std::int64_t y_, x_;
    const std::uint8_t* line_;
  };

 private:
  struct Lines {
    std::int64_t input, size;  // first input line, may lie in the padding; number of lines
  };

  // Lines of image n that the pixels [first, last) need.
  [[nodiscard]] Lines lines(std::int64_t n, std::int64_t first, std::int64_t last) const {
    const WindowAxis& h = window_.h;
    const std::int64_t out = h.out * window_.w.out;
    const std::int64_t top = std::max(first - n * out, std::int64_t{0}) / window_.w.out;
    const std::int64_t bottom = (std::min(last - n * out, out) - 1) / window_.w.out;
    return {top * h.stride - h.before, (bottom - top) * h.stride + (h.kernel - 1) * h.dilation + 1};
  }

  void copy_line(const std::int8_t* from, std::uint8_t pad, std::uint8_t* to) const {
    const WindowAxis& w = window_.w;
    const std::int64_t left = from == nullptr ? columns_ : std::min(w.before, columns_);
    const std::int64_t inside = std::min(w.in, columns_ - left);
    if (left > 0) std::memset(to, pad, static_cast<std::size_t>(left * channels_));
    if (inside > 0 && from != nullptr) copy_inside(from, inside * channels_, to + left * channels_);
    const std::int64_t rest = columns_ - left - inside;
    if (rest > 0) std::memset(to + (left + inside) * channels_, pad, static_cast<std::size_t>(rest * channels_));
  }

  void copy_inside(const std::int8_t* from, std::int64_t n, std::uint8_t* to) const {
    if (repeat_ == 1) {
      kernel::copy_operands(from, n, to);
    } else {
      for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<std::uint8_t>(from[i / repeat_] ^ -128);
    }
  }

  static constexpr std::int64_t slack = 128;  // kernels read whole vectors

  Window window_;
  std::int64_t channels_, repeat_, columns_ = 0, first_;
  Tensor<std::uint8_t> bytes_;
};

}  // namespace stet::integer
