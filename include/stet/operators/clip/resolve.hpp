#pragma once
// Clipping: the codes that bound a value.

#include <stet/graph/surroundings.hpp>
#include <stet/integer/elementwise_parameters.hpp>
#include <stet/operators/clip/graph.hpp>

namespace stet::graph::op {

inline integer::ClampParameters resolve(const Clip& o, const Surroundings& s) {
  return integer::make_clamp(s.target, s.out.codes, o.clamps);
}

}  // namespace stet::graph::op
