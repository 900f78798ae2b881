#pragma once
// Upsampling as a table of C.

#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Upsample&, WeightsWriter& w) { w.row.op = "STET_UPSAMPLE"; }

}  // namespace stet::c
