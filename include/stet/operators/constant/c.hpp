#pragma once
// Constant codes have no place in tables of C yet: format_faults says so before anything is written.

#include <stet/io/c/program_writer.hpp>
#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Constant&, WeightsWriter&) {
  fail(Errc::unsupported, "a constant operand has no place in tables of C");
}

// Memory is shared between values, so the codes are laid down in every run.
inline void program(const graph::op::Constant&, ProgramWriter& w) {
  w.statement(formatted("memcpy({}, {}, {});", w.out(), w.codes("codes", w.node().constants.weights.span()), w.elements()));
}

}  // namespace stet::c
