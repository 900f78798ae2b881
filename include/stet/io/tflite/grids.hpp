#pragma once
// Grids below 8 bits in an integer model and its file, which has MINIMUM and MAXIMUM for them.

#include <stet/core/groups.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/io/tflite/import_check.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace stet::tflite {

/// Whether the fused activation keeps codes that an operator makes on p's grid within another one, whichever way a runtime
/// rounds its bounds.
inline bool stays_within(Activation activation, const Affine& p, Grid grid) {
  for (const auto rule : {integer::ClampRule::half_away, integer::ClampRule::half_even}) {
    const integer::Bounds b = integer::clamp_bounds(rule, activation, p.scale, p.zero_point, p.grid);
    if (b.lo < grid.lo || b.hi > grid.hi) return false;
  }
  return true;
}

/// Gives every group of values that share a scale the smallest grid of its members. A file writes a grid as MINIMUM and
/// MAXIMUM behind an operator, and leaves them out where a fused activation ends there anyway.
/// Errors:    a problem, Errc::unsupported, for a member whose codes may leave that grid
inline void settle_grids(IntegerModel& model, Problems& problems) {
  Groups groups(model.values.size());
  for (const IntegerNode& node : model.nodes) {
    if (!graph::moves_codes(node.op)) continue;
    for (const int in : node.inputs) {
      groups.join(static_cast<std::size_t>(in), static_cast<std::size_t>(node.output));
    }
  }
  std::vector<Grid> smallest(model.values.size());
  for (std::size_t v = 0; v < model.values.size(); ++v) {
    Grid& g = smallest[groups.of(v)];
    const Grid own = model.values[v].codes.grid;
    g = {std::max(g.lo, own.lo), std::min(g.hi, own.hi)};
  }
  for (const IntegerNode& node : model.nodes) {
    const auto v = static_cast<std::size_t>(node.output);
    Affine& p = model.values[v].codes;
    const Grid grid = smallest[groups.of(v)];
    if (p.grid == grid) continue;
    if (!graph::moves_codes(node.op) && !stays_within(node.activation, p, grid)) {
      problems.add(Errc::unsupported, formatted("{}: has codes of {}..{}, but shares its scale with values of {}..{}",
                                                  model.values[v].name, p.grid.lo, p.grid.hi, grid.lo, grid.hi));
      continue;
    }
    p.grid = grid;
  }
}

}  // namespace stet::tflite
