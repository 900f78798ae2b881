// Comparison of integer models.
#pragma once

#include <stet/graph/integer_model.hpp>

#include "networks.hpp"

namespace stet_test {

/// Whether two models have the same values, scales, zero points, weight codes and biases.
inline bool same_constants(const stet::IntegerModel& a, const stet::IntegerModel& b) {
  bool same = a.values.size() == b.values.size() && a.nodes.size() == b.nodes.size() && a.outputs == b.outputs;
  for (std::size_t i = 0; same && i < a.values.size(); ++i) {
    same = a.values[i].name == b.values[i].name && a.values[i].codes == b.values[i].codes;
  }
  for (std::size_t i = 0; same && i < a.nodes.size(); ++i) {
    const stet::LayerConstants &p = a.nodes[i].constants, &q = b.nodes[i].constants;
    same = a.nodes[i].op.index() == b.nodes[i].op.index() && a.nodes[i].inputs == b.nodes[i].inputs &&
           same_bits(p.weights, q.weights) && same_bits(p.bias, q.bias) && p.weight_scale == q.weight_scale;
  }
  return same;
}

}  // namespace stet_test
