#pragma once
// Activations as tables of C.

#include <stet/io/c/program_writer.hpp>
#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void clamp(integer::Bounds b, WeightsWriter& w) {
  w.row.op = "STET_CLAMP";
  w.params("cmsis_nn_activation", formatted("{}, {}", b.lo, b.hi));
}
inline void write(const graph::op::Relu& o, WeightsWriter& w) { clamp(w.site().resolve(o).bounds, w); }
inline void write(const graph::op::Relu6& o, WeightsWriter& w) { clamp(w.site().resolve(o).bounds, w); }

inline void clamp(integer::Bounds b, ProgramWriter& w) {
  w.use("clamp");
  w.statement(formatted("stet_clamp({}, {}, {}, {}, {});", w.elements(), w.in(), b.lo, b.hi, w.out()));
}
inline void program(const graph::op::Relu& o, ProgramWriter& w) { clamp(w.site().resolve(o).bounds, w); }
inline void program(const graph::op::Relu6& o, ProgramWriter& w) { clamp(w.site().resolve(o).bounds, w); }

}  // namespace stet::c
