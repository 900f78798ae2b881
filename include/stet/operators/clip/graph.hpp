#pragma once
// Clipping between any two bounds.

#include <stet/graph/operator_spec.hpp>
#include <stet/integer/clamp.hpp>

#include <cmath>

namespace stet::graph::op {

/// min(max(x, lo), hi); one of the bounds may be infinite. Between 0 and 6, or above 0, Relu6 and Relu are the same.
struct Clip {
  static constexpr std::string_view name = "clip";
  static constexpr auto form = IntegerForm::moves;
  integer::Activation clamps{};
};

inline std::string attributes(const Clip& o) { return formatted("{}..{}", o.clamps.lo, o.clamps.hi); }
inline Shape infer(const Clip& o, Shapes in) {
  const auto& [lo, hi] = o.clamps;
  require(lo < hi && (std::isfinite(lo) || std::isfinite(hi)), Errc::range,
          "clip: bounds {} and {} must be ascending, and one of them finite", lo, hi);
  return same_shape(o, in);
}

}  // namespace stet::graph::op
