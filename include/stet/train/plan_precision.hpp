#pragma once
// Planning precision: how many bits the layers at both ends have, and which scales are trained.

#include <stet/graph/graph.hpp>
#include <stet/qat/recipe.hpp>
#include <stet/train/unit.hpp>

#include <cstddef>
#include <vector>

namespace stet::detail {

// Gives layers that read the input or make the output, and the values around them, the recipe's end_bits. An override
// speaks for its own node.
inline void plan_ends(const Graph& graph, const Recipe& recipe, UnitPlan& plan) {
  if (!recipe.end_bits) return;
  const int bits = *recipe.end_bits;
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  const auto widen = [&](Unit& layer) {
    const RecipeOverride* o = recipe.override_of(graph.node(layer.node).name);
    if (o == nullptr || !o->weights) layer.weights = {bits, layer.weights.per_channel};
  };
  std::vector<bool> before(graph.nodes().size(), false);  // no weights between the input and this value
  for (Unit& unit : plan.units) {
    bool all = true;
    for (const int in : unit.inputs) all = all && before[at(in)];
    if (all && has_weights(unit.kind)) widen(unit);
    if (!all || has_weights(unit.kind)) continue;
    before[at(unit.output)] = true;
    plan.quantizer_bits[at(unit.quantizer)] = bits;
  }
  std::vector<bool> behind(graph.nodes().size(), false);  // no weights between this value and the output
  for (const int out : graph.outputs()) behind[at(out)] = true;
  for (std::size_t i = plan.units.size(); i-- > 0;) {
    Unit& unit = plan.units[i];
    if (!behind[at(unit.output)]) continue;
    plan.quantizer_bits[at(unit.quantizer)] = bits;
    if (has_weights(unit.kind)) {
      widen(unit);
      for (const int in : unit.inputs) plan.quantizer_bits[at(plan.quantizer_of[at(in)])] = bits;
    } else {
      for (const int in : unit.inputs) behind[at(in)] = true;
    }
  }
}

// Decides which scales are trained: below 8 bits, of weights, and of values that only layers and additions make.
inline void plan_learned_scales(const Recipe& recipe, UnitPlan& plan) {
  plan.quantizer_learns.assign(plan.quantizer_bits.size(), recipe.learn_scales);
  for (std::size_t q = 0; q < plan.quantizer_bits.size(); ++q) {
    if (plan.quantizer_bits[q] >= 8 || plan.fixed_output[q] != nullptr) plan.quantizer_learns[q] = false;
  }
  for (Unit& unit : plan.units) {
    unit.learns_weight_scale = recipe.learn_scales && has_weights(unit.kind) && unit.weights.bits < 8;
    const bool trains = has_weights(unit.kind) || unit.kind == UnitKind::add || unit.kind == UnitKind::sub;
    if (!trains && !unit.shares_scale) plan.quantizer_learns[static_cast<std::size_t>(unit.quantizer)] = false;
  }
}

// Whether the scale of a unit's weights is kept from prepare on, trained or not.
inline bool keeps_weight_scale(const Unit& unit) {
  return has_weights(unit.kind) && (unit.learns_weight_scale || unit.weights.range == WeightRange::mse);
}

}  // namespace stet::detail
