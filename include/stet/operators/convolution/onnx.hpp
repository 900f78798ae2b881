#pragma once
// Convolutions in .onnx: written and read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
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

/// Numbers of padding that do what SAME does become SAME, and none VALID, for formats that know only these.
inline Padding simplest(const Padding& p, const Shape& image, Pair kernel, Pair stride, Pair dilation) {
  if (p == Padding::of(0)) return Padding::valid();
  const Window w = make_window("load_onnx", image[0], image[1], kernel, stride, dilation, Padding::same());
  const Ints same = pads_of(w, Padding::same());
  return Ints{p.top, p.left, p.bottom, p.right} == same ? Padding::same() : p;
}
/// Padding of a window from auto_pad and pads, as it is simplest.
/// Errors:    Errc::unsupported if the numbers are not four, or negative
inline Padding read_padding(Attributes& a, const Shape& image, Pair kernel, Pair stride, Pair dilation) {
  const std::string mode = a.text("auto_pad", "NOTSET");
  Ints pads = a.pads();
  if (mode == "VALID") return Padding::valid();
  if (mode == "SAME_UPPER") return Padding::same();
  const auto padding = [&](std::size_t top, std::size_t left, std::size_t bottom, std::size_t right) {
    const auto n = [&](std::size_t i) { return static_cast<int>(pads[i]); };
    return simplest(Padding::of(n(top), n(bottom), n(left), n(right)), image, kernel, stride, dilation);
  };
  if (mode == "SAME_LOWER") {
    pads = pads_of(make_window("load_onnx", image[0], image[1], kernel, stride, dilation, Padding::same()),
                   Padding::same());
    return pads == Ints{0, 0, 0, 0} ? Padding::same() : padding(2, 3, 0, 1);
  }
  require(mode == "NOTSET", Errc::unsupported, "attribute auto_pad is {}, which is not understood", mode);
  return padding(0, 1, 2, 3);
}

inline void read_conv(Importer& g, Attributes& a) {
  const Arrangement& x = g.value();
  Constant w = g.reals(1, "weight");
  const bool line = w.dims.size() == 3 && x.dims.size() == 2;  // an image of height 1
  if (line) a.expect_line();
  if (line) w.dims.insert(w.dims.begin() + 2, 1);
  require(w.dims.size() == 4 && w.size() > 0 && w.dims[2] <= 65535 && w.dims[3] <= 65535 && w.dims[0] <= 1 << 30,
          Errc::unsupported,
          "weight has {} dimensions; only convolutions of images, [O,I,kh,kw], and of lines, [O,I,k], are understood",
          w.dims.size());
  const int from = g.image(x);
  const Shape image = g.graph.node(from).shape;
  const Pair kernel(static_cast<int>(w.dims[2]), static_cast<int>(w.dims[3]));
  require(a.pair("kernel_shape", kernel) == kernel, Errc::unsupported,
          "attribute kernel_shape is not that of the weight");
  const Pair stride = a.pair("strides"), dilation = a.pair("dilations");
  const Padding padding = read_padding(a, image, kernel, stride, dilation);
  const std::int64_t groups = a.integer("group", 1);
  const std::int64_t filters = w.dims[0];
  require(groups >= 1 && filters % groups == 0 && w.dims[1] * groups == image[2], Errc::unsupported,
          "attribute group is {} for {} channels and a weight [{},{},{},{}]", groups, image[2], w.dims[0], w.dims[1],
          w.dims[2], w.dims[3]);
  std::string output = g.node->outputs[0];
  Bias bias;
  if (g.has_input(2)) {
    const Constant& c = g.reals(2, "bias");
    require(c.size() == at(filters), Errc::unsupported, "bias has {} numbers for {} filters", c.size(), filters);
    bias = {c.reals, c.name};
  } else {
    bias = g.bias_behind(filters, line ? 1 : 2, output);
  }
  const bool depthwise = groups == image[2] && groups > 1, biased = !bias.values.empty();
  const auto whole = [&](std::int64_t n) { return static_cast<int>(n); };
  graph::Operator op = graph::op::Conv2D{whole(filters), kernel, stride, padding, dilation, whole(groups), biased};
  if (depthwise) {
    op = graph::op::DepthwiseConv2D{kernel, stride, padding, dilation, whole(filters / groups), biased};
  }
  const int id = g.add(op, {from}, w.name);
  g.assign(id, graph::Role::weight, transposed(w, depthwise ? Ints{1, 2, 3, 0} : Ints{0, 2, 3, 1}).reals, w.name);
  if (biased) g.assign(id, graph::Role::bias, std::move(bias.values), bias.source);
  g.give_image(output, id, line);
  g.open[output] = {id, 0};
}

inline constexpr OperatorReader convolution_readers[] = {{"Conv", read_conv}};

}  // namespace stet::onnx
