#pragma once
// Pooling of images.

#include <stet/core/window.hpp>
#include <stet/operators/convolution/graph.hpp>

namespace stet::graph::op {

/// Largest value of each window. Shapes:    [H,W,C] -> [H',W',C]
struct MaxPool {
  static constexpr auto form = IntegerForm::moves;
  Pair size = 2;
  Pair stride = 0;  ///< 0: the size
  Padding padding = Padding::valid();
};

/// Mean of each window. Shapes:    [H,W,C] -> [H',W',C]
struct AveragePool {
  static constexpr auto form = IntegerForm::moves;
  Pair size = 2;
  Pair stride = 0;  ///< 0: the size
  Padding padding = Padding::valid();
  bool count_padding = false;  ///< whether padding counts as zeros in the mean; else only elements of the image do
};

/// Mean over height and width. Shapes:    [H,W,C] -> [C]
struct GlobalAveragePool {
  static constexpr auto form = IntegerForm::computes;
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
  require(padding.kind != Padding::Kind::explicit_ ||
              (padding.top < size.height && padding.bottom < size.height && padding.left < size.width &&
               padding.right < size.width),
          Errc::shape, "{}: {} must be smaller than the window {}", kind, str(padding), str(size));
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

inline std::string_view kind(const MaxPool&) { return "max_pool"; }
inline std::string_view kind(const AveragePool&) { return "average_pool"; }
inline std::string_view kind(const GlobalAveragePool&) { return "global_average_pool"; }
inline std::string attributes(const MaxPool& o) { return detail::pool_text(o.size, o.stride, o.padding); }
inline std::string attributes(const AveragePool& o) {
  return detail::pool_text(o.size, o.stride, o.padding) + (o.count_padding ? " count padding" : "");
}
inline std::string attributes(const GlobalAveragePool&) { return ""; }
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
inline Shape infer(const GlobalAveragePool&, Shapes in) { return {expect_image("global_average_pool", in)[2]}; }
inline std::vector<ParameterSpec> parameters(const MaxPool&, Shapes) { return {}; }
inline std::vector<ParameterSpec> parameters(const AveragePool&, Shapes) { return {}; }
inline std::vector<ParameterSpec> parameters(const GlobalAveragePool&, Shapes) { return {}; }
inline std::int64_t multiply_adds(const MaxPool&, Shapes, const Shape&) { return 0; }
inline std::int64_t multiply_adds(const AveragePool&, Shapes, const Shape&) { return 0; }
inline std::int64_t multiply_adds(const GlobalAveragePool&, Shapes, const Shape&) { return 0; }

}  // namespace stet::graph::op
