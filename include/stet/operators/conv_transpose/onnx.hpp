#pragma once
// The transposed convolution in .onnx: written and read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

/// Weights [O,kh,kw,I] as ONNX stores those of a transposed convolution, [I,O,kh,kw].
template <class T>
std::vector<T> inputs_first(const Tensor<T>& w) {
  const std::int64_t in = w.shape()[3], outer = w.size() / in;
  std::vector<T> result;
  result.reserve(w.span().size());
  for (std::int64_t i = 0; i < in; ++i) {
    for (std::int64_t k = 0; k < outer; ++k) result.push_back(w[k * in + i]);
  }
  return result;
}

void write(const graph::op::ConvTranspose& o, auto& w) {
  const Window v = window(o, w.shape_in());
  // What is cut off behind; where it is negative, lines that only the bias reaches are added instead.
  const auto after = [](const WindowAxis& a) { return (a.out - 1) * a.stride + a.kernel - a.in - a.before; };
  const auto cut = [&](const WindowAxis& a) { return std::max<std::int64_t>(after(a), 0); };
  const auto added = [&](const WindowAxis& a) { return std::max<std::int64_t>(-after(a), 0); };
  const Shape& s = w.weights().shape();
  w.emit_layer("ConvTranspose", Layout::first, {s[3], s[0], s[1], s[2]}, inputs_first(w.weights()),
               {attribute("kernel_shape", Ints{o.kernel.height, o.kernel.width}),
                attribute("strides", Ints{o.stride.height, o.stride.width}),
                attribute("pads", Ints{v.h.before, v.w.before, cut(v.h), cut(v.w)}),
                attribute("output_padding", Ints{added(v.h), added(v.w)})},
               1);
}

/// What is cut off the whole output above, left, below and right: pads less output_padding, which makes it negative where rows
/// or columns are added that no tap reaches.
inline Ints read_cut(Attributes& a, bool line) {
  Ints pads = a.pads(), added = a.integers("output_padding", line ? Ints{0} : Ints{0, 0});
  if (line && added.size() == 1) added.insert(added.begin(), 0);
  const auto in_range = [](const Ints& all) {
    return std::all_of(all.begin(), all.end(), [](std::int64_t n) { return n >= 0 && n <= 65535; });
  };
  require(pads.size() == 4 && added.size() == 2 && in_range(pads) && in_range(added), Errc::unsupported,
          "attributes pads and output_padding must be four and two numbers that are not negative");
  pads[2] -= added[0];
  pads[3] -= added[1];
  return pads;
}
/// Whether padding same cuts off just this.
inline bool cut_as_same(const Ints& cut, const Shape& image, Pair kernel, Pair stride) {
  const Window same = make_transposed_window("load_onnx", image[0], image[1], kernel, stride, Padding::same());
  const auto as_same = [&](const WindowAxis& w, std::size_t i) {
    return cut[i] == w.before && (w.out - 1) * w.stride + w.kernel - cut[i] - cut[i + 2] == w.in;
  };
  return as_same(same.h, 0) && as_same(same.w, 1);
}
/// The same as padding; what padding same cuts off becomes that.
inline Padding padding_of_cut(const Ints& pads, const Shape& image, Pair kernel, Pair stride) {
  if (cut_as_same(pads, image, kernel, stride)) return Padding::same();
  const auto cut = [&](std::size_t i) { return static_cast<int>(pads[i]); };
  const Padding p = Padding::of(cut(0), cut(2), cut(1), cut(3));
  return p == Padding::of(0) ? Padding::valid() : p;
}
/// Zeros behind the image, each of which adds a stride to the output, until nothing has to be added to that.
inline int grown(Importer& g, int from, Ints& cut, Pair kernel, Pair stride) {
  if (cut_as_same(cut, g.graph.node(from).shape, kernel, stride)) return from;  // padding same says this without growing
  const auto rows = [](std::int64_t& behind, int step) {
    const std::int64_t n = behind < 0 ? (step - 1 - behind) / step : 0;
    behind += n * step;
    return static_cast<int>(n);
  };
  const int down = rows(cut[2], stride.height), right = rows(cut[3], stride.width);
  return down + right == 0 ? from : g.graph.add(graph::op::Pad{0, down, 0, right}, {from}, g.arranger.free_name(g.label() + "_pad")).id();
}

inline void read_conv_transpose(Importer& g, Attributes& a) {
  Constant w = g.reals(1, "weight");
  const bool line = w.dims.size() == 3 && g.value().dims.size() == 2;  // an image of height 1
  if (line) a.expect_line();
  if (line) w.dims.insert(w.dims.begin() + 2, 1);
  require(w.dims.size() == 4 && w.size() > 0 && w.dims[2] <= 65535 && w.dims[3] <= 65535 && w.dims[1] <= 1 << 30,
          Errc::unsupported, "weight has {} dimensions; only those of images, [I,O,kh,kw], and of lines, [I,O,k], are understood", w.dims.size());
  int from = g.image(g.value());
  const Shape image = g.graph.node(from).shape;
  const Pair kernel(static_cast<int>(w.dims[2]), static_cast<int>(w.dims[3])), stride = a.pair("strides");
  require(a.pair("kernel_shape", kernel) == kernel, Errc::unsupported, "attribute kernel_shape is not that of the weight");
  require(a.pair("dilations") == Pair(1), Errc::unsupported, "attribute dilations: kernels with gaps are not understood");
  a.expect("group", 1);
  require(a.text("auto_pad", "NOTSET") == "NOTSET", Errc::unsupported, "attribute auto_pad is not understood; write pads");
  require(w.dims[0] == image[2], Errc::unsupported, "weight is for {} channels, the input has {}", w.dims[0], image[2]);
  const std::int64_t filters = w.dims[1];
  std::string output = g.node->outputs[0];
  Bias bias;
  if (g.has_input(2)) {
    const Constant& c = g.reals(2, "bias");
    require(c.size() == at(filters), Errc::unsupported, "bias has {} numbers for {} filters", c.size(), filters);
    bias = {c.reals, c.name};
  } else {
    bias = g.bias_behind(filters, line ? 1 : 2, output);
  }
  const bool biased = !bias.values.empty();
  Ints cut = read_cut(a, line);
  from = grown(g, from, cut, kernel, stride);
  const int id = g.add(graph::op::ConvTranspose{static_cast<int>(filters), kernel, stride, padding_of_cut(cut, g.graph.node(from).shape, kernel, stride), biased},
                       {from}, w.name);
  g.assign(id, graph::Role::weight, transposed(w, Ints{1, 2, 3, 0}).reals, w.name);
  if (biased) g.assign(id, graph::Role::bias, std::move(bias.values), bias.source);
  g.give_image(output, id, line);
  g.open[output] = {id, 0};
}

inline constexpr OperatorReader conv_transpose_readers[] = {{"ConvTranspose", read_conv_transpose}};

}  // namespace stet::onnx
