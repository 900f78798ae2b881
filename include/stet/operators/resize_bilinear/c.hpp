#pragma once
// Bilinear interpolation as a table of C.

#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::ResizeBilinear& o, WeightsWriter& w) {
  const Shape& x = w.site().in().shape;
  const integer::FixedSteps rows(x[0], o.height, o.coordinates), columns(x[1], o.width, o.coordinates);
  w.row.op = "STET_RESIZE_BILINEAR";
  w.params("stet_resize_bilinear_params", formatted("{}, {}, {}, {}", rows.step, rows.first, columns.step, columns.first));
}

}  // namespace stet::c
