#pragma once
// The transposed convolution of images.

#include <stet/core/window.hpp>
#include <stet/graph/operator_spec.hpp>
#include <stet/operators/convolution/graph.hpp>

#include <algorithm>

namespace stet::graph::op {

/// Convolution the other way around: each pixel of the input adds the kernel to the result, which is larger by the stride.
/// Padding cuts off the border; PyTorch's padding p with output_padding q is Padding::of(p, p - q, p, p - q).
/// Shapes:    [H,W,C] -> [H',W',filters]; weight [filters,kh,kw,C], bias [filters]
struct ConvTranspose {
  static constexpr std::string_view name = "conv_transpose";
  static constexpr auto form = IntegerForm::layer;
  static constexpr int channel_axis = 0;
  static constexpr bool int4_kernels = false;
  int filters = 0;  ///< output channels; required
  Pair kernel = 2;
  Pair stride = 2;
  Padding padding = Padding::same();
  bool bias = true;
};

/// The window of the convolution that it turns back: from the result to the input [H,W,C].
/// Errors:    Errc::range or Errc::shape if it does not fit
inline Window window(const ConvTranspose& o, const Shape& x) {
  return make_transposed_window(o.name.data(), x[0], x[1], o.kernel, o.stride, o.padding);
}

inline std::string attributes(const ConvTranspose& o) {
  return detail::window_text(o.kernel, o.stride, o.padding, 1) + (o.bias ? "" : " no bias");
}
inline Shape infer(const ConvTranspose& o, Shapes in) {
  const Shape& x = expect_image(o.name, in);
  require(o.filters >= 1, Errc::range, "conv_transpose: filters must be at least 1, got {}", o.filters);
  const Window w = window(o, x);
  return {w.h.in, w.w.in, o.filters};
}
inline std::vector<ParameterSpec> parameters(const ConvTranspose& o, Shapes in) {
  std::vector<ParameterSpec> list{{"weight", {o.filters, o.kernel.height, o.kernel.width, in[0][2]}, Role::weight}};
  if (o.bias) list.push_back({"bias", {o.filters}, Role::bias});
  return list;
}
inline std::int64_t multiply_adds(const ConvTranspose& o, Shapes in, const Shape&) {
  return in[0].elements() * o.kernel.height * o.kernel.width * o.filters;
}

/// The padding of TRANSPOSE_CONV that cuts off what this one does: same or valid.
inline std::optional<Padding::Kind> tflite_padding(const ConvTranspose& o, const Shape& x) {
  const auto axes = [w = window(o, x)](auto fits) { return fits(w.h) && fits(w.w); };
  const auto cut = [](const WindowAxis& a) { return (a.out - 1) * a.stride + a.kernel - a.in; };
  if (axes([&](const WindowAxis& a) { return cut(a) == 0; })) return Padding::Kind::valid;
  const bool same = axes([&](const WindowAxis& a) {
    return a.in > (a.out - 1) * a.stride && a.in <= a.out * a.stride && a.before == std::max<std::int64_t>(cut(a), 0) / 2;
  });
  return same ? std::optional(Padding::Kind::same) : std::nullopt;
}

inline std::optional<Obstacle> target_limit(const ConvTranspose& o, Shapes in, const Target& t) {
  if (runs_onnx(t)) {
    return Obstacle{.what = formatted("{} multiplies a transposed convolution in float, in an order of its own", t.runtime),
                    .remedy = "take a target of LiteRT, or end the integer model before it"};
  }
  const auto padding = tflite_padding(o, in[0]);
  if (!padding) {
    const auto least = [&](int kernel, int stride) { return std::max(kernel - stride, 0); };
    return Obstacle{.what = formatted("TRANSPOSE_CONV has no {}", str(o.padding)),
                    .remedy = formatted("take Padding::same() or valid(), or cut off {} to {} of the height and {} to {} of the width "
                                        "in all, half of each (rounded down) before",
                                        least(o.kernel.height, o.stride.height), o.kernel.height - 1,
                                        least(o.kernel.width, o.stride.width), o.kernel.width - 1)};
  }
  const bool beyond = o.kernel.height < o.stride.height || o.kernel.width < o.stride.width;
  if (beyond && *padding == Padding::Kind::same && t.convolution == integer::Requantization::float_half_even) {
    return Obstacle{.what = "XNNPACK leaves padding same with a stride beyond the kernel to a kernel that rounds otherwise",
                    .remedy = "take Padding::valid(), a kernel of the stride's size, or target tflite_reference"};
  }
  return std::nullopt;
}

}  // namespace stet::graph::op
