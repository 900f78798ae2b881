#pragma once
// Operators that are kept in float have no place in tables of C yet: format_faults says so before anything is written.

#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Real& o, WeightsWriter& w) {
  (void)w;
  fail(Errc::unsupported, "{} is kept in float, which integer files do not hold", kind(o));
}

}  // namespace stet::c
