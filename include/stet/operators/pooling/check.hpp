#pragma once
// Pooling: what check says of them.

#include <stet/model/unit_remarks.hpp>

namespace stet::detail {

inline void remark(const graph::op::AveragePool&, UnitRemarks& r) { r.builtin("XNNPACK has no int8 average pool"); }
inline void remark(const graph::op::MaxPool& o, UnitRemarks& r) {
  const Pair stride = graph::op::pool_stride(o.size, o.stride);
  if (stride.height > o.size.height || stride.width > o.size.width) {
    r.builtin("XNNPACK has no max pool with a stride above its window");
  }
}

}  // namespace stet::detail
