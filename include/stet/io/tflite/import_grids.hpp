#pragma once
// Grids below 8 bits in an integer model from a file: values that share a scale have one grid.

#include <stet/graph/integer_model.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/io/tflite/import_check.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <variant>
#include <vector>

namespace stet::tflite {

/// Whether an operator makes new codes; the others pass on those of their inputs.
inline bool makes_codes(const IntegerOperator& o) {
  namespace i = integer_op;
  return std::holds_alternative<i::Quantize>(o) || std::holds_alternative<i::Conv2D>(o) ||
         std::holds_alternative<i::DepthwiseConv2D>(o) || std::holds_alternative<i::Linear>(o) ||
         std::holds_alternative<i::Add>(o) || std::holds_alternative<i::Sub>(o) || std::holds_alternative<i::Mul>(o) ||
         std::holds_alternative<i::Mean>(o);
}

namespace detail {

inline Activation activation_of(const IntegerOperator& o, Activation otherwise) {
  const auto take = [&](const auto* op) {
    if (op != nullptr) otherwise = op->activation;
  };
  take(std::get_if<integer_op::Conv2D>(&o));
  take(std::get_if<integer_op::DepthwiseConv2D>(&o));
  take(std::get_if<integer_op::Linear>(&o));
  take(std::get_if<integer_op::Add>(&o));
  take(std::get_if<integer_op::Sub>(&o));
  take(std::get_if<integer_op::Mul>(&o));
  return otherwise;
}

// Whether the fused activation keeps the codes in a grid, whichever way a runtime rounds its bounds.
inline bool stays_within(const IntegerNode& node, const QParams& p, Grid grid) {
  const Activation activation = activation_of(node.op, Activation::none);
  for (const auto rule : {integer::ClampRule::half_away, integer::ClampRule::half_even}) {
    const integer::Bounds b = integer::clamp_bounds(rule, activation, p.scale[0], p.zero_point[0], p.grid);
    if (b.lo < grid.lo || b.hi > grid.hi) return false;
  }
  return true;
}

}  // namespace detail

/// Gives every group of values that share a scale the smallest grid of its members. A file writes a grid as MINIMUM and
/// MAXIMUM behind an operator, and leaves them out where a fused activation ends there anyway.
/// Errors:    a problem, Errc::unsupported, for a member whose codes may leave that grid
inline void settle_grids(IntegerModel& model, Problems& problems) {
  std::vector<std::size_t> group(model.values.size());
  std::iota(group.begin(), group.end(), std::size_t{0});
  const auto root = [&](std::size_t v) {
    while (group[v] != v) v = group[v] = group[group[v]];
    return v;
  };
  for (const IntegerNode& node : model.nodes) {
    if (makes_codes(node.op)) continue;
    for (const int in : node.inputs)
      group[root(static_cast<std::size_t>(in))] = root(static_cast<std::size_t>(node.output));
  }
  std::vector<Grid> smallest(model.values.size());
  for (std::size_t v = 0; v < model.values.size(); ++v) {
    Grid& g = smallest[root(v)];
    const Grid own = model.values[v].params.grid;
    g = {std::max(g.lo, own.lo), std::min(g.hi, own.hi)};
  }
  for (const IntegerNode& node : model.nodes) {
    const auto v = static_cast<std::size_t>(node.output);
    QParams& p = model.values[v].params;
    const Grid grid = smallest[root(v)];
    if (p.grid == grid) continue;
    if (makes_codes(node.op) && !detail::stays_within(node, p, grid)) {
      problems.add(Errc::unsupported, fmt::format("{}: has codes of {}..{}, but shares its scale with values of {}..{}",
                                                  model.values[v].name, p.grid.lo, p.grid.hi, grid.lo, grid.hi));
      continue;
    }
    p.grid = grid;
  }
}

}  // namespace stet::tflite
