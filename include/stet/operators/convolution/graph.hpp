#pragma once
// Convolutions of images.

#include <stet/core/window.hpp>
#include <stet/graph/operator_spec.hpp>

namespace stet::graph::op {

/// Convolution. Shapes:    [H,W,C] -> [H',W',filters]; weight [filters,kh,kw,C/groups], bias [filters]
struct Conv2D {
  static constexpr std::string_view name = "conv2d";
  static constexpr auto form = IntegerForm::layer;
  static constexpr int channel_axis = 0;      ///< of the weights: counts output channels
  static constexpr bool int4_kernels = true;  ///< whether LiteRT has one for weights of 4 bits
  int filters = 0;  ///< output channels; required
  Pair kernel = 1;
  Pair stride = 1;
  Padding padding = Padding::same();
  Pair dilation = 1;
  int groups = 1;
  bool bias = true;
};

/// Convolution of each channel on its own. Shapes:    [H,W,C] -> [H',W',C*multiplier]; weight
/// [1,kh,kw,C*multiplier], bias [C*multiplier]; output channel c*multiplier+m reads input channel c
struct DepthwiseConv2D {
  static constexpr std::string_view name = "depthwise_conv2d";
  static constexpr auto form = IntegerForm::layer;
  static constexpr int channel_axis = 3;
  static constexpr bool int4_kernels = false;
  Pair kernel = 3;
  Pair stride = 1;
  Padding padding = Padding::same();
  Pair dilation = 1;
  int multiplier = 1;
  bool bias = true;
};

/// Text such as 3x3.
inline std::string str(Pair p) { return formatted("{}x{}", p.height, p.width); }

/// Text such as same, valid or 1,1,0,0 (top, bottom, left, right).
inline std::string str(const Padding& p) {
  if (p.kind == Padding::Kind::same) return "same";
  if (p.kind == Padding::Kind::valid) return "valid";
  return formatted("pad {},{},{},{}", p.top, p.bottom, p.left, p.right);
}

namespace detail {
inline std::string window_text(Pair kernel, Pair stride, const Padding& padding, Pair dilation) {
  std::string text = str(kernel);
  if (stride != Pair(1)) text += " stride " + str(stride);
  if (dilation != Pair(1)) text += " dilation " + str(dilation);
  return text + " " + str(padding);
}
}  // namespace detail

/// The window of a convolution on an image [H,W,C].
/// Errors:    Errc::range or Errc::shape if it does not fit
inline Window window(const Conv2D& o, const Shape& x) {
  return make_window("conv2d", x[0], x[1], o.kernel, o.stride, o.dilation, o.padding);
}
inline Window window(const DepthwiseConv2D& o, const Shape& x) {
  return make_window("depthwise_conv2d", x[0], x[1], o.kernel, o.stride, o.dilation, o.padding);
}

inline std::string attributes(const Conv2D& o) {
  std::string text = detail::window_text(o.kernel, o.stride, o.padding, o.dilation);
  if (o.groups != 1) text += formatted(" groups {}", o.groups);
  if (!o.bias) text += " no bias";
  return text;
}
inline Shape infer(const Conv2D& o, Shapes in) {
  const Shape& x = expect_image("conv2d", in);
  require(o.filters >= 1, Errc::range, "conv2d: filters must be at least 1, got {}", o.filters);
  require(o.groups >= 1 && x[2] % o.groups == 0 && o.filters % o.groups == 0, Errc::shape,
          "conv2d: groups {} must divide the {} channels of the input and the {} filters", o.groups, x[2], o.filters);
  const Window w = window(o, x);
  return {w.h.out, w.w.out, o.filters};
}
inline std::vector<ParameterSpec> parameters(const Conv2D& o, Shapes in) {
  std::vector<ParameterSpec> list{
      {"weight", {o.filters, o.kernel.height, o.kernel.width, in[0][2] / o.groups}, Role::weight}};
  if (o.bias) list.push_back({"bias", {o.filters}, Role::bias});
  return list;
}
inline std::int64_t multiply_adds(const Conv2D& o, Shapes in, const Shape& out) {
  return out.elements() * o.kernel.height * o.kernel.width * (in[0][2] / o.groups);
}

inline std::string attributes(const DepthwiseConv2D& o) {
  std::string text = detail::window_text(o.kernel, o.stride, o.padding, o.dilation);
  if (o.multiplier != 1) text += formatted(" multiplier {}", o.multiplier);
  if (!o.bias) text += " no bias";
  return text;
}
inline Shape infer(const DepthwiseConv2D& o, Shapes in) {
  const Shape& x = expect_image("depthwise_conv2d", in);
  require(o.multiplier >= 1, Errc::range, "depthwise_conv2d: multiplier must be at least 1, got {}", o.multiplier);
  const Window w = window(o, x);
  return {w.h.out, w.w.out, x[2] * o.multiplier};
}
inline std::vector<ParameterSpec> parameters(const DepthwiseConv2D& o, Shapes in) {
  const std::int64_t channels = in[0][2] * o.multiplier;
  std::vector<ParameterSpec> list{{"weight", {1, o.kernel.height, o.kernel.width, channels}, Role::weight}};
  if (o.bias) list.push_back({"bias", {channels}, Role::bias});
  return list;
}
inline std::int64_t multiply_adds(const DepthwiseConv2D& o, Shapes, const Shape& out) {
  return out.elements() * o.kernel.height * o.kernel.width;
}

}  // namespace stet::graph::op
