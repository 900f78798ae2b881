#pragma once
// Upsampling of codes, on the tape.

#include <stet/model/unit_site.hpp>
#include <stet/qat/shape.hpp>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::Upsample& o, const UnitSite& s) { return upsample(s.input(), o.factor); }

}  // namespace stet::detail
