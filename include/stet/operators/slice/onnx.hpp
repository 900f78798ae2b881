#pragma once
// Slices in .onnx: written and read; a Split is read as slices.

#include <stet/io/onnx/float_writer.hpp>
#include <stet/io/onnx/importer.hpp>
#include <stet/io/onnx/integer_writer.hpp>
#include <stet/io/onnx/read_constants.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

namespace stet::onnx {

void write(const graph::op::Slice& o, auto& w) {
  const Layout layout = w.layout(w.input());
  const auto number = [&](const char* of, std::int64_t n) { return w.list(w.name() + of, Ints{n}); };
  w.emit_moved("Slice",
               {w.get(w.input(), layout), number(".starts", o.first), number(".ends", o.last),
                number(".axes", position(layout, w.shape_in().rank(), o.axis))},
               layout);
}

/// A part of a value along the dimension that ONNX counts without the batch.
inline Arrangement sliced(Importer& g, const Arrangement& x, int dimension, std::int64_t first, std::int64_t last) {
  if (first == 0 && last == x.dims[at(dimension)]) return x;
  require(!x.reordered(), Errc::unsupported, "takes a part of a flattened image, whose elements lie in another order here");
  require(first < last, Errc::unsupported, "takes nothing of a dimension");
  Arrangement y = x;
  y.node = g.add(graph::op::Slice{x.axis[at(dimension)], first, last}, {x.node});
  y.dims[at(dimension)] = last - first;
  return y;
}

/// Slice of a value; of constants it was folded before.
inline void read_slice(Importer& g, Attributes& a) {
  Ints starts = a.integers("starts"), ends = a.integers("ends"), axes = a.integers("axes"), steps;
  if (g.has_input(1)) starts = g.few_integers(1, "starts");
  if (g.has_input(2)) ends = g.few_integers(2, "ends");
  if (g.has_input(3)) axes = g.few_integers(3, "axes");
  if (g.has_input(4)) steps = g.few_integers(4, "steps");
  for (std::size_t i = 0; axes.empty() && i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  require(starts.size() == ends.size() && axes.size() == starts.size() && (steps.empty() || steps.size() == starts.size()),
          Errc::unsupported, "starts, ends, axes and steps have different lengths");
  Arrangement x = g.value();
  const auto rank = static_cast<std::int64_t>(x.dims.size()) + 1;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    require(steps.empty() || steps[i] == 1, Errc::unsupported, "steps: only 1 is understood");
    const std::int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    require(axis >= 0 && axis < rank, Errc::unsupported, "axis {} does not exist in {} dimensions", axes[i], rank);
    if (axis == 0 && starts[i] == 0 && ends[i] >= (std::int64_t{1} << 31) - 1) continue;  // all samples
    const int dimension = sample_axis(axes[i], x.dims.size());
    const std::int64_t size = x.dims[at(dimension)];
    const auto place = [size](std::int64_t n) { return std::clamp<std::int64_t>(n < 0 ? n + size : n, 0, size); };
    x = sliced(g, x, dimension, place(starts[i]), place(ends[i]));
  }
  g.give(std::move(x));
}

inline void read_split(Importer& g, Attributes& a) {
  const Arrangement x = g.value();
  const int dimension = sample_axis(a.integer("axis", 0), x.dims.size());
  const std::int64_t whole = x.dims[at(dimension)];
  const auto count = static_cast<std::int64_t>(g.node->outputs.size());
  Ints sizes = a.integers("split");
  if (g.has_input(1)) sizes = g.few_integers(1, "split");
  const std::int64_t parts = a.integer("num_outputs", count);
  require(parts == count && count >= 1, Errc::unsupported, "attribute num_outputs is {}, there are {} outputs", parts, count);
  if (sizes.empty()) {
    const std::int64_t each = (whole + count - 1) / count;
    for (std::int64_t i = 0; i < count; ++i) sizes.push_back(std::min(each, whole - i * each));
  }
  require(static_cast<std::int64_t>(sizes.size()) == count, Errc::unsupported, "split has {} sizes for {} outputs", sizes.size(), count);
  std::int64_t first = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    require(sizes[i] >= 1 && sizes[i] <= whole - first, Errc::unsupported, "part {} has {} elements", i, sizes[i]);
    if (!g.node->outputs[i].empty()) g.give(g.node->outputs[i], sliced(g, x, dimension, first, first + sizes[i]));
    first += sizes[i];
  }
  require(first == whole, Errc::unsupported, "the parts are {} of {} elements", first, whole);
}

inline constexpr OperatorReader slice_readers[] = {{"Slice", read_slice}, {"Split", read_split}};

}  // namespace stet::onnx
