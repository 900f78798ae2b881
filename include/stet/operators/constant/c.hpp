#pragma once
// Constant codes have no place in tables of C yet: format_faults says so before anything is written.

#include <stet/io/c/weights_writer.hpp>

namespace stet::c {

inline void write(const graph::op::Constant&, WeightsWriter&) {
  fail(Errc::unsupported, "a constant operand has no place in tables of C");
}

}  // namespace stet::c
