#pragma once
// Operators that move codes: what check says of them.

#include <stet/model/unit_remarks.hpp>

namespace stet::detail {

inline void remark(const graph::op::Concat&, UnitRemarks& r) {
  const std::size_t count = r.unit().deployed.inputs.size();
  if (count < 2 || count > 5) r.builtin(formatted("XNNPACK concatenates 2 to 5 inputs, not {}", count));
}

}  // namespace stet::detail
