#pragma once
// Pools and reductions: from ONNX to stet.

#include <stet/io/onnx/import_layers.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace stet::onnx {

namespace detail {

// Attributes that both pools share.
struct PoolAttributes {
  Pair size, stride;
  Padding padding;
};
inline PoolAttributes read_pool(Attributes& a, const Shape& image) {
  PoolAttributes p;
  require(a.has("kernel_shape"), Errc::unsupported, "attribute kernel_shape is missing");
  p.size = to_pair(a.pair("kernel_shape"));
  p.stride = to_pair(a.pair("strides"));
  require(a.pair("dilations") == std::vector<std::int64_t>{1, 1}, Errc::unsupported,
          "attribute dilations: pools with gaps are not understood");
  p.padding = read_padding(a, image, p.size, p.stride, 1);
  const bool up = a.integer("ceil_mode", 0) != 0;
  const Window w = make_window("load_onnx", image[0], image[1], p.size, p.stride, 1, p.padding);
  const auto even = [](const WindowAxis& x, int after) { return (x.in + x.before + after - x.kernel) % x.stride == 0; };
  require(!up || p.padding.kind == Padding::Kind::same || (even(w.h, p.padding.bottom) && even(w.w, p.padding.right)),
          Errc::unsupported, "attribute ceil_mode: windows that reach beyond the image are not understood");
  return p;
}
inline void give_image(Importer& g, int id) {
  const Shape& y = g.graph.node(id).shape;
  g.give(Arranger::make(id, {y[2], y[0], y[1]}, usual_order(3)));
}

}  // namespace detail

inline void import_max_pool(Importer& g, Attributes& a) {
  require(g.node->outputs.size() == 1 || g.node->outputs[1].empty(), Errc::unsupported,
          "the second output, indices, is not understood");
  a.ignore("storage_order");  // of the indices
  const int from = g.image(g.value(0));
  const detail::PoolAttributes p = detail::read_pool(a, g.graph.node(from).shape);
  detail::give_image(g, g.add(graph::op::MaxPool{p.size, p.stride, p.padding}, {from}));
}

inline void import_average_pool(Importer& g, Attributes& a) {
  const int from = g.image(g.value(0));
  const detail::PoolAttributes p = detail::read_pool(a, g.graph.node(from).shape);
  const bool count = a.integer("count_include_pad", 0) != 0;
  detail::give_image(g, g.add(graph::op::AveragePool{p.size, p.stride, p.padding, count}, {from}));
}

inline void import_global_average_pool(Importer& g, Attributes&) {
  const Arrangement& x = g.value(0);
  const int id = g.add(graph::op::GlobalAveragePool{}, {g.image(x)});
  g.give({id, {x.dims[0], 1, 1}, {0, -1, -1}, {}});
}

namespace detail {

template <class Op>
void add_reduction(Importer& g, Attributes& a) {
  const Arrangement& x = g.value(0);
  const std::size_t rank = x.dims.size();
  const std::vector<std::int64_t> named = g.axes(a);
  a.expect("noop_with_empty_axes", 0);
  const bool keep = a.integer("keepdims", 1) != 0;
  require(!named.empty(), Errc::unsupported, "axes are missing: a reduction over the batch is not understood");
  std::vector<bool> reduced(rank, false);
  for (const std::int64_t n : named) reduced[static_cast<std::size_t>(sample_axis(n, rank))] = true;

  const std::vector<int> order = usual_order(rank);
  std::vector<int> axes;
  Arrangement y;
  for (std::size_t i = 0; i < rank; ++i) {
    if (reduced[static_cast<std::size_t>(order[i])]) axes.push_back(static_cast<int>(i));
  }
  for (std::size_t d = 0; d < rank; ++d) {
    if (reduced[d] && !keep) continue;
    y.dims.push_back(reduced[d] ? 1 : x.dims[d]);
    int place = 0;  // among the dimensions that are left
    for (std::size_t i = 0; order[i] != static_cast<int>(d); ++i) {
      place += reduced[static_cast<std::size_t>(order[i])] ? 0 : 1;
    }
    y.axis.push_back(reduced[d] ? -1 : place);
  }
  const int from = g.arranger().arrange(x, order);
  const bool image = rank == 3 && axes == std::vector<int>{0, 1};
  if (image && std::is_same_v<Op, graph::op::Mean>) {
    y.node = g.add(graph::op::GlobalAveragePool{}, {from});
  } else {
    y.node = g.add(Op{axes, false}, {from});
  }
  g.give(std::move(y));
}

}  // namespace detail

inline void import_reduce_mean(Importer& g, Attributes& a) { detail::add_reduction<graph::op::Mean>(g, a); }
inline void import_reduce_sum(Importer& g, Attributes& a) { detail::add_reduction<graph::op::Sum>(g, a); }

}  // namespace stet::onnx
