#pragma once
// Sums, differences and products: what check says of them.

#include <stet/model/unit_remarks.hpp>

namespace stet::detail {

inline void remark(const graph::op::Sub&, UnitRemarks& r) {
  if (r.target().subtract != integer::AddRule::dequantized) return;
  r.runs(Severity::note,
         "the runtime has no integer subtraction: it dequantizes, subtracts in float and quantizes; stet computes the same "
         "codes");
}

inline void remark_sum(const integer::AddParameters& p, integer::AddRule wanted, UnitRemarks& r) {
  if (p.rule == wanted) return;
  r.add(Severity::note, "a ratio of scales lies outside of XNNPACK's [2^-10, 2^8): LiteRT's builtin kernel runs it");
}
inline void remark_scales(const graph::op::Add&, const integer::AddParameters& p, UnitRemarks& r) {
  remark_sum(p, r.target().add, r);
}
inline void remark_scales(const graph::op::Sub&, const integer::AddParameters& p, UnitRemarks& r) {
  remark_sum(p, r.target().subtract, r);
}
inline void remark_scales(const graph::op::Mul&, const integer::MultiplyParameters& p, UnitRemarks& r) {
  if (r.target().multiply != integer::MultiplyRule::xnnpack || p.rule == r.target().multiply) return;
  r.add(Severity::note, "the multiplier lies below XNNPACK's 2^-16: LiteRT's builtin kernel runs it");
}

}  // namespace stet::detail
