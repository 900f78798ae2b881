#pragma once
// Slices in .tflite files: STRIDED_SLICE; SLICE, SPLIT and SPLIT_V are read too.

#include <stet/io/tflite/float_importer.hpp>
#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace stet::tflite {

/// Dimensions that stay whole are masked, the batch with them.
inline void write(const op::Slice& o, Writer& w) {
  const int rank = w.node().in.rank() + 1, axis = o.axis + 1;
  std::vector<std::int32_t> begin(static_cast<std::size_t>(rank)), end = begin, step(static_cast<std::size_t>(rank), 1);
  const auto at = static_cast<std::size_t>(axis);
  begin[at] = Writer::dimensions({o.first})[0];
  end[at] = Writer::dimensions({std::max<std::int64_t>(o.last, 0)})[0];
  step[at] = static_cast<std::int32_t>(o.step);
  const std::int32_t whole = (1 << rank) - 1, mask = whole & ~(1 << axis);
  const std::int32_t end_mask = o.last < 0 ? whole : mask;  // in front of all elements there is no number for the end
  const std::string& name = w.node().name;
  const std::int32_t y = w.output();
  w.operation(Builtin::strided_slice,
              {w.input(), w.indices(name + ":begin", begin), w.indices(name + ":end", end), w.indices(name + ":strides", step)}, y,
              {.type = OptionsType::strided_slice, .begin_mask = mask, .end_mask = end_mask});
}

namespace detail {

inline int slice_version(const ModelInfo& m, const OperatorInfo& o) { return m.input(o, 0).shape.size() > 4 ? 4 : 1; }

// Parts along several dimensions, one after the other, as the value of the site's output.
inline void finish_parts(const Site& s, Importer& in, int from, const std::vector<op::Slice>& parts) {
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) from = in.add(s, parts[i], {from}, "slice");
  if (parts.empty()) return in.finish(s, op::Reshape{in.shape(from)}, {from});
  in.finish(s, parts.back(), {from});
}

// A slice of a value; of a shape it is one of numbers (operators/shape/tflite.hpp).
inline void read_strided_slice_of_value(const Site& s, Importer& in) {
  s.expect_options(OptionsType::strided_slice);
  const int from = in.value(s, 0);
  const Options& o = s.options();
  const std::vector<std::int64_t> begin = s.integers(1, "begin"), end = s.integers(2, "end"), step = s.integers(3, "strides");
  const std::size_t rank = s.input(0).shape.size();
  s.require(begin.size() == rank && end.size() == rank && step.size() == rank && o.ellipsis_mask == 0 && o.new_axis_mask == 0,
            Errc::unsupported, "only parts of dimensions are understood, without an ellipsis and new ones");
  std::vector<op::Slice> parts;
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t size = s.input(0).shape[d];
    s.require(step[d] != 0, Errc::format, "has a stride of 0");
    const bool back = step[d] < 0, one = (o.shrink_axis_mask >> d & 1) != 0;
    const auto place = [=](std::int64_t i) {
      return std::clamp<std::int64_t>(i < 0 ? i + size : i, back ? -1 : 0, back ? size - 1 : size);
    };
    const std::int64_t first = (o.begin_mask >> d & 1) != 0 && !one ? (back ? size - 1 : 0) : place(begin[d]);
    const std::int64_t last = one ? first + 1 : (o.end_mask >> d & 1) != 0 ? (back ? -1 : size) : place(end[d]);
    const std::int64_t by = one ? 1 : std::clamp<std::int64_t>(step[d], -size, size);
    if (first == 0 && last == size && by == 1) continue;
    s.require(d > 0, Errc::unsupported, "takes a part of the batch; samples must stay together");
    parts.push_back({static_cast<int>(d) - 1, first, last, by});
  }
  if (o.shrink_axis_mask == 0) return finish_parts(s, in, from, parts);
  int cut = from;  // dimensions of one element go
  for (const op::Slice& part : parts) cut = in.add(s, part, {cut}, "slice");
  in.finish(s, op::Reshape{s.output_sample()}, {cut});
}
inline void read_slice(const Site& s, Importer& in) {
  s.expect_inputs(3, 3);
  s.expect_options(OptionsType::slice);
  const int from = in.value(s, 0);
  const std::vector<std::int64_t> begin = s.integers(1, "begin"), size = s.integers(2, "size");
  const auto& dims = s.input(0).shape;
  s.require(begin.size() == dims.size() && size.size() == dims.size(), Errc::format, "begin and size must have {} numbers", dims.size());
  std::vector<op::Slice> parts;
  for (std::size_t d = 0; d < dims.size(); ++d) {
    s.require(begin[d] >= 0 && begin[d] <= dims[d] && size[d] >= -1 && size[d] <= dims[d], Errc::range, "takes {} of {} from {} on", size[d],
              dims[d], begin[d]);
    const std::int64_t last = size[d] < 0 ? dims[d] : begin[d] + size[d];
    if (begin[d] == 0 && last == dims[d]) continue;
    s.require(d > 0, Errc::unsupported, "takes a part of the batch; samples must stay together");
    parts.push_back({static_cast<int>(d) - 1, begin[d], last});
  }
  finish_parts(s, in, from, parts);
}

// Padding with the value's own elements, mirrored at those of the border or beside them: parts of it, which move codes.
inline void read_mirror_pad(const Site& s, Importer& in) {
  s.expect_inputs(2, 2);
  s.expect_options(OptionsType::mirror_pad);
  const std::vector<std::int64_t> p = s.integers(1, "paddings");
  const auto& dims = s.input(0).shape;
  s.require(p.size() == 2 * dims.size() && p[0] == 0 && p[1] == 0, Errc::unsupported, "paddings must be two numbers per dimension, none of the batch");
  const std::int64_t beside = s.options().mirror == 0 ? 1 : 0;
  int from = in.value(s, 0);
  for (std::size_t d = 1; d < dims.size(); ++d) {
    const std::int64_t size = dims[d], before = p[2 * d], after = p[2 * d + 1];
    const int axis = static_cast<int>(d) - 1;
    s.require(before >= 0 && after >= 0 && before <= size - beside && after <= size - beside, Errc::range, "pads {} elements by {} and {}", size, before, after);
    if (before + after == 0) continue;
    std::vector<int> parts;
    const auto piece = [&](std::int64_t count, std::int64_t first) {
      if (count > 0) parts.push_back(in.add(s, op::Slice{axis, first, first - count, -1}, {from}, "mirrored"));
    };
    piece(before, before - 1 + beside);
    parts.push_back(from);
    piece(after, size - 1 - beside);
    from = in.add(s, op::Concat{axis}, std::move(parts), "padded");
  }
  in.finish(s, op::Reshape{in.shape(from)}, {from});
}

// All parts along an axis; each output is a slice.
inline void give_parts(const Site& s, Importer& in, int from, std::int64_t given, const std::vector<std::int64_t>& sizes) {
  const int axis = s.dimension(given, static_cast<std::size_t>(in.shape(from).rank()) + 1, "axis {} does not exist in {} dimensions");
  s.require(axis != 0, Errc::unsupported, "splits the batch; samples must stay together");
  std::int64_t first = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    OperatorInfo part = s.info();
    part.outputs = {s.info().outputs[i]};
    s.require(sizes[i] >= 1 && sizes[i] <= in.shape(from)[axis - 1] - first, Errc::range, "part {} has {} elements", i, sizes[i]);
    in.finish(in.site_of(part), op::Slice{axis - 1, first, first + sizes[i]}, {from});
    first += sizes[i];
  }
  s.require(first == in.shape(from)[axis - 1], Errc::shape, "the parts are {} of {} elements", first, in.shape(from)[axis - 1]);
}
inline std::int64_t axis_operand(const Site& s, std::size_t i) {
  const std::vector<std::int64_t> axis = s.integers(i, "axis");
  s.require(axis.size() == 1, Errc::format, "axis has {} numbers", axis.size());
  return axis[0];
}
inline void read_split(const Site& s, Importer& in) {
  s.expect_inputs(2, 2);
  s.expect_options(OptionsType::split);
  const int from = in.value(s, 1);
  const std::int64_t given = axis_operand(s, 0);
  const int axis = s.dimension(given, s.input(1).shape.size(), "axis {} does not exist in {} dimensions");
  const auto count = static_cast<std::int64_t>(s.info().outputs.size()), whole = std::int64_t{s.input(1).shape[static_cast<std::size_t>(axis)]};
  s.require(count >= 1 && whole % count == 0, Errc::shape, "{} elements are not {} equal parts", whole, count);
  give_parts(s, in, from, given, std::vector<std::int64_t>(static_cast<std::size_t>(count), whole / count));
}
inline void read_split_v(const Site& s, Importer& in) {
  s.expect_inputs(3, 3);
  s.expect_options(OptionsType::split_v);
  const int from = in.value(s, 0);
  const std::int64_t given = axis_operand(s, 2);
  std::vector<std::int64_t> sizes = s.integers(1, "sizes");
  s.require(sizes.size() == s.info().outputs.size(), Errc::format, "there are {} sizes for {} outputs", sizes.size(), s.info().outputs.size());
  const auto open = std::ranges::find(sizes, -1);
  if (open != sizes.end()) {
    const int axis = s.dimension(given, s.input(0).shape.size(), "axis {} does not exist in {} dimensions");
    std::int64_t rest = s.input(0).shape[static_cast<std::size_t>(axis)];
    for (const std::int64_t size : sizes) rest -= std::clamp<std::int64_t>(size, 0, rest);
    *open = rest;
  }
  give_parts(s, in, from, given, sizes);
}

}  // namespace detail

inline constexpr Row slice_rows[] = {{.code = Builtin::slice, .reads = reads<detail::read_slice>, .resolver = "AddSlice"},
                                     {.code = Builtin::split, .reads = reads<detail::read_split>, .resolver = "AddSplit"},
                                     {.code = Builtin::split_v, .reads = reads<detail::read_split_v>, .resolver = "AddSplitV"},
    {Builtin::mirror_pad, reads<detail::read_mirror_pad>}};

}  // namespace stet::tflite
