#pragma once
// Maxima and minima as tables of C.

#include <stet/io/c/program_walks.hpp>
#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Extremum& o, WeightsWriter& w) { w.row.op = o.largest ? "STET_MAXIMUM" : "STET_MINIMUM"; }

inline void program(const graph::op::Extremum& o, ProgramWriter& w) {
  const std::string name = o.largest ? "maximum" : "minimum";
  w.use(name);
  pairs(w, formatted("stet_{}(", name));
}

}  // namespace stet::c
