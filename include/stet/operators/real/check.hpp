#pragma once
// Operators that are kept in float: what check says of them.

#include <stet/model/unit_remarks.hpp>

namespace stet::detail {

inline void remark(const graph::op::Real&, UnitRemarks& r) {
  r.runs(Severity::note, r.unit().real_output
                             ? "kept in float, and so is what reads it"
                             : "kept in float: what it reads is dequantized, what it makes is quantized");
}

}  // namespace stet::detail
