#pragma once
// The input as tables of C.

#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Input&, WeightsWriter& w) { w.row.op = "STET_INPUT"; }

}  // namespace stet::c
