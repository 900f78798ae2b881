#pragma once
// Convolutions in .onnx: written.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <cstdint>
#include <vector>

namespace stet::onnx {

/// Rows and columns around an image, as ONNX wants them: top, left, bottom, right.
inline Ints pads_of(const Window& w, const Padding& p) {
  if (p.kind == Padding::Kind::valid) return {0, 0, 0, 0};
  if (p.kind == Padding::Kind::explicit_) return {p.top, p.left, p.bottom, p.right};
  const auto after = [](const WindowAxis& a) {
    const std::int64_t total = (a.out - 1) * a.stride + (a.kernel - 1) * a.dilation + 1 - a.in;
    return total > 0 ? total - a.before : 0;
  };
  return {w.h.before, w.w.before, after(w.h), after(w.w)};
}

/// Weights [O,kh,kw,I] or [1,kh,kw,O] as ONNX stores them, [O,I,kh,kw].
template <class T>
std::vector<T> weights_first(const Tensor<T>& w, bool depthwise) {
  const std::int64_t out = w.shape()[depthwise ? 3 : 0], in = depthwise ? 1 : w.shape()[3];
  const std::int64_t taps = w.shape()[1] * w.shape()[2];
  std::vector<T> result;
  result.reserve(w.span().size());
  for (std::int64_t o = 0; o < out; ++o) {
    for (std::int64_t i = 0; i < in; ++i) {
      for (std::int64_t k = 0; k < taps; ++k) result.push_back(w[depthwise ? k * out + o : (o * taps + k) * in + i]);
    }
  }
  return result;
}

void write_convolution(const auto& o, std::int64_t groups, bool depthwise, auto& w) {
  const Ints kernel{o.kernel.height, o.kernel.width};
  w.emit_layer("Conv", Layout::first, {w.shape_out()[2], depthwise ? 1 : w.weights().shape()[3], kernel[0], kernel[1]},
               weights_first(w.weights(), depthwise),
               {attribute("kernel_shape", kernel), attribute("strides", Ints{o.stride.height, o.stride.width}),
                attribute("dilations", Ints{o.dilation.height, o.dilation.width}),
                attribute("pads", pads_of(window(o, w.shape_in()), o.padding)), attribute("group", groups)});
}
void write(const graph::op::Conv2D& o, auto& w) { write_convolution(o, o.groups, false, w); }
void write(const graph::op::DepthwiseConv2D& o, auto& w) { write_convolution(o, w.shape_in()[2], true, w); }

}  // namespace stet::onnx
