#pragma once
// Pooling: the parameters with which a target computes them.

#include <stet/graph/surroundings.hpp>
#include <stet/integer/pooling.hpp>
#include <stet/integer/reduction.hpp>
#include <stet/operators/pooling/graph.hpp>

namespace stet::graph::op {

inline integer::Bounds resolve(const MaxPool& o, const Surroundings& s) {
  return integer::max_pool_bounds(s.target, s.activation, s.out.codes, window(o, s.in[0].shape));
}
inline integer::AveragePoolParameters resolve(const AveragePool&, const Surroundings& s) {
  return integer::make_average_pool(s.target, s.activation, s.out.codes);
}
inline integer::MeanParameters resolve(const GlobalAveragePool&, const Surroundings& s) {
  const Shape& x = s.in[0].shape;
  return integer::make_mean(s.target, s.in[0].codes, s.out.codes, x[0] * x[1]);
}

}  // namespace stet::graph::op
