#pragma once
// The larger or the smaller of two values, element by element.

#include <stet/operators/elementwise/graph.hpp>

#include <string>

namespace stet::graph::op {

/// Element by element; a dimension of size 1 is repeated. Shapes:    two of equal rank, dimensions equal or 1
struct Extremum {
  static constexpr std::string_view name = "extremum";
  static constexpr bool keeps_values = true;  ///< every value is one of its inputs
  static constexpr auto form = IntegerForm::moves;
  bool largest = true;
};

/// Name of its kind: maximum or minimum.
constexpr std::string_view kind(const Extremum& o) { return o.largest ? "maximum" : "minimum"; }
inline std::string attributes(const Extremum&) { return ""; }
inline Shape infer(const Extremum& o, Shapes in) { return detail::broadcast(kind(o), in); }

}  // namespace stet::graph::op
