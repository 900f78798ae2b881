#pragma once
// Maxima and minima as tables of C.

#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Extremum& o, WeightsWriter& w) { w.row.op = o.largest ? "STET_MAXIMUM" : "STET_MINIMUM"; }

}  // namespace stet::c
