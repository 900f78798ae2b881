#pragma once
// Linear layers: what check says of them.

#include <stet/model/unit_remarks.hpp>

namespace stet::detail {

inline void remark(const graph::op::Linear&, UnitRemarks& r) {
  if (!r.unit().weights.per_channel() || !r.writes_tflite()) return;
  r.add(r.target_is(targets::tflite_micro) ? Severity::warning : Severity::note,
        "TensorFlow Lite Micro before September 2024 computes other codes from per-channel weights of a linear layer, "
        "without a word",
        "linear_weights = symmetric(8, false)");
}

}  // namespace stet::detail
