#pragma once
// Maxima and minima of codes, on the tape.

#include <stet/model/unit_site.hpp>
#include <stet/qat/extremum.hpp>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::Extremum& o, const UnitSite& s) { return extremum(s.input(0), s.input(1), o.largest); }

}  // namespace stet::detail
