#pragma once
// Slices of codes, on the tape.

#include <stet/model/unit_site.hpp>
#include <stet/qat/shape.hpp>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::Slice& o, const UnitSite& s) { return slice(s.input(), o.axis + 1, progression(o)); }

}  // namespace stet::detail
