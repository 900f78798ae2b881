#pragma once
// Sums and means over dimensions in .onnx: written and read.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/steps.hpp>
#include <stet/operators/pooling/onnx.hpp>

#include <type_traits>
#include <utility>
#include <vector>

namespace stet::onnx {

/// A reduction keeps the channels where they are, if they remain. Axes are an input since opset 13 (sum) and 18 (mean).
void write_reduction(const auto& o, const std::string& op_type, bool axes_as_input, FloatWriter& w) {
  const int rank = w.shape_in().rank();
  const Layout layout = w.layout(w.input());
  Ints reduced;
  for (const int a : o.axes) reduced.push_back(position(layout, rank, a));
  const bool channels_gone = !o.keep_dims && o.axes.back() == rank - 1;
  Names inputs{w.get(w.input(), layout)};
  AttributeList attributes{attribute("keepdims", o.keep_dims ? 1 : 0)};
  if (axes_as_input) {
    inputs.push_back(w.list(w.name() + ".axes", reduced));
  } else {
    attributes.push_back(attribute("axes", reduced));
  }
  w.emit(op_type, std::move(inputs), channels_gone ? Layout::last : layout, std::move(attributes));
}
inline void write(const graph::op::Sum& o, FloatWriter& w) { write_reduction(o, "ReduceSum", true, w); }
inline void write(const graph::op::Mean& o, FloatWriter& w) {
  write_reduction(o, "ReduceMean", w.model.opsets[0].version >= 18, w);
}

/// Which dimensions of a sample a reduction is over.
struct Reduced {
  std::vector<bool> dims{};
  bool keep = true;     ///< whether they stay, with size 1
  bool nothing = false;  ///< no axes, which say that nothing is reduced
};
/// Errors:    Errc::unsupported if the samples are among them
inline Reduced read_reduced(Importer& g, Attributes& a) {
  const std::size_t rank = g.value().dims.size();
  const Ints named = g.axes(a);
  Reduced r{std::vector<bool>(rank, false), a.integer("keepdims", 1) != 0, named.empty() && a.integer("noop_with_empty_axes", 0) != 0};
  a.ignore("noop_with_empty_axes");
  require(!named.empty() || r.nothing, Errc::unsupported, "axes are missing: a reduction over the batch is not understood");
  for (const std::int64_t n : named) r.dims[at(sample_axis(n, rank))] = true;
  return r;
}

/// The sum or mean of a value.
template <class Op>
Arrangement reduce(Importer& g, const Arrangement& x, const Reduced& over) {
  if (over.nothing) return x;
  const std::size_t rank = x.dims.size();
  const std::vector<bool>& reduced = over.dims;
  const bool keep = over.keep;
  if (std::is_same_v<Op, graph::op::Mean> && rank == 2 && reduced[1] && !reduced[0] &&
      g.graph.node(x.node).shape.rank() == 3) {
    Arrangement y{g.add(graph::op::GlobalAveragePool{}, {g.image(x)}), {x.dims[0]}, {0}, {}};  // of a line
    if (keep) y.dims.push_back(1), y.axis.push_back(-1);
    return y;
  }
  if (std::is_same_v<Op, graph::op::Mean> && rank == 2 && reduced[0] && !reduced[1]) {  // of tokens: they are an image's rows
    const int rows = g.arranger.reshaped(g.arranger.arrange(x, {0, 1}), Shape{x.dims[0], 1, x.dims[1]});
    Arrangement y{g.add(graph::op::GlobalAveragePool{}, {rows}), {x.dims[1]}, {0}, {}};
    if (keep) y.dims.insert(y.dims.begin(), 1), y.axis.insert(y.axis.begin(), -1);
    return y;
  }
  const std::vector<int> order = usual_order(rank);
  std::vector<int> axes;
  Arrangement y;
  for (std::size_t i = 0; i < rank; ++i) {
    if (reduced[at(order[i])]) axes.push_back(static_cast<int>(i));
  }
  for (std::size_t d = 0; d < rank; ++d) {
    if (reduced[d] && !keep) continue;
    y.dims.push_back(reduced[d] ? 1 : x.dims[d]);
    int place = 0;  // among the dimensions that are left
    for (std::size_t i = 0; order[i] != static_cast<int>(d); ++i) {
      place += reduced[at(order[i])] ? 0 : 1;
    }
    y.axis.push_back(reduced[d] ? -1 : place);
  }
  const int from = g.arranger.arrange(x, order);
  const bool image = rank == 3 && axes == std::vector<int>{0, 1};
  const bool pools = image && std::is_same_v<Op, graph::op::Mean>;
  y.node = g.add(pools ? graph::Operator(graph::op::GlobalAveragePool{}) : graph::Operator(Op{axes, false}), {from});
  return y;
}
template <class Op>
void read_reduction(Importer& g, Attributes& a) {
  g.give(reduce<Op>(g, g.value(), read_reduced(g, a)));
}
/// A sum of a function of the elements, and a function of the sum.
template <graph::op::ElementaryFunction before>
void read_norm(Importer& g, Attributes& a) {
  using graph::op::ElementaryFunction;
  const Reduced over = read_reduced(g, a);
  const bool root = g.node->op_type == "ReduceL2";
  Arrangement y = reduce<graph::op::Sum>(g, stepped(g, graph::op::Elementary{before}, g.value()), over);
  g.give(root ? stepped(g, graph::op::Elementary{ElementaryFunction::sqrt}, std::move(y)) : std::move(y));
}
inline void read_log_sum(Importer& g, Attributes& a) {
  g.give(stepped(g, graph::op::Elementary{graph::op::ElementaryFunction::log}, reduce<graph::op::Sum>(g, g.value(), read_reduced(g, a))));
}

/// A sum over the channels: a layer whose weights are ones, because integers know no sum.
inline bool read_sum_of_channels(Importer& g, Attributes& a) {
  const Arrangement& x = g.value();
  const std::size_t rank = x.dims.size();
  const Ints named = g.axes(a);
  if ((rank != 1 && rank != 3) || named.size() != 1 || sample_axis(named[0], rank) != 0) return false;
  a.ignore("noop_with_empty_axes");
  const bool keep = a.integer("keepdims", 1) != 0;
  if (rank == 1 && !keep) return false;
  const graph::Operator image = graph::op::Conv2D{.filters = 1, .kernel = 1, .bias = false},
                        flat = graph::op::Linear{.units = 1, .bias = false};
  const int id = g.add(rank == 1 ? flat : image, {rank == 1 ? g.arranger.arrange(g.arranger.ordered(x), {0}) : g.image(x)});
  g.assign_made(id, graph::Role::weight, std::vector<float>(at(x.dims[0]), 1.0f));
  if (rank == 1) {
    g.give(id, {1}, {0});
  } else if (keep) {
    g.give_image(id);
  } else {
    g.give({id, {x.dims[1], x.dims[2]}, {0, 1}, {}});
  }
  return true;
}
inline void read_sum_of_values(Importer& g, Attributes& a) {
  if (!read_sum_of_channels(g, a)) read_reduction<graph::op::Sum>(g, a);
}
/// The largest value along any dimensions: these moved to the end, and a window over them.
inline Arrangement largest_of(Importer& g, const Arrangement& value, const std::vector<bool>& reduced, bool keep) {
  const Arrangement x = g.arranger.ordered(value);
  std::vector<int> order, axes;
  Ints kept, dims;
  std::int64_t count = 1;
  for (std::size_t d = 0; d < x.dims.size(); ++d) {
    if (reduced[d]) {
      count *= x.dims[d];
      if (keep) dims.push_back(1);
      continue;
    }
    order.push_back(static_cast<int>(d));
    kept.push_back(x.dims[d]);
    dims.push_back(x.dims[d]);
  }
  require(!dims.empty(), Errc::unsupported, "one number of each sample is left; a dimension must stay");
  require(count <= 65535, Errc::unsupported, "takes the largest of {} elements, at most 65535", count);
  for (std::size_t d = 0; d < x.dims.size(); ++d) {
    if (reduced[d]) order.push_back(static_cast<int>(d));
  }
  int id = g.arranger.arrange(x, order);
  id = g.graph.add(graph::op::Reshape{{product(kept), count, 1}}, {id}, {}).id();
  const Pair size(1, static_cast<int>(count));
  id = g.add(graph::op::MaxPool{size, size, Padding::valid()}, {id});
  return Arranger::make(g.graph.add(graph::op::Reshape{Shape(dims)}, {id}, {}).id(), dims, natural_order(dims.size()));
}
/// The largest value of an image or line: a window as large as it.
inline Arrangement largest(Importer& g, const Arrangement& x, const Reduced& over) {
  if (over.nothing) return x;
  const std::size_t rank = x.dims.size();
  const std::vector<bool>& reduced = over.dims;
  const bool keep = over.keep;
  if ((rank != 2 && rank != 3) || reduced[0]) return largest_of(g, x, reduced, keep);
  const int from = g.image(x);
  const Shape image = g.graph.node(from).shape;
  const bool height = rank == 3 && reduced[1], width = reduced[rank - 1];
  const std::int64_t h = height ? image[0] : 1, w = width ? image[1] : 1;
  require(h <= 65535 && w <= 65535, Errc::unsupported, "the image is {}x{}", image[0], image[1]);
  const Pair size(static_cast<int>(h), static_cast<int>(w));
  Arrangement y{add_largest(g, from, size), {}, {}, {}};
  const int axes[] = {2, rank == 3 ? 0 : 1, 1};
  for (std::size_t d = 0; d < rank; ++d) {
    if (reduced[d] && !keep) continue;
    y.dims.push_back(reduced[d] ? 1 : x.dims[d]);
    y.axis.push_back(reduced[d] ? -1 : axes[d]);
  }
  return y;
}
inline void read_largest(Importer& g, Attributes& a) { g.give(largest(g, g.value(), read_reduced(g, a))); }
/// The least is the largest of the negative.
inline void read_least(Importer& g, Attributes& a) {
  const Reduced over = read_reduced(g, a);
  g.give(times(g, largest(g, times(g, g.value(), -1.0f), over), -1.0f));
}

inline constexpr OperatorReader reduction_readers[] = {{"ReduceL1", read_norm<graph::op::ElementaryFunction::abs>},
                                                       {"ReduceL2", read_norm<graph::op::ElementaryFunction::square>},
                                                       {"ReduceLogSum", read_log_sum},
                                                       {"ReduceMax", read_largest},
                                                       {"ReduceMean", read_reduction<graph::op::Mean>},
                                                       {"ReduceMin", read_least},
                                                       {"ReduceSum", read_sum_of_values},
                                                       {"ReduceSumSquare", read_norm<graph::op::ElementaryFunction::square>}};

}  // namespace stet::onnx
