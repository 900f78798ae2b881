#pragma once
// Window geometry of convolutions and pools: the one place that knows output sizes and paddings.

#include <stet/core/shape.hpp>

#include <cstdint>

namespace stet {

/// Two numbers for height and width; one number stands for both.
struct Pair {
  int height = 1, width = 1;
  constexpr Pair() = default;
  constexpr Pair(int both) : height(both), width(both) {}  // NOLINT: `.kernel = 3` is the point
  constexpr Pair(int h, int w) : height(h), width(w) {}
  friend constexpr bool operator==(const Pair&, const Pair&) = default;
};

/// How a window treats the border: as TensorFlow's SAME or VALID, or by explicit numbers of rows and columns.
struct Padding {
  enum class Kind { same, valid, explicit_ };
  Kind kind = Kind::same;
  int top = 0, bottom = 0, left = 0, right = 0;

  static constexpr Padding same() { return {}; }
  static constexpr Padding valid() { return {Kind::valid, 0, 0, 0, 0}; }
  static constexpr Padding of(int top, int bottom, int left, int right) {
    return {Kind::explicit_, top, bottom, left, right};
  }
  static constexpr Padding of(int all) { return of(all, all, all, all); }
  friend constexpr bool operator==(const Padding&, const Padding&) = default;
};

/// One axis of a window after the input size is known.
/// Formula:   reach = (kernel-1)*dilation+1; SAME: out = ceil(in/stride), before = max((out-1)*stride+reach-in, 0)/2;
///            otherwise out = (in+before+after-reach)/stride + 1
/// Source:    docs/math.md, equation 36; LiteRT kernels/padding.h
struct WindowAxis {
  std::int64_t in = 0, out = 0, kernel = 1, stride = 1, dilation = 1, before = 0;
};

/// Window over both axes of an NHWC image.
struct Window {
  WindowAxis h, w;
  [[nodiscard]] std::int64_t taps() const { return h.kernel * w.kernel; }
};

/// Resolves one axis.
/// Errors:    Errc::range if kernel, stride or dilation is below 1, a padding is negative, or window or padding reach so
///            far beyond the input that the lines around it would dwarf it; Errc::shape if the window does not fit into the padded input
inline WindowAxis window_axis(const char* op, std::int64_t in, int kernel, int stride, int dilation, Padding::Kind kind,
                              int before, int after) {
  require(kernel >= 1 && stride >= 1 && dilation >= 1, Errc::range,
          "{}: kernel {}, stride {} and dilation {} must be at least 1", op, kernel, stride, dilation);
  require(before >= 0 && after >= 0, Errc::range, "{}: padding {} and {} must not be negative", op, before, after);
  WindowAxis axis{in, 0, kernel, stride, dilation, before};
  const std::int64_t reach = std::int64_t{kernel - 1} * dilation + 1;
  require(reach <= 2 * in + 64 && std::int64_t{before} + after <= 4 * in + 128, Errc::range,
          "{}: a window of {} with padding {} and {} over an input of {}; at most {} (twice the input and 64) and {} (four "
          "times and 128) are computed, because the rest is padding",
          op, reach, before, after, in, 2 * in + 64, 4 * in + 128);
  if (kind == Padding::Kind::same) {
    axis.out = (in + stride - 1) / stride;
    const std::int64_t total = (axis.out - 1) * stride + reach - in;
    axis.before = total > 0 ? total / 2 : 0;
  } else {
    const std::int64_t padded = in + before + after;
    require(padded >= reach, Errc::shape, "{}: window of {} does not fit into input of {} with padding {} and {}", op,
            reach, in, before, after);
    axis.out = (padded - reach) / stride + 1;
  }
  return axis;
}

/// Resolves kernel, stride, dilation and padding against an input height and width.
inline Window make_window(const char* op, std::int64_t height, std::int64_t width, Pair kernel, Pair stride,
                          Pair dilation, const Padding& p) {
  return {window_axis(op, height, kernel.height, stride.height, dilation.height, p.kind, p.top, p.bottom),
          window_axis(op, width, kernel.width, stride.width, dilation.width, p.kind, p.left, p.right)};
}

/// Resolves one axis of a transposed convolution, as the window of the convolution that it turns back: `in` is the size of
/// its result, `out` that of its input.
/// Formula:   SAME: in = out*stride, before = max(kernel-stride, 0)/2; otherwise in = (out-1)*stride + kernel - before - after
/// Errors:    Errc::range if kernel or stride is below 1 or a padding is not in 0..kernel-1; Errc::shape if nothing remains
/// Source:    docs/math.md, equation 36
inline WindowAxis transposed_window_axis(const char* op, std::int64_t out, int kernel, int stride, Padding::Kind kind,
                                         int before, int after) {
  require(kernel >= 1 && stride >= 1, Errc::range, "{}: kernel {} and stride {} must be at least 1", op, kernel, stride);
  require(before >= 0 && after >= 0 && before < kernel && after < kernel, Errc::range,
          "{}: padding {} and {} must be less than the kernel of {}: it cuts off what the kernel adds at the border", op,
          before, after, kernel);
  require(kernel <= 2 * out + 64 && stride <= 2 * out + 64, Errc::range,
          "{}: kernel {} and stride {} on an input of {}; at most {} (twice the input and 64) are computed", op, kernel, stride,
          out, 2 * out + 64);
  if (kind == Padding::Kind::same) return {out * stride, out, kernel, stride, 1, kernel > stride ? (kernel - stride) / 2 : 0};
  const std::int64_t in = (out - 1) * stride + kernel - before - after;
  require(in >= 1, Errc::shape, "{}: padding {} and {} leave nothing of the {} that kernel {} and stride {} make of {}", op,
          before, after, in + before + after, kernel, stride, out);
  return {in, out, kernel, stride, 1, before};
}

/// Resolves a transposed convolution on an input of this height and width; see transposed_window_axis.
inline Window make_transposed_window(const char* op, std::int64_t height, std::int64_t width, Pair kernel, Pair stride,
                                     const Padding& p) {
  return {transposed_window_axis(op, height, kernel.height, stride.height, p.kind, p.top, p.bottom),
          transposed_window_axis(op, width, kernel.width, stride.width, p.kind, p.left, p.right)};
}

}  // namespace stet
