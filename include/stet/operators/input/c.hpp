#pragma once
// The input as tables of C.

#include <stet/io/c/program_writer.hpp>
#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Input&, WeightsWriter& w) { w.row.op = "STET_INPUT"; }

// The entries make the codes of inputs by themselves.
inline void program(const graph::op::Input&, ProgramWriter&) {}

}  // namespace stet::c
