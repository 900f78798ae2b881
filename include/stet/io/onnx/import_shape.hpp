#pragma once
// Operators that move values without changing them, and those that compute with shapes: from ONNX to stet.

#include <stet/io/onnx/importer.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stet::onnx {

namespace detail {

using Dims = std::vector<std::int64_t>;

inline std::int64_t product(const Dims& dims) {
  std::int64_t total = 1;
  for (const std::int64_t d : dims) {
    require(d > 0 && total <= (std::int64_t{1} << 48) / d, Errc::unsupported, "a dimension is {}", d);
    total *= d;
  }
  return total;
}

// The same elements under other dimensions (without the batch).
inline void reshape_to(Importer& g, const Dims& dims) {
  Arrangement x = g.value(0);
  const auto large = [](const Dims& all) {
    Dims some;
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
    g.give(std::move(y));
    return;
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
    g.give(std::move(y));
    return;
  }
  x = g.arranger().ordered(x);
  const int from = g.arranger().arrange(x, natural_order(x.dims.size()));
  const int id = g.add(graph::op::Reshape{Shape(std::span<const std::int64_t>(dims))}, {from});
  g.give(Arranger::make(id, dims, natural_order(dims.size())));
}

inline void reshape_constant(Importer& g, Dims dims) {
  const Constant& from = g.constant(0, "input");
  const auto unknown = std::find(dims.begin(), dims.end(), -1);
  Dims fixed = dims;
  std::erase(fixed, -1);
  if (unknown != dims.end()) *unknown = static_cast<std::int64_t>(from.size()) / product(fixed);
  for (const std::int64_t d : dims) require(d >= 0, Errc::unsupported, "a constant cannot have the dimension {}", d);
  require(from.known && (dims.empty() ? 1 : product(dims)) == static_cast<std::int64_t>(from.size()), Errc::unsupported,
          "a constant of {} elements does not fit the shape", from.size());
  Constant c = from;
  c.dims = std::move(dims);
  g.give(std::move(c));
}

}  // namespace detail

inline void import_reshape(Importer& g, Attributes& a) {
  detail::Dims dims = g.few_integers(1, "shape");
  require(a.integer("allowzero", 0) == 0 || std::find(dims.begin(), dims.end(), 0) == dims.end(), Errc::unsupported,
          "attribute allowzero: values without elements are not understood");
  if (g.is_constant(0)) return detail::reshape_constant(g, dims);
  const Arrangement& x = g.value(0);
  const std::int64_t elements = detail::product(x.dims);
  require(!dims.empty(), Errc::unsupported, "shape is empty");
  for (std::size_t i = 1; i < dims.size(); ++i) {
    if (dims[i] == 0 && i <= x.dims.size()) dims[i] = x.dims[i - 1];
  }
  const bool batch_open = dims[0] == -1;
  detail::Dims rest(dims.begin() + 1, dims.end());
  const auto open = std::count(rest.begin(), rest.end(), -1);
  detail::Dims fixed = rest;
  std::erase(fixed, -1);
  const std::int64_t known = detail::product(fixed);
  require(dims[0] == 0 || dims[0] == batch_symbol || batch_open || dims[0] == g.batch(), Errc::unsupported,
          "shape begins with {} instead of the number of samples; export the model with a dynamic batch", dims[0]);
  require(open + (batch_open ? 1 : 0) <= 1 && elements % known == 0 && (open == 1 || known == elements),
          Errc::unsupported, "shape does not keep the {} elements of a sample together", elements);
  for (std::int64_t& d : rest) {
    if (d == -1) d = elements / known;
  }
  detail::reshape_to(g, rest);
}

inline void import_flatten(Importer& g, Attributes& a) {
  const Arrangement& x = g.value(0);
  const std::int64_t axis = a.integer("axis", 1);
  require(axis_of(axis, x.dims.size() + 1) == 1, Errc::unsupported,
          "attribute axis is {}; only 1, which keeps the samples "
          "apart, is understood",
          axis);
  detail::reshape_to(g, {detail::product(x.dims)});
}

inline void import_transpose(Importer& g, Attributes& a) {
  std::vector<std::int64_t> perm = a.integers("perm");
  const std::size_t rank = g.is_constant(0) ? g.constant(0, "input").dims.size() : g.value(0).dims.size() + 1;
  if (perm.empty()) {
    for (std::size_t i = rank; i-- > 0;) perm.push_back(static_cast<std::int64_t>(i));
  }
  std::vector<bool> seen(rank, false);
  bool fits = perm.size() == rank;
  for (const std::int64_t p : perm) {
    fits = fits && p >= 0 && p < static_cast<std::int64_t>(rank) && !seen[static_cast<std::size_t>(p)];
    if (fits) seen[static_cast<std::size_t>(p)] = true;
  }
  require(fits, Errc::unsupported, "attribute perm does not name each of {} dimensions once", rank);
  if (g.is_constant(0)) {
    const Constant& c = g.constant(0, "input");
    require(c.known, Errc::unsupported, "input '{}' has a data type that is not read", g.input_name(0));
    return g.give(transposed(c, perm));
  }
  require(perm[0] == 0, Errc::unsupported, "attribute perm moves the batch");
  const Arrangement& x = g.value(0);
  Arrangement y{x.node, {}, {}, g.name_for(), x.flat_dims, x.flat_axis, x.flat_shape};
  for (std::size_t i = 1; i < rank; ++i) {
    const auto from = static_cast<std::size_t>(perm[i] - 1);
    y.dims.push_back(x.dims[from]);
    y.axis.push_back(x.axis[from]);
  }
  g.give(std::move(y));
}

inline void import_squeeze(Importer& g, Attributes& a) {
  const detail::Dims axes = g.axes(a);
  const bool fixed = g.is_constant(0);
  detail::Dims dims = fixed ? g.constant(0, "input").dims : g.value(0).dims;
  if (!fixed) dims.insert(dims.begin(), 0);
  std::vector<bool> gone(dims.size(), false);
  for (const std::int64_t n : axes) gone[axis_of(n, dims.size())] = true;
  detail::Dims left;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (axes.empty() && dims[i] == 1) gone[i] = true;
    require(!gone[i] || dims[i] == 1, Errc::unsupported, "axis {} has not the size 1", i);
    if (!gone[i]) left.push_back(dims[i]);
  }
  if (fixed) return detail::reshape_constant(g, left);
  left.erase(left.begin());
  detail::reshape_to(g, left);
}

inline void import_unsqueeze(Importer& g, Attributes& a) {
  const detail::Dims axes = g.axes(a);
  const bool fixed = g.is_constant(0);
  detail::Dims dims = fixed ? g.constant(0, "input").dims : g.value(0).dims;
  if (!fixed) dims.insert(dims.begin(), 0);
  std::vector<bool> made(dims.size() + axes.size(), false);
  for (const std::int64_t n : axes) made[axis_of(n, made.size())] = true;
  detail::Dims wide;
  std::size_t from = 0;
  for (const bool one : made) {
    require(one || from < dims.size(), Errc::unsupported, "an axis is named twice");
    wide.push_back(one ? 1 : dims[from++]);
  }
  if (fixed) return detail::reshape_constant(g, wide);
  require(!made[0], Errc::unsupported, "axis 0 would put a dimension in front of the batch");
  wide.erase(wide.begin());
  detail::reshape_to(g, wide);
}

inline void import_concat(Importer& g, Attributes& a) {
  const std::int64_t axis = a.integer("axis", 0);
  const std::size_t count = g.node->inputs.size();
  bool fixed = count > 0;
  for (std::size_t i = 0; i < count; ++i) fixed = fixed && g.is_constant(i);
  if (fixed) {
    Constant joint{.dims = {0}};
    for (std::size_t i = 0; i < count; ++i) {
      const Constant& c = g.integers(i, "input");
      require(c.dims.size() == 1 && joint.size() + c.size() <= most_integers, Errc::unsupported,
              "constants are joined only where they are shapes");
      joint.integers.insert(joint.integers.end(), c.integers.begin(), c.integers.end());
    }
    joint.dims[0] = static_cast<std::int64_t>(joint.integers.size());
    return g.give(std::move(joint));
  }
  const std::size_t rank = g.value(0).dims.size();
  const int own = sample_axis(axis, rank);
  const std::vector<int> order = usual_order(rank);
  std::vector<int> inputs;
  for (std::size_t i = 0; i < count; ++i) {
    require(g.value(i).dims.size() == rank, Errc::unsupported, "inputs have different numbers of dimensions");
    inputs.push_back(g.arranger().arrange(g.value(i), order));
  }
  const auto place = std::find(order.begin(), order.end(), own) - order.begin();
  const int id = g.add(graph::op::Concat{static_cast<int>(place)}, inputs);
  detail::Dims dims = g.value(0).dims;
  dims[static_cast<std::size_t>(own)] = g.graph.node(id).shape[static_cast<int>(place)];
  g.give(Arranger::make(id, dims, order));
}

inline void import_pad(Importer& g, Attributes& a) {
  const std::string mode = a.text("mode", "constant");
  require(mode == "constant", Errc::unsupported, "attribute mode is {}, only constant is understood", mode);
  detail::Dims pads = a.integers("pads");
  float value = a.real("value", 0.0f);
  if (g.has_input(1)) pads = g.few_integers(1, "pads");
  if (g.has_input(2)) {
    const Constant& c = g.reals(2, "constant_value");
    require(c.size() == 1, Errc::unsupported, "constant_value must be one number");
    value = c.reals[0];
  }
  require(value == 0.0f && !g.has_input(3), Errc::unsupported, "only zeros around an image are understood");
  const int from = g.image(g.value(0));
  bool fits = pads.size() == 8;
  for (std::size_t i = 0; i < pads.size(); ++i) {
    fits = fits && pads[i] >= 0 && pads[i] <= 65535 && (i % 4 >= 2 || pads[i] == 0);
  }
  require(fits, Errc::unsupported, "pads must be those of height and width, and not negative");
  const auto n = [&](std::size_t i) { return static_cast<int>(pads[i]); };
  const int id = g.add(graph::op::Pad{n(2), n(6), n(3), n(7)}, {from});
  const Shape& y = g.graph.node(id).shape;
  g.give(Arranger::make(id, {y[2], y[0], y[1]}, usual_order(3)));
}

inline void import_identity(Importer& g, Attributes&) {
  if (g.is_constant(0)) return g.give(Constant(g.constant(0, "input")));
  g.give(Arrangement(g.value(0)));
}
inline void import_cast(Importer& g, Attributes& a) {
  const std::int64_t to = a.integer("to", 0);
  a.ignore("saturate");
  const bool real = to == static_cast<std::int64_t>(DataType::float32);
  const bool whole =
      to == static_cast<std::int64_t>(DataType::int64) || to == static_cast<std::int64_t>(DataType::int32);
  const bool fits = g.is_constant(0) ? (g.constant(0, "input").real ? real : whole) : real;
  require(fits, Errc::unsupported, "attribute to is {}; only casts that change nothing are understood", to);
  import_identity(g, a);
}
inline void import_constant(Importer& g, Attributes& a) {
  if (const TensorInfo* t = a.tensor("value")) {
    Constant c = make_constant(*t);
    c.name = g.node->outputs[0];
    return g.give(std::move(c));
  }
  Constant c{.name = g.node->outputs[0]};
  if (a.has("value_int")) {
    c.integers = {a.integer("value_int", 0)};
  } else if (a.has("value_ints")) {
    c.integers = a.integers("value_ints");
    c.dims = {static_cast<std::int64_t>(c.integers.size())};
  } else if (a.has("value_float")) {
    c.real = true;
    c.reals = {a.real("value_float", 0.0f)};
  } else {
    fail(Errc::unsupported, "no attribute of a kind that is understood");
  }
  g.give(std::move(c));
}
inline void import_shape_of(Importer& g, Attributes& a) {
  require(!a.has("start") && !a.has("end"), Errc::unsupported, "attributes start and end are not understood");
  Constant c;
  c.integers = {batch_symbol};
  for (const std::int64_t d : g.value(0).dims) c.integers.push_back(d);
  c.dims = {static_cast<std::int64_t>(c.integers.size())};
  g.give(std::move(c));
}
inline void import_gather(Importer& g, Attributes& a) {
  a.expect("axis", 0);
  const Constant &data = g.integers(0, "data"), &which = g.integers(1, "indices");
  require(data.dims.size() == 1 && which.dims.size() <= 1, Errc::unsupported, "only elements of a shape are gathered");
  Constant c{.dims = which.dims};
  g.take(which);
  for (const std::int64_t i : which.integers) c.integers.push_back(data.integers[axis_of(i, data.integers.size())]);
  g.give(std::move(c));
}
inline void import_constant_of_shape(Importer& g, Attributes& a) {
  const std::vector<std::int64_t> shape = g.few_integers(0, "input");
  Constant value{.dims = {1}, .real = true, .reals = {0.0f}};
  if (const TensorInfo* t = a.tensor("value")) value = make_constant(*t);
  Constant c{.dims = shape, .real = value.real};
  const std::int64_t size = c.dims.empty() ? 1 : detail::product(c.dims);
  require(value.known && value.size() == 1 && size <= 65536, Errc::unsupported,
          "{} elements; only small shapes are made", size);
  c.reals.assign(value.real ? static_cast<std::size_t>(size) : 0, value.real ? value.reals[0] : 0.0f);
  c.integers.assign(value.real ? 0 : static_cast<std::size_t>(size), value.real ? 0 : value.integers[0]);
  g.give(std::move(c));
}
/// Rows of a constant, forwards or backwards.
inline void import_slice(Importer& g, Attributes&) {
  const Constant& data = g.integers(0, "data");
  const auto one = [&](std::size_t i, const char* what, std::int64_t otherwise) {
    if (!g.has_input(i)) return otherwise;
    const Constant& c = g.integers(i, what);
    require(c.integers.size() == 1, Errc::unsupported, "{} must be one number", what);
    return c.integers[0];
  };
  const std::int64_t step = one(4, "steps", 1);
  require(!data.dims.empty() && data.dims[0] > 0 && one(3, "axes", 0) == 0 && (step == 1 || step == -1),
          Errc::unsupported, "only rows of a constant, without gaps, are understood");
  const std::int64_t rows = data.dims[0], width = static_cast<std::int64_t>(data.integers.size()) / rows;
  // As the specification: from the back where negative, then cut; backwards, the end may lie in front of the first row.
  const auto place = [&](std::int64_t i, std::int64_t lo, std::int64_t hi) {
    return std::clamp(i < 0 && i >= -rows ? i + rows : i, lo, hi);
  };
  const std::int64_t lo = step > 0 ? 0 : -1, hi = step > 0 ? rows : rows - 1;
  const std::int64_t first = place(one(1, "starts", 0), lo, hi), end = place(one(2, "ends", rows), lo, hi);
  Constant c{.dims = data.dims};
  c.dims[0] = 0;
  for (std::int64_t row = first; step > 0 ? row < end : row > end; row += step) {
    c.integers.insert(c.integers.end(), data.integers.begin() + row * width, data.integers.begin() + (row + 1) * width);
    ++c.dims[0];
  }
  g.give(std::move(c));
}

}  // namespace stet::onnx
