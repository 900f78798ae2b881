#pragma once
// Slices in .onnx: written and read; a Split is read as slices.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>
#include <stet/io/onnx/parts.hpp>
#include <stet/io/onnx/read_constants.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

namespace stet::onnx {

void write(const graph::op::Slice& o, auto& w) {
  const Layout layout = w.layout(w.input());
  const auto number = [&](const char* of, std::int64_t n) { return w.list(w.name() + of, Ints{n}); };
  // In front of all elements there is no number but a very low one for the end.
  Names inputs{w.get(w.input(), layout), number(".starts", o.first), number(".ends", o.last < 0 ? -(std::int64_t{1} << 31) : o.last),
               number(".axes", position(layout, w.shape_in().rank(), o.axis))};
  if (o.step != 1) inputs.push_back(number(".steps", o.step));
  w.emit_moved("Slice", std::move(inputs), layout);
}

/// A part of a value along the dimension that ONNX counts without the batch.
inline Arrangement sliced(Importer& g, const Arrangement& from, int dimension, std::int64_t first, std::int64_t last,
                          std::int64_t step = 1) {
  if (first == 0 && last == from.dims[at(dimension)] && step == 1) return from;
  require(step > 0 ? first < last : first > last, Errc::unsupported, "takes nothing of a dimension");
  Arrangement y = g.arranger.ordered(from);
  if (y.dims[at(dimension)] == 1) return y;
  const graph::op::Slice op{y.axis[at(dimension)], first, last, step};
  y.dims[at(dimension)] = progression(op).count;
  y.node = g.add(op, {y.node});
  y.name.clear();
  return y;
}
/// One element of a dimension, which goes.
inline Arrangement selected(Importer& g, const Arrangement& from, int dimension, std::int64_t which) {
  Arrangement y = sliced(g, g.arranger.ordered(from), dimension, which, which + 1);
  require(y.dims.size() > 1, Errc::unsupported, "one number of each sample is left; a dimension must stay");
  y.dims.erase(y.dims.begin() + dimension);
  y.axis.erase(y.axis.begin() + dimension);
  return y;
}

/// Slice of a value; of constants it was folded before.
inline void read_slice(Importer& g, Attributes& a) {
  const auto [starts, ends, axes, steps] = slice_numbers(g, a);
  Arrangement x = g.value();
  const auto rank = static_cast<std::int64_t>(x.dims.size()) + 1;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::int64_t step = steps[i];
    const std::int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    require(axis >= 0 && axis < rank, Errc::unsupported, "axis {} does not exist in {} dimensions", axes[i], rank);
    const std::int64_t all = g.batch > 0 ? g.batch : (std::int64_t{1} << 31) - 1;
    if (axis == 0 && starts[i] == 0 && ends[i] >= all && step == 1) continue;  // all samples
    const int dimension = sample_axis(axes[i], x.dims.size());
    const std::int64_t size = x.dims[at(dimension)];
    const bool back = step < 0;
    const auto place = [=](std::int64_t n) {
      return std::clamp<std::int64_t>(n < 0 && n >= -size ? n + size : n, back ? -1 : 0, back ? size - 1 : size);
    };
    x = sliced(g, x, dimension, place(starts[i]), place(ends[i]), std::clamp(step, -size, size));
  }
  g.give(std::move(x));
}

inline void read_split(Importer& g, Attributes& a) {
  const Arrangement x = g.value();
  const int dimension = sample_axis(a.integer("axis", 0), x.dims.size());
  const Ints sizes = split_sizes(g, a, x.dims[at(dimension)]);
  std::int64_t first = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (!g.node->outputs[i].empty()) g.give(g.node->outputs[i], sliced(g, x, dimension, first, first + sizes[i]));
    first += sizes[i];
  }
}

/// Numbers of elements as parts, as few as go on in equal steps.
inline std::vector<graph::op::Slice> runs_of(const Ints& which) {
  std::vector<graph::op::Slice> parts;
  for (std::size_t i = 0; i < which.size();) {
    const std::int64_t step = i + 1 < which.size() && which[i + 1] != which[i] ? which[i + 1] - which[i] : 1;
    std::size_t end = i + 1;
    while (end < which.size() && which[end] == which[end - 1] + step) ++end;
    parts.push_back({0, which[i], which[end - 1] + (step > 0 ? 1 : -1), step});
    i = end;
  }
  return parts;
}
/// Parts of a dimension, one behind the other.
inline Arrangement joined(Importer& g, const Arrangement& x, int dimension, std::vector<graph::op::Slice> parts) {
  if (parts.size() == 1) return sliced(g, x, dimension, parts[0].first, parts[0].last, parts[0].step);
  require(parts.size() <= 256, Errc::unsupported, "a dimension in {} parts; at most 256 are put together", parts.size());
  const std::vector<int> order = usual_order(x.dims.size());
  const int from = g.arranger.arrange(x, order);
  const auto axis = static_cast<int>(std::find(order.begin(), order.end(), dimension) - order.begin());
  std::vector<int> pieces;
  Ints dims = x.dims;
  dims[at(dimension)] = 0;
  for (graph::op::Slice& p : parts) {
    p.axis = axis;
    const Progression taken = progression(p);
    dims[at(dimension)] += taken.count;
    const bool whole = taken.step == 1 && taken.count == x.dims[at(dimension)];
    pieces.push_back(whole ? from : g.add(p, {from}));
  }
  return Arranger::make(g.add(graph::op::Concat{axis}, std::move(pieces)), std::move(dims), order);
}
/// Elements of a dimension by constant numbers: one, or a list of them.
inline void read_gather(Importer& g, Attributes& a) {
  const Arrangement x = g.value();
  const int dimension = sample_axis(a.integer("axis", 0), x.dims.size());
  const Constant& c = g.integers(1, "indices");
  const std::int64_t size = x.dims[at(dimension)];
  require(c.dims.size() <= 1 && c.size() >= 1 && c.size() <= 65536, Errc::unsupported, "indices must be one number or a list");
  Ints which = c.integers;
  for (std::int64_t& i : which) {
    require(i >= -size && i < size, Errc::unsupported, "takes element {} of {}", i, size);
    if (i < 0) i += size;
  }
  g.give(c.dims.empty() ? selected(g, x, dimension, which[0]) : joined(g, x, dimension, runs_of(which)));
}

/// Padding with the value's own elements: parts of it, one behind the other, which integers have exactly.
inline void pad_with_values(Importer& g, const std::string& mode, const Ints& pads) {
  Arrangement x = g.arranger.ordered(g.value());
  const std::size_t rank = x.dims.size();
  require(pads.size() == 2 * (rank + 1) && pads[0] == 0 && pads[rank + 1] == 0, Errc::unsupported,
          "pads must be those of the numbers of a sample");
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t size = x.dims[d], before = pads[d + 1], after = pads[rank + d + 2];
    const std::int64_t most = mode == "reflect" ? size - 1 : mode == "wrap" ? size : 128;
    require(before >= 0 && after >= 0 && before <= most && after <= most, Errc::unsupported, "pads {} elements by {} and {} (mode {})",
            size, before, after, mode);
    std::vector<graph::op::Slice> parts;
    const auto piece = [&](std::int64_t first, std::int64_t last, std::int64_t step) {
      if (first != last) parts.push_back({0, first, last, step});
    };
    if (mode == "reflect") piece(before, 0, -1);
    if (mode == "wrap") piece(size - before, size, 1);
    for (std::int64_t i = 0; mode == "edge" && i < before; ++i) piece(0, 1, 1);
    piece(0, size, 1);
    for (std::int64_t i = 0; mode == "edge" && i < after; ++i) piece(size - 1, size, 1);
    if (mode == "reflect") piece(size - 2, size - 2 - after, -1);
    if (mode == "wrap") piece(0, after, 1);
    if (parts.size() > 1) x = joined(g, x, static_cast<int>(d), std::move(parts));
  }
  g.give(std::move(x));
}

inline constexpr OperatorReader slice_readers[] = {{"Gather", read_gather}, {"Slice", read_slice}, {"Split", read_split}};

}  // namespace stet::onnx
