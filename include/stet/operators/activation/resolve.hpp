#pragma once
// Activations: the parameters with which a target computes them.

#include <stet/graph/surroundings.hpp>
#include <stet/integer/elementwise_parameters.hpp>
#include <stet/operators/activation/graph.hpp>

namespace stet::graph::op {

inline integer::ClampParameters resolve(const Relu&, const Surroundings& s) {
  return integer::make_clamp(s.target, s.out.codes, Activation::relu);
}
inline integer::ClampParameters resolve(const Relu6&, const Surroundings& s) {
  return integer::make_clamp(s.target, s.out.codes, Activation::relu6);
}

inline TableFunction table_function(const LeakyRelu& o) { return {integer::Function::leaky_relu, o.alpha}; }
inline TableFunction table_function(const Sigmoid&) { return {integer::Function::sigmoid}; }
inline TableFunction table_function(const Tanh&) { return {integer::Function::tanh}; }
inline TableFunction table_function(const HardSwish&) { return {integer::Function::hard_swish}; }

}  // namespace stet::graph::op
