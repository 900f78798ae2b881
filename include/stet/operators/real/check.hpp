#pragma once
// Operators that are kept in float: what check says of them.

#include <stet/model/unit_remarks.hpp>

#include <string>

namespace stet::detail {

inline void remark(const graph::op::Real&, UnitRemarks& r) {
  const std::string& why = r.unit().no_integer_form;
  r.runs(Severity::note, std::string("kept in float") + (r.unit().real_output ? ", and so is what reads it" : ": what it reads is dequantized, what it makes is quantized") +
                             (why.empty() ? "" : " (" + why + ")"));
}

}  // namespace stet::detail
