#pragma once
// A part of a value along one dimension.

#include <stet/core/progression.hpp>
#include <stet/graph/operator_spec.hpp>

#include <cstdint>
#include <string>

namespace stet::graph::op {

/// Elements first, first + step, ... of a dimension, which counts without the batch, before last is reached; backwards where
/// step is negative, last = -1 then being in front of all elements.
struct Slice {
  static constexpr std::string_view name = "slice";
  static constexpr bool keeps_values = true;  ///< every value is one of its input, or 0
  static constexpr auto form = IntegerForm::moves;
  int axis = 0;
  std::int64_t first = 0, last = 1, step = 1;
};

/// The elements that are taken.
inline Progression progression(const Slice& o) {
  const std::int64_t distance = o.step > 0 ? o.last - o.first : o.first - o.last, step = o.step > 0 ? o.step : -o.step;
  return {.first = o.first, .count = (distance + step - 1) / step, .step = o.step};
}

inline std::string attributes(const Slice& o) {
  return formatted("axis {} {}..{}", o.axis, o.first, o.last) + (o.step == 1 ? "" : formatted(" step {}", o.step));
}
inline Shape infer(const Slice& o, Shapes in) {
  expect_inputs("slice", 1, in);
  const Shape& x = in[0];
  require(o.axis >= 0 && o.axis < x.rank(), Errc::range, "slice: axis {} does not exist in {} (without the batch)", o.axis, x);
  const std::int64_t size = x[o.axis];
  const bool forwards = o.step > 0 && o.first >= 0 && o.first < o.last && o.last <= size;
  const bool backwards = o.step < 0 && o.first < size && o.first > o.last && o.last >= -1;
  require((forwards || backwards) && o.step >= -size && o.step <= size, Errc::range,
          "slice: {}..{} with step {} is no part of axis {} of {}", o.first, o.last, o.step, o.axis, x);
  return x.with(o.axis, progression(o).count);
}

}  // namespace stet::graph::op
