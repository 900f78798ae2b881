#pragma once
// Clipping of codes, on the tape.

#include <stet/model/unit_site.hpp>
#include <stet/qat/elementwise.hpp>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::Clip& o, const UnitSite& s) { return clamp(s.input(), s.resolve(o)); }

}  // namespace stet::detail
