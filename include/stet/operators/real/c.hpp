#pragma once
// Operators that are kept in float have no place in tables of C yet: format_faults says so before anything is written.

#include <stet/io/c/program_writer.hpp>
#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Real& o, WeightsWriter& w) {
  (void)w;
  fail(Errc::unsupported, "{} is kept in float, which integer files do not hold", kind(o));
}

inline void program(const graph::op::Real& o, ProgramWriter& w) {
  (void)w;
  fail(Errc::unsupported, "{} is kept in float, which a C program does not hold", kind(o));
}

}  // namespace stet::c
