#pragma once
// Operators that move values without changing them in .onnx: written and read.

#include <stet/io/onnx/constant_operand.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/operators/linear/onnx.hpp>
#include <stet/operators/slice/onnx.hpp>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet::onnx {

void write(const graph::op::Concat& o, auto& w) {
  const Layout layout = w.layout(w.input());
  w.emit_moved("Concat", w.get_inputs(layout), layout,
               {attribute("axis", position(layout, w.shape_out().rank(), o.axis))});
}

void write(const graph::op::Pad& o, auto& w) {
  const Ints pads{0, 0, o.top, o.left, 0, 0, o.bottom, o.right};
  Names inputs{w.get(w.input(), Layout::first), w.list(w.name() + ".pads", pads)};
  if constexpr (std::is_same_v<decltype(w), IntegerWriter&>) {
    inputs.push_back(w.code(w.name() + ".value", w.codes_in().zero_point));
  }
  w.emit_moved("Pad", std::move(inputs), Layout::first);
}

void write_flatten(auto& w) {
  const bool as_it_lies =
      w.shape_in().rank() == 3 && w.layout(w.input()) == Layout::first && only_linear_reads(w.output(), w);
  if (as_it_lies) w.set_flat(w.shape_in());
  w.emit_moved("Flatten", {w.get(w.input(), as_it_lies ? Layout::first : Layout::last)}, Layout::last,
               {attribute("axis", 1)});
}
inline void write(const graph::op::Flatten&, FloatWriter& w) { write_flatten(w); }
void write(const graph::op::Reshape& o, auto& w) {
  if (std::is_same_v<decltype(w), IntegerWriter&> && o.shape.rank() == 1) return write_flatten(w);
  Ints dims{0};  // 0: as it is
  dims.insert(dims.end(), o.shape.dims().begin(), o.shape.dims().end());
  const std::string x = w.get(w.input(), Layout::last);
  w.emit_moved("Reshape", {x, w.list(w.name() + ".shape", dims)}, Layout::last);
}

void write(const graph::op::Transpose& o, auto& w) {
  const Layout layout = w.layout(w.input());
  const int rank = w.shape_out().rank();
  Ints perm{0};
  for (const int d : order_of(layout, rank)) perm.push_back(position(layout, rank, o.axes[at(d)]));
  w.emit_moved("Transpose", {w.get(w.input(), layout)}, layout, {attribute("perm", perm)});
}

/// The same elements under other dimensions (without the batch).
inline void reshape_to(Importer& g, const Ints& dims) {
  Arrangement x = g.value();
  const auto large = [](const Ints& all) {
    Ints some;
    std::copy_if(all.begin(), all.end(), std::back_inserter(some), [](std::int64_t d) { return d != 1; });
    return some;
  };
  if (large(x.dims) == large(dims) && (!x.reordered() || dims.size() == 1)) {  // ones come and go; nothing moves
    Arrangement y{x.node, dims, std::vector<int>(dims.size(), -1), x.name, x.flat_dims, x.flat_axis, x.flat_shape};
    std::size_t from = 0;
    for (std::size_t to = 0; to < dims.size(); ++to) {
      if (dims[to] == 1) continue;
      while (x.dims[from] == 1) ++from;
      y.axis[to] = x.axis[from++];
    }
    return g.give(std::move(y));
  }
  if (dims.size() == 1) {
    const Shape shape = g.graph.node(x.node).shape;
    Arrangement y = Arranger::make(g.add(graph::op::Flatten{}, {x.node}), dims, {0});
    std::vector<int> order;  // of the dimensions that count, as the node has them
    for (std::size_t d = 0; d < x.dims.size(); ++d) {
      if (x.dims[d] != 1) order.push_back(x.axis[d]);
    }
    if (!std::is_sorted(order.begin(), order.end())) {
      y.flat_dims = x.dims;
      y.flat_axis = x.axis;
      y.flat_shape = shape;
    }
    return g.give(std::move(y));
  }
  x = g.arranger.ordered(x);
  const int from = g.arranger.arrange(x, natural_order(x.dims.size()));
  g.give(g.add(graph::op::Reshape{Shape(dims)}, {from}), dims, natural_order(dims.size()));
}

inline void reshape_constant(Importer& g, Ints dims) {
  const Constant& from = g.constant(0, "input");
  const auto unknown = std::find(dims.begin(), dims.end(), -1);
  Ints fixed = dims;
  std::erase(fixed, -1);
  if (unknown != dims.end()) *unknown = static_cast<std::int64_t>(from.size()) / product(fixed);
  for (const std::int64_t d : dims) require(d >= 0, Errc::unsupported, "a constant cannot have the dimension {}", d);
  require(from.known && (dims.empty() ? 1 : product(dims)) == static_cast<std::int64_t>(from.size()), Errc::unsupported,
          "a constant of {} elements does not fit the shape", from.size());
  Constant c = from;
  c.dims = std::move(dims);
  g.give(std::move(c));
}
inline void read_reshape(Importer& g, Attributes& a) {
  Ints dims = g.few_integers(1, "shape");
  require(a.integer("allowzero", 0) == 0 || std::find(dims.begin(), dims.end(), 0) == dims.end(), Errc::unsupported,
          "attribute allowzero: values without elements are not understood");
  if (g.is_constant()) return reshape_constant(g, dims);
  const Arrangement& x = g.value();
  const std::int64_t elements = product(x.dims);
  require(!dims.empty(), Errc::unsupported, "shape is empty");
  for (std::size_t i = 1; i < dims.size(); ++i) {
    if (dims[i] == 0 && i <= x.dims.size()) dims[i] = x.dims[i - 1];
  }
  const bool batch_open = dims[0] == -1;
  Ints rest(dims.begin() + 1, dims.end());
  const auto open = std::count(rest.begin(), rest.end(), -1);
  Ints fixed = rest;
  std::erase(fixed, -1);
  const std::int64_t known = product(fixed);
  require(dims[0] == 0 || dims[0] == batch_symbol || batch_open || dims[0] == g.batch, Errc::unsupported,
          "shape begins with {} instead of the number of samples; export the model with a dynamic batch", dims[0]);
  require(open + (batch_open ? 1 : 0) <= 1 && elements % known == 0 && (open == 1 || known == elements),
          Errc::unsupported, "shape does not keep the {} elements of a sample together", elements);
  for (std::int64_t& d : rest) {
    if (d == -1) d = elements / known;
  }
  reshape_to(g, rest);
}

inline void read_flatten(Importer& g, Attributes& a) {
  const Arrangement& x = g.value();
  const std::int64_t axis = a.integer("axis", 1);
  require(axis_of(axis, x.dims.size() + 1) == 1, Errc::unsupported,
          "attribute axis is {}; only 1, which keeps the samples apart, is understood", axis);
  reshape_to(g, {product(x.dims)});
}

inline void read_transpose(Importer& g, Attributes& a) {
  Ints perm = a.integers("perm");
  const std::size_t rank = g.is_constant() ? g.constant(0, "input").dims.size() : g.value().dims.size() + 1;
  if (perm.empty()) {
    for (std::size_t i = rank; i-- > 0;) perm.push_back(static_cast<std::int64_t>(i));
  }
  std::vector<bool> seen(rank, false);
  bool fits = perm.size() == rank;
  for (const std::int64_t p : perm) {
    fits = fits && p >= 0 && p < static_cast<std::int64_t>(rank) && !seen[at(p)];
    if (fits) seen[at(p)] = true;
  }
  require(fits, Errc::unsupported, "attribute perm does not name each of {} dimensions once", rank);
  if (g.is_constant()) {
    const Constant& c = g.constant(0, "input");
    require(c.known, Errc::unsupported, "input '{}' has a data type that is not read", g.input_name(0));
    return g.give(transposed(c, perm));
  }
  require(perm[0] == 0, Errc::unsupported, "attribute perm moves the batch");
  const Arrangement& x = g.value();
  Arrangement y{x.node, {}, {}, g.name_for(), x.flat_dims, x.flat_axis, x.flat_shape};
  for (std::size_t i = 1; i < rank; ++i) {
    y.dims.push_back(x.dims[at(perm[i] - 1)]);
    y.axis.push_back(x.axis[at(perm[i] - 1)]);
  }
  g.give(std::move(y));
}

/// Dimensions of the first input, with the batch as 0.
inline Ints dims_with_batch(const Importer& g) {
  if (g.is_constant()) return g.constant(0, "input").dims;
  Ints dims = g.value().dims;
  dims.insert(dims.begin(), 0);
  return dims;
}
inline void read_squeeze(Importer& g, Attributes& a) {
  const Ints axes = g.axes(a), dims = dims_with_batch(g);
  std::vector<bool> gone(dims.size(), false);
  for (const std::int64_t n : axes) gone[axis_of(n, dims.size())] = true;
  Ints left;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (axes.empty() && dims[i] == 1) gone[i] = true;
    require(!gone[i] || dims[i] == 1, Errc::unsupported, "axis {} has not the size 1", i);
    if (!gone[i]) left.push_back(dims[i]);
  }
  if (g.is_constant()) return reshape_constant(g, left);
  reshape_to(g, {left.begin() + 1, left.end()});
}
inline void read_unsqueeze(Importer& g, Attributes& a) {
  const Ints axes = g.axes(a), dims = dims_with_batch(g);
  std::vector<bool> made(dims.size() + axes.size(), false);
  for (const std::int64_t n : axes) made[axis_of(n, made.size())] = true;
  Ints wide;
  std::size_t from = 0;
  for (const bool one : made) {
    require(one || from < dims.size(), Errc::unsupported, "an axis is named twice");
    wide.push_back(one ? 1 : dims[from++]);
  }
  if (g.is_constant()) return reshape_constant(g, wide);
  require(!made[0], Errc::unsupported, "axis 0 would put a dimension in front of the batch");
  reshape_to(g, {wide.begin() + 1, wide.end()});
}

/// One value with constants before and behind it, such as the token of a class: zeros in their places, to which they are added.
inline void concat_constants(Importer& g, std::int64_t axis) {
  const std::size_t count = g.node->inputs.size();
  std::size_t value = 0;
  while (value < count && g.is_constant(value)) ++value;
  require(value < count, Errc::unsupported, "all inputs are constants of types that are not read");
  const Arrangement x = g.arranger.ordered(g.value(value));
  const std::size_t rank = x.dims.size();
  const auto own = at(sample_axis(axis, rank));
  std::int64_t before = 0, behind = 0;
  std::vector<Constant> parts;
  for (std::size_t i = 0; i < count; ++i) {
    if (i == value) continue;
    Constant c = g.reals(i, "an input");
    // Of all samples the same: one stands for them.
    require(c.dims.size() == rank + 1 && c.size() > 0 && c.dims[0] >= 1, Errc::unsupported, "input {} is a constant of {} dimensions, the value has {}", i,
            c.dims.size(), rank + 1);
    const std::size_t one = c.size() / at(c.dims[0]);
    for (std::size_t e = one; e < c.size(); ++e) {
      require(c.reals[e] == c.reals[e - one], Errc::unsupported, "input {} is a constant that differs between samples", i);
    }
    c.reals.resize(one);
    c.dims.erase(c.dims.begin());
    for (std::size_t d = 0; d < rank; ++d) {
      require(d == own || c.dims[d] == x.dims[d], Errc::unsupported, "input {} has {} elements where the value has {}", i, c.dims[d], x.dims[d]);
    }
    (i < value ? before : behind) += c.dims[own];
    parts.push_back(std::move(c));
  }
  // An image whose columns are the positions along the axis.
  Ints dims = x.dims, outer(x.dims.begin(), x.dims.begin() + static_cast<std::ptrdiff_t>(own)), inner(x.dims.begin() + static_cast<std::ptrdiff_t>(own) + 1, x.dims.end());
  const std::int64_t rows = product(outer), channels = product(inner), size = dims[own];
  require(before <= 65535 && behind <= 65535, Errc::unsupported, "{} and {} positions are constants", before, behind);
  dims[own] += before + behind;
  const int image = g.arranger.reshaped(g.arranger.arrange(x, natural_order(rank)), Shape{rows, size, channels});
  const int padded = g.graph.add(graph::op::Pad{0, 0, static_cast<int>(before), static_cast<int>(behind)}, {image}, g.name_for()).id();
  const int whole = g.arranger.reshaped(padded, Shape(dims));
  Constant all{.name = parts[0].name, .dims = dims, .real = true};
  g.budget.take(at(product(dims)) * sizeof(float));
  all.reals.assign(at(product(dims)), 0.0f);
  std::int64_t place = 0;
  for (std::size_t i = 0, part = 0; i < count; ++i) {
    if (i == value) {
      place += size;
      continue;
    }
    const Constant& c = parts[part++];
    const std::int64_t width = c.dims[own];
    for (std::int64_t r = 0; r < rows; ++r) {
      std::copy_n(c.reals.begin() + r * width * channels, width * channels, all.reals.begin() + (r * dims[own] + place) * channels);
    }
    place += width;
  }
  apply_line(g, Arranger::make(whole, dims, natural_order(rank)), {}, all, [](double c) { return Line{1.0, c}; });
}

inline void read_concat(Importer& g, Attributes& a) {
  const std::int64_t axis = a.integer("axis", 0);
  const std::size_t count = g.node->inputs.size();
  std::size_t constants = 0;
  for (std::size_t i = 0; i < count; ++i) constants += g.is_constant(i) ? std::size_t{1} : 0;
  if (constants > 0 && constants + 1 == count) return concat_constants(g, axis);
  const std::size_t rank = g.value().dims.size();
  const int own = sample_axis(axis, rank);
  bool alike = g.value().axis[at(own)] >= 0 && !g.value().reordered();  // they lie alike: nothing is moved
  for (std::size_t i = 0; i < count; ++i) {
    const Arrangement& x = g.value(i);
    alike = alike && x.axis == g.value().axis && !x.reordered() &&
            g.graph.node(x.node).shape.rank() == g.graph.node(g.value().node).shape.rank();
  }
  if (alike) {
    Arrangement y = g.value();
    std::vector<int> nodes;
    for (std::size_t i = 0; i < count; ++i) nodes.push_back(g.value(i).node);
    y.node = g.add(graph::op::Concat{y.axis[at(own)]}, nodes);
    y.name.clear();
    y.dims[at(own)] = g.graph.node(y.node).shape[y.axis[at(own)]];
    return g.give(std::move(y));
  }
  const std::vector<int> order = usual_order(rank);
  std::vector<int> inputs;
  for (std::size_t i = 0; i < count; ++i) {
    require(g.value(i).dims.size() == rank, Errc::unsupported, "inputs have different numbers of dimensions");
    inputs.push_back(g.arranger.arrange(g.value(i), order));
  }
  const auto place = std::find(order.begin(), order.end(), own) - order.begin();
  const int id = g.add(graph::op::Concat{static_cast<int>(place)}, inputs);
  Ints dims = g.value().dims;
  dims[at(own)] = g.graph.node(id).shape[static_cast<int>(place)];
  g.give(id, dims, order);
}

/// Blocks of channels as pixels and back: a transpose between two reshapes, which integers have exactly.
inline void move_blocks(Importer& g, const Shape& split, std::vector<int> axes, const Shape& joined) {
  int id = g.graph.add(graph::op::Reshape{split}, {g.image(g.value())}, {}).id();
  id = g.graph.add(graph::op::Transpose{std::move(axes)}, {id}, {}).id();
  g.give_image(g.add(graph::op::Reshape{joined}, {id}));
}
inline void read_depth_to_space(Importer& g, Attributes& a) {
  const std::int64_t r = a.integer("blocksize", 0);
  const std::string mode = a.text("mode", "DCR");
  const Ints& dims = g.value().dims;
  require(dims.size() == 3 && r >= 1 && r <= 4096 && dims[0] % (r * r) == 0, Errc::unsupported,
          "attribute blocksize is {}, which does not fit the image", r);
  require(mode == "DCR" || mode == "CRD", Errc::unsupported, "attribute mode is {}, must be DCR or CRD", mode);
  const std::int64_t c = dims[0] / (r * r), h = dims[1], w = dims[2];
  const Shape joined{h * r, w * r, c};
  if (mode == "DCR") return move_blocks(g, {h, w, r, r, c}, {0, 2, 1, 3, 4}, joined);
  move_blocks(g, {h, w, c, r, r}, {0, 3, 1, 4, 2}, joined);
}
inline void read_space_to_depth(Importer& g, Attributes& a) {
  const std::int64_t r = a.integer("blocksize", 0);
  const std::string mode = a.text("mode", "DCR");
  const Ints& dims = g.value().dims;
  require(mode == "DCR" || mode == "CRD", Errc::unsupported, "attribute mode is {}, must be DCR or CRD", mode);
  require(dims.size() == 3 && r >= 1 && r <= 4096 && dims[1] % r == 0 && dims[2] % r == 0, Errc::unsupported,
          "attribute blocksize is {}, which does not fit the image", r);
  const std::int64_t c = dims[0], h = dims[1] / r, w = dims[2] / r;
  if (mode == "CRD") return move_blocks(g, {h, r, w, r, c}, {0, 2, 4, 1, 3}, {h, w, r * r * c});
  move_blocks(g, {h, r, w, r, c}, {0, 2, 1, 3, 4}, {h, w, r * r * c});
}

inline constexpr OperatorReader shape_readers[] = {
    {"DepthToSpace", read_depth_to_space},
    {"SpaceToDepth", read_space_to_depth},
    {"Concat", read_concat},
    {"Flatten", read_flatten},
    {"Reshape", read_reshape},
    {"Squeeze", read_squeeze},
    {"Transpose", read_transpose},
    {"Unsqueeze", read_unsqueeze},
};

}  // namespace stet::onnx
