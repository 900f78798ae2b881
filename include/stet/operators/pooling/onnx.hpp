#pragma once
// Pools in .onnx: written and read.

#include <stet/operators/convolution/onnx.hpp>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet::onnx {

AttributeList pool_attributes(const auto& o, const GraphWriter& w) {
  const Pair stride = graph::op::pool_stride(o.size, o.stride);
  return {attribute("kernel_shape", Ints{o.size.height, o.size.width}),
          attribute("strides", Ints{stride.height, stride.width}),
          attribute("pads", pads_of(window(o, w.shape_in()), o.padding))};
}

void write(const graph::op::MaxPool& o, auto& w) {
  w.emit_moved("MaxPool", {w.get(w.input(), Layout::first)}, Layout::first, pool_attributes(o, w));
}

inline void write(const graph::op::AveragePool& o, FloatWriter& w) {
  AttributeList attributes = pool_attributes(o, w);
  attributes.insert(attributes.begin(), attribute("count_include_pad", o.count_padding ? 1 : 0));
  w.emit("AveragePool", {w.get(w.input(), Layout::first)}, Layout::first, std::move(attributes));
}
inline void write(const graph::op::AveragePool& o, IntegerWriter& w) {
  AttributeList attributes = pool_attributes(o, w);
  // ONNX Runtime runs a window of the whole image as a global pool, which rounds in another way. A column or row of
  // padding behind it, which no window counts, keeps it from that.
  const Shape& x = w.shape_in();
  const bool whole = o.size == Pair(static_cast<int>(x[0]), static_cast<int>(x[1]));
  if (whole && attributes[2].integers == Ints{0, 0, 0, 0} && x[0] * x[1] > 1) {
    attributes[1].integers = {2, 2};
    attributes[2].integers[x[1] > 1 ? 3 : 2] = 1;
  }
  w.place(w.quantize(w.add_reals("AveragePool", {w.real(0, Layout::first)}, std::move(attributes))), Layout::first);
}

inline void write(const graph::op::GlobalAveragePool& o, FloatWriter& w) {
  if (o.keep_dims) return w.emit("GlobalAveragePool", {w.get(w.input(), Layout::first)}, Layout::first);
  const std::string pooled = w.add("GlobalAveragePool", w.name(), {w.get(w.input(), Layout::first)}, w.name() + "_1x1");
  w.place_reals(w.add("Flatten", w.name() + "_flat", {pooled}, w.name(), {attribute("axis", 1)}), Layout::last);
}
inline void write(const graph::op::GlobalAveragePool& o, IntegerWriter& w) {
  const std::string codes = w.quantize(w.add_reals("GlobalAveragePool", {w.real(0, Layout::first)}));
  if (o.keep_dims) return w.place(codes, Layout::first);
  w.place(w.add("Flatten", w.name() + "_flat", {codes}, w.value_name(w.output()) + "_quantized_flat",
                {attribute("axis", 1)}),
          Layout::last);
}

/// Lines of padding behind an image, with those that ceil_mode adds so that the last window ends there. It must begin on the
/// image or in the padding before.
inline int padding_behind(std::int64_t in, std::int64_t before, std::int64_t after, std::int64_t kernel,
                          std::int64_t stride, bool up) {
  const std::int64_t beyond = in + before + after - kernel;
  if (!up || beyond < 0 || beyond % stride == 0) return static_cast<int>(after);
  const std::int64_t start = (beyond / stride + 1) * stride;
  return static_cast<int>(start >= in + before ? after : start + kernel - in - before);
}

/// The largest along one axis of windows with gaps, of which the elements in the padding are left out: the larger one of shifted parts, apart for outputs whose
/// windows lie on the image in the same way.
inline int dilated_largest(Importer& g, int from, int axis, int kernel, int step, int gap, std::int64_t before, std::int64_t after) {
  const std::int64_t in = g.graph.node(from).shape[axis], reach = std::int64_t{kernel - 1} * gap + 1;
  require(reach <= in + before + after && kernel <= 64 && before < reach && after < reach, Errc::unsupported, "windows of {} elements that reach over {} of {}", kernel, reach,
          in + before + after);
  const std::int64_t count = (in + before + after - reach) / step + 1;
  const auto on_image = [&](std::int64_t output) {  // the first and the last element of its window
    const std::int64_t start = output * step - before;
    return std::pair{start >= 0 ? 0 : (-start + gap - 1) / gap, std::min<std::int64_t>(kernel - 1, (in - 1 - start) / gap)};
  };
  std::vector<int> runs;
  std::int64_t parts = 0;
  for (std::int64_t i = 0, end = 0; i < count; i = end) {
    const auto [first, last] = on_image(i);
    require(first <= last, Errc::unsupported, "a window lies in the padding alone");
    for (end = i + 1; end < count && on_image(end) == std::pair{first, last}; ++end) {
    }
    const std::int64_t n = end - i;
    parts += last - first + 1;
    require(parts <= 128, Errc::unsupported, "windows of {} elements, cut by padding in {} ways, are more than 128 parts", kernel, runs.size() + 1);
    int most = -1;
    for (std::int64_t k = first; k <= last; ++k) {
      const std::int64_t begin = i * step - before + k * gap;
      const int part = g.add(graph::op::Slice{axis, begin, begin + (n - 1) * step + 1, n == 1 ? 1 : step}, {from});
      most = most < 0 ? part : g.add(graph::op::Extremum{true}, {most, part});
    }
    runs.push_back(most);
  }
  return runs.size() == 1 ? runs[0] : g.add(graph::op::Concat{axis}, std::move(runs));
}
inline void read_dilated_max_pool(Importer& g, Attributes& a, Pair size, Pair stride, Pair dilation, bool line) {
  require(a.integer("ceil_mode", 0) == 0 && a.text("auto_pad", "NOTSET") != "SAME_UPPER" && a.text("auto_pad", "NOTSET") != "SAME_LOWER", Errc::unsupported,
          "attribute dilations: windows with gaps are understood with padding by numbers alone");
  const Ints pads = a.text("auto_pad", "NOTSET") == "VALID" ? Ints{0, 0, 0, 0} : a.pads();
  const int rows = dilated_largest(g, g.image(g.value()), 0, size.height, stride.height, dilation.height, pads[0], pads[2]);
  g.give_image(dilated_largest(g, rows, 1, size.width, stride.width, dilation.width, pads[1], pads[3]), line);
}

/// Pools an image with zeros around it: pads are those above, left, below and right. Zeros that count are a part of the image; those that
/// ceil_mode (`up`) adds do not count. Integers know only such means.
template <class Op>
int add_pool(Importer& g, int from, Pair size, Pair stride, const Ints& pads, bool up, bool counts) {
  Shape image = g.graph.node(from).shape;
  const auto n = [&](std::size_t i) { return static_cast<int>(pads[i]); };
  int top = n(0), left = n(1);
  int bottom = padding_behind(image[0], top, n(2), size.height, stride.height, up);
  int right = padding_behind(image[1], left, n(3), size.width, stride.width, up);
  if (counts && pads != Ints{0, 0, 0, 0}) {
    from = g.graph.add(graph::op::Pad{top, n(2), left, n(3)}, {from}, g.arranger.free_name(g.label() + "_pad")).id();
    image = g.graph.node(from).shape;
    top = left = 0;
    bottom -= n(2);
    right -= n(3);
  }
  return g.add(Op{size, stride, simplest(Padding::of(top, bottom, left, right), image, size, stride, 1)}, {from});
}

/// A value [C,D,H,W] pooled over one dimension, or over two that lie behind each other; a maximum over all three as well.
template <class Op>
void read_volume_pool(Importer& g, Attributes& a, bool up, bool counts) {
  const Ints ones(3, 1), unpadded(6, 0);
  Ints kernel = a.integers("kernel_shape"), strides = a.integers("strides"), pads = a.integers("pads"), dilations = a.integers("dilations");
  if (strides.empty()) strides = ones;
  if (pads.empty()) pads = unpadded;
  const std::string fit = a.text("auto_pad", "NOTSET");
  bool fits = kernel.size() == 3 && strides.size() == 3 && pads.size() == 6 && (dilations.empty() || dilations == ones) &&
              (fit == "NOTSET" || (fit == "VALID" && pads == unpadded));
  for (const Ints* list : {&kernel, &strides, &pads}) {
    for (const std::int64_t v : *list) fits = fits && v >= 0 && v <= 65535;
  }
  for (std::size_t d = 0; fits && d < 3; ++d) fits = kernel[d] > 0 && strides[d] > 0 && pads[d] < kernel[d] && pads[d + 3] < kernel[d];
  require(fits, Errc::unsupported, "windows of three dimensions are understood with padding by numbers and without gaps");
  const auto idle = [&](std::size_t d) { return kernel[d] == 1 && strides[d] == 1; };
  const bool along = !idle(0), across = !idle(1) || !idle(2);
  require(!along || !across || std::is_same_v<Op, graph::op::MaxPool>, Errc::unsupported, "means over three dimensions are not understood");
  const auto pair = [](const Ints& list, std::size_t i, std::size_t j) { return Pair(static_cast<int>(list[i]), static_cast<int>(list[j])); };
  Ints dims = g.value().dims;
  int id = g.arranger.arrange(g.value(), natural_order(4));
  if (along || !across) {
    id = g.graph.add(graph::op::Reshape{Shape{dims[0], dims[1], dims[2] * dims[3]}}, {id}, {}).id();
    id = add_pool<Op>(g, id, {1, static_cast<int>(kernel[0])}, {1, static_cast<int>(strides[0])}, {0, pads[0], 0, pads[3]}, up, counts);
    dims[1] = g.graph.node(id).shape[1];
  }
  if (across) {
    id = g.graph.add(graph::op::Reshape{Shape{dims[0] * dims[1], dims[2], dims[3]}}, {id}, {}).id();
    id = g.graph.add(graph::op::Transpose{{1, 2, 0}}, {id}, {}).id();
    id = add_pool<Op>(g, id, pair(kernel, 1, 2), pair(strides, 1, 2), {pads[1], pads[2], pads[4], pads[5]}, up, counts);
    dims[2] = g.graph.node(id).shape[0];
    dims[3] = g.graph.node(id).shape[1];
    id = g.graph.add(graph::op::Transpose{{2, 0, 1}}, {id}, {}).id();
  }
  id = g.graph.add(graph::op::Reshape{Shape(dims)}, {id}, {}).id();
  g.give(id, dims, natural_order(4));
}

template <class Op>
void read_pool(Importer& g, Attributes& a) {
  require(a.has("kernel_shape"), Errc::unsupported, "attribute kernel_shape is missing");
  const bool up = a.integer("ceil_mode", 0) != 0;
  bool counts = false;
  if constexpr (requires(Op o) { o.count_padding; }) counts = a.integer("count_include_pad", 0) != 0;
  if (g.value().dims.size() == 4) return read_volume_pool<Op>(g, a, up, counts);
  const bool line = g.value().dims.size() == 2;
  if (line) a.expect_line();
  const int from = g.image(g.value());
  const Shape image = g.graph.node(from).shape;
  const Pair size = a.pair("kernel_shape"), stride = a.pair("strides");
  if (const Pair dilation = a.pair("dilations"); dilation != Pair(1)) {
    const bool largest = std::is_same_v<Op, graph::op::MaxPool>;
    require(largest, Errc::unsupported, "attribute dilations: means with gaps are not understood");
    return read_dilated_max_pool(g, a, size, stride, dilation, line);
  }
  const Padding read = read_padding(a, image, size, stride, 1);
  const Ints pads = pads_of(make_window("load_onnx", image[0], image[1], size, stride, 1, read), read);
  g.give_image(add_pool<Op>(g, from, size, stride, pads, up, counts), line);
}
inline void read_max_pool(Importer& g, Attributes& a) {
  require(g.node->outputs.size() == 1 || g.node->outputs[1].empty(), Errc::unsupported,
          "the second output, indices, is not understood");
  a.ignore("storage_order");  // of the indices
  read_pool<graph::op::MaxPool>(g, a);
}
inline void read_global_average_pool(Importer& g, Attributes&) {
  const int id = g.add(graph::op::GlobalAveragePool{}, {g.image(g.value())});
  if (g.value().dims.size() == 2) return g.give({id, {g.value().dims[0], 1}, {0, -1}, {}});
  g.give({id, {g.value().dims[0], 1, 1}, {0, -1, -1}, {}});
}

/// A window as large as the image.
/// The largest of windows that lie side by side: along lines and then across them where one has more taps than a max pool
/// takes, which is the same.
inline int add_largest(Importer& g, int from, Pair size) {
  const auto pool = [&](Pair window, int of) { return g.add(graph::op::MaxPool{window, window, Padding::valid()}, {of}); };
  if (std::int64_t{size.height} * size.width <= 256) return pool(size, from);
  return pool({size.height, 1}, pool({1, size.width}, from));
}
inline void read_global_max_pool(Importer& g, Attributes&) {
  const bool line = g.value().dims.size() == 2;
  const int from = g.image(g.value());
  const Shape image = g.graph.node(from).shape;
  require(image[0] <= 65535 && image[1] <= 65535, Errc::unsupported, "the image is {}x{}", image[0], image[1]);
  const Pair size(static_cast<int>(image[0]), static_cast<int>(image[1]));
  g.give_image(add_largest(g, from, size), line);
}

inline constexpr OperatorReader pooling_readers[] = {{"AveragePool", read_pool<graph::op::AveragePool>},
                                                     {"GlobalAveragePool", read_global_average_pool},
                                                     {"GlobalMaxPool", read_global_max_pool},
                                                     {"MaxPool", read_max_pool}};

}  // namespace stet::onnx
