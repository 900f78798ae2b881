#pragma once
// Bilinear interpolation of codes, on the tape.

#include <stet/model/unit_site.hpp>
#include <stet/qat/resize_bilinear.hpp>

namespace stet::detail {

inline Var<QTensor> run(const graph::op::ResizeBilinear& o, const UnitSite& s) {
  return resize_bilinear(s.input(), s.resolve(o), Interpolation(s.operand().shape, o.height, o.width, o.coordinates));
}

}  // namespace stet::detail
