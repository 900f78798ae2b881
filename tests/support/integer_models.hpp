// Comparison of integer models.
#pragma once

#include <stet/graph/integer_model.hpp>

#include "networks.hpp"

#include <type_traits>
#include <variant>

namespace stet_test {

/// Whether two models have the same values, scales, zero points, weight codes and biases.
inline bool same_constants(const stet::IntegerModel& a, const stet::IntegerModel& b) {
  bool same = a.values.size() == b.values.size() && a.nodes.size() == b.nodes.size() && a.outputs == b.outputs;
  for (std::size_t i = 0; same && i < a.values.size(); ++i) {
    same = a.values[i].name == b.values[i].name && a.values[i].params == b.values[i].params;
  }
  for (std::size_t i = 0; same && i < a.nodes.size(); ++i) {
    same = a.nodes[i].op.index() == b.nodes[i].op.index() && a.nodes[i].inputs == b.nodes[i].inputs;
    if (!same) break;
    std::visit(
        [&]<class Op>(const Op& op) {
          if constexpr (requires { op.weights; }) {
            const Op& other = std::get<Op>(b.nodes[i].op);
            same = same_bits(op.weights, other.weights) && same_bits(op.bias, other.bias) &&
                   op.weight_scale == other.weight_scale;
          }
        },
        a.nodes[i].op);
  }
  return same;
}

}  // namespace stet_test
