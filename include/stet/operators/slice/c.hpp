#pragma once
// Slices as tables of C.

#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Slice& o, WeightsWriter& w) {
  w.row.op = "STET_SLICE";
  w.params("stet_slice_params", formatted("{}, {}, {}", 4 - w.site().out().shape.rank() + o.axis, o.first, o.step));
}

}  // namespace stet::c
