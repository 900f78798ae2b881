#pragma once
// Pooling of images.

#include <stet/core/window.hpp>
#include <stet/operators/convolution/graph.hpp>

namespace stet::graph::op {

/// Largest value of each window. Shapes:    [H,W,C] -> [H',W',C]
struct MaxPool {
  static constexpr std::string_view name = "max_pool";
  static constexpr bool scales_channels = true;  ///< a channel times a positive number comes out times that number
  static constexpr bool keeps_values = true;  ///< every value is one of its input, or 0
  static constexpr auto form = IntegerForm::moves;
  static constexpr bool orders_inputs = true;  ///< training chooses among values finer than codes of few bits
  Pair size = 2;
  Pair stride = 0;  ///< 0: the size
  Padding padding = Padding::valid();
};

/// Mean of each window. Shapes:    [H,W,C] -> [H',W',C]
struct AveragePool {
  static constexpr std::string_view name = "average_pool";
  static constexpr bool scales_channels = true;  ///< a channel times a positive number comes out times that number
  static constexpr auto form = IntegerForm::moves;
  Pair size = 2;
  Pair stride = 0;  ///< 0: the size
  Padding padding = Padding::valid();
  bool count_padding = false;  ///< whether padding counts as zeros in the mean; else only elements of the image do
};

/// Mean over height and width. Shapes:    [H,W,C] -> [C], or [1,1,C] to be repeated or convolved
struct GlobalAveragePool {
  static constexpr std::string_view name = "global_average_pool";
  static constexpr bool scales_channels = true;  ///< a channel times a positive number comes out times that number
  static constexpr auto form = IntegerForm::computes;
  bool keep_dims = false;  ///< whether height and width stay, with size 1
};

/// Stride of a pool after `0: the size` is resolved.
inline Pair pool_stride(Pair size, Pair stride) { return stride == Pair(0) ? size : stride; }

namespace detail {
inline std::string pool_text(Pair size, Pair stride, const Padding& padding) {
  std::string text = str(size);
  if (pool_stride(size, stride) != size) text += " stride " + str(stride);
  return text + " " + str(padding);
}
inline Window pool_window(const char* kind, Pair size, Pair stride, const Padding& padding, const Shape& x) {
  const Window w = make_window(kind, x[0], x[1], size, pool_stride(size, stride), 1, padding);
  // A window must see the image: its maximum or mean over padding alone has no meaning.
  const bool fits = padding.top < size.height && padding.bottom < size.height && padding.left < size.width && padding.right < size.width;
  if (padding.kind == Padding::Kind::explicit_ && !fits) {
    fail(Errc::shape, "{}: {} must be smaller than the window {}", kind, str(padding), str(size));
  }
  return w;
}
}  // namespace detail

/// The window of a pool on an image [H,W,C].
/// Errors:    Errc::range or Errc::shape if it does not fit
inline Window window(const MaxPool& o, const Shape& x) {
  return detail::pool_window("max_pool", o.size, o.stride, o.padding, x);
}
inline Window window(const AveragePool& o, const Shape& x) {
  return detail::pool_window("average_pool", o.size, o.stride, o.padding, x);
}

inline std::string attributes(const MaxPool& o) { return detail::pool_text(o.size, o.stride, o.padding); }
inline std::string attributes(const AveragePool& o) {
  return detail::pool_text(o.size, o.stride, o.padding) + (o.count_padding ? " count padding" : "");
}
inline Shape infer(const MaxPool& o, Shapes in) {
  const Shape& x = expect_image("max_pool", in);
  const Window w = window(o, x);
  return {w.h.out, w.w.out, x[2]};
}
inline Shape infer(const AveragePool& o, Shapes in) {
  const Shape& x = expect_image("average_pool", in);
  const Window w = window(o, x);
  return {w.h.out, w.w.out, x[2]};
}
inline std::string attributes(const GlobalAveragePool& o) { return o.keep_dims ? "keep dims" : ""; }
inline Shape infer(const GlobalAveragePool& o, Shapes in) {
  const std::int64_t channels = expect_image("global_average_pool", in)[2];
  return o.keep_dims ? Shape{1, 1, channels} : Shape{channels};
}
inline std::optional<Obstacle> integer_limit(const AveragePool& o, Shapes) {
  if (!o.count_padding || o.padding.kind == Padding::Kind::valid) return std::nullopt;
  return Obstacle{
      .what = "padding counts in the mean",
      .remedy = "the same numbers: pad(x, ...), then average_pool with Padding::valid(); or count_padding = false, another mean"};
}
inline std::optional<Obstacle> training_limit(const MaxPool& o) {
  const std::int64_t taps = std::int64_t{o.size.height} * o.size.width;
  if (taps <= 256) return std::nullopt;
  return Obstacle{.what = formatted("windows of {} taps", taps),
                  .remedy = "training keeps the tap in 8 bits: pool in two steps, or use a window of at most 256"};
}

}  // namespace stet::graph::op
