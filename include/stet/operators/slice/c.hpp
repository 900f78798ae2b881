#pragma once
// Slices as tables of C.

#include <stet/io/c/program_walks.hpp>
#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Slice& o, WeightsWriter& w) {
  w.row.op = "STET_SLICE";
  w.params("stet_slice_params", formatted("{}, {}, {}", 4 - w.site().out().shape.rank() + o.axis, o.first, o.step));
}

inline void program(const graph::op::Slice& o, ProgramWriter& w) {
  const Shape& y = w.site().out().shape;
  std::vector<std::int64_t> steps = steps_of(w.site().in().shape);
  std::int64_t& along = steps[static_cast<std::size_t>(o.axis)];
  const std::int64_t first = o.first * along;
  along *= o.step;
  copied(w, formatted("{} + {}", w.in(), first), w.out(), dimensions_of(y, steps, steps_of(y)));
}

}  // namespace stet::c
