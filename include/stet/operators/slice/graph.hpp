#pragma once
// A part of a value along one dimension.

#include <stet/graph/operator_spec.hpp>

#include <cstdint>
#include <string>

namespace stet::graph::op {

/// Elements first, ..., last - 1 of a dimension, which counts without the batch.
struct Slice {
  static constexpr std::string_view name = "slice";
  static constexpr bool keeps_values = true;  ///< every value is one of its input, or 0
  static constexpr auto form = IntegerForm::moves;
  int axis = 0;
  std::int64_t first = 0, last = 1;
};

inline std::string attributes(const Slice& o) { return formatted("axis {} {}..{}", o.axis, o.first, o.last); }
inline Shape infer(const Slice& o, Shapes in) {
  expect_inputs("slice", 1, in);
  const Shape& x = in[0];
  require(o.axis >= 0 && o.axis < x.rank(), Errc::range, "slice: axis {} does not exist in {} (without the batch)", o.axis, x);
  require(o.first >= 0 && o.first < o.last && o.last <= x[o.axis], Errc::range, "slice: {}..{} is no part of axis {} of {}", o.first,
          o.last, o.axis, x);
  return x.with(o.axis, o.last - o.first);
}

}  // namespace stet::graph::op
