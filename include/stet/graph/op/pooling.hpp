#pragma once
// Pooling of images.

#include <stet/core/window.hpp>
#include <stet/graph/op/convolution.hpp>

namespace stet::graph::op {

/// Largest value of each window. Shapes:    [H,W,C] -> [H',W',C]
struct MaxPool {
  Pair size = 2;
  Pair stride = 0;  ///< 0: the size
  Padding padding = Padding::valid();
};

/// Mean of each window. Shapes:    [H,W,C] -> [H',W',C]
struct AveragePool {
  Pair size = 2;
  Pair stride = 0;  ///< 0: the size
  Padding padding = Padding::valid();
  bool count_padding = false;  ///< whether padding counts as zeros in the mean; else only elements of the image do
};

/// Mean over height and width. Shapes:    [H,W,C] -> [C]
struct GlobalAveragePool {};

/// Stride of a pool after `0: the size` is resolved.
inline Pair pool_stride(Pair size, Pair stride) { return stride == Pair(0) ? size : stride; }

namespace detail {
inline std::string pool_text(Pair size, Pair stride, const Padding& padding) {
  std::string text = str(size);
  if (pool_stride(size, stride) != size) text += " stride " + str(stride);
  return text + " " + str(padding);
}
inline Shape pool_shape(const char* kind, Pair size, Pair stride, const Padding& padding, Shapes in) {
  const Shape& x = expect_image(kind, in);
  const Window w = make_window(kind, x[0], x[1], size, pool_stride(size, stride), 1, padding);
  // A window must see the image: its maximum or mean over padding alone has no meaning.
  require(padding.kind != Padding::Kind::explicit_ ||
              (padding.top < size.height && padding.bottom < size.height && padding.left < size.width &&
               padding.right < size.width),
          Errc::shape, "{}: {} must be smaller than the window {}", kind, str(padding), str(size));
  return {w.h.out, w.w.out, x[2]};
}
}  // namespace detail

inline std::string_view kind(const MaxPool&) { return "max_pool"; }
inline std::string_view kind(const AveragePool&) { return "average_pool"; }
inline std::string_view kind(const GlobalAveragePool&) { return "global_average_pool"; }
inline std::string attributes(const MaxPool& o) { return detail::pool_text(o.size, o.stride, o.padding); }
inline std::string attributes(const AveragePool& o) {
  return detail::pool_text(o.size, o.stride, o.padding) + (o.count_padding ? " count padding" : "");
}
inline std::string attributes(const GlobalAveragePool&) { return ""; }
inline Shape infer(const MaxPool& o, Shapes in) {
  return detail::pool_shape("max_pool", o.size, o.stride, o.padding, in);
}
inline Shape infer(const AveragePool& o, Shapes in) {
  return detail::pool_shape("average_pool", o.size, o.stride, o.padding, in);
}
inline Shape infer(const GlobalAveragePool&, Shapes in) { return {expect_image("global_average_pool", in)[2]}; }
inline std::vector<ParameterSpec> parameters(const MaxPool&, Shapes) { return {}; }
inline std::vector<ParameterSpec> parameters(const AveragePool&, Shapes) { return {}; }
inline std::vector<ParameterSpec> parameters(const GlobalAveragePool&, Shapes) { return {}; }
inline std::int64_t multiply_adds(const MaxPool&, Shapes, const Shape&) { return 0; }
inline std::int64_t multiply_adds(const AveragePool&, Shapes, const Shape&) { return 0; }
inline std::int64_t multiply_adds(const GlobalAveragePool&, Shapes, const Shape&) { return 0; }

}  // namespace stet::graph::op
