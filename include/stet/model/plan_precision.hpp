#pragma once
// Planning precision: how many bits the layers at both ends have, and which scales are trained.

#include <stet/graph/graph.hpp>
#include <stet/model/unit.hpp>
#include <stet/qat/recipe.hpp>

#include <cstddef>
#include <vector>

namespace stet::detail {

// Gives depthwise layers and what they make the recipe's depthwise_bits. An override speaks for its own node.
inline void plan_depthwise(const Graph& graph, const Recipe& recipe, UnitPlan& plan) {
  if (!recipe.depthwise_bits) return;
  for (Unit& unit : plan.units) {
    if (!graph::is<graph::op::DepthwiseConv2D>(unit.op())) continue;
    const RecipeOverride* o = recipe.override_of(graph.node(unit.node).name);
    if (o == nullptr || !o->weights) unit.weights = symmetric(*recipe.depthwise_bits, unit.weights.per_channel());
    plan.quantizer_schemes[static_cast<std::size_t>(unit.quantizer)] = Int8Activation(*recipe.depthwise_bits);
  }
}

// Gives layers that read the input or make the output, and the values around them, the recipe's end_bits. An override
// speaks for its own node.
inline void plan_ends(const Graph& graph, const Recipe& recipe, UnitPlan& plan) {
  if (!recipe.end_bits) return;
  const int bits = *recipe.end_bits;
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  const auto widen = [&](Unit& layer) {
    const RecipeOverride* o = recipe.override_of(graph.node(layer.node).name);
    if (o == nullptr || !o->weights) layer.weights = symmetric(bits, layer.weights.per_channel());
  };
  std::vector<bool> before(plan.units.size(), false);  // no weights between the input and this value
  for (Unit& unit : plan.units) {
    bool all = true;
    for (const int in : unit.deployed.inputs) all = all && before[at(in)];
    if (all && unit.has_weights()) widen(unit);
    if (!all || unit.has_weights()) continue;
    before[at(unit.deployed.output)] = true;
    plan.quantizer_schemes[at(unit.quantizer)] = Int8Activation(bits);
  }
  std::vector<bool> behind(plan.units.size(), false);  // no weights between this value and the output
  for (const Unit& unit : plan.units) behind[at(unit.deployed.output)] = graph.is_output(unit.output);
  for (std::size_t i = plan.units.size(); i-- > 0;) {
    Unit& unit = plan.units[i];
    if (!behind[i]) continue;
    plan.quantizer_schemes[at(unit.quantizer)] = Int8Activation(bits);
    if (unit.has_weights()) {
      widen(unit);
      for (const int in : unit.deployed.inputs) {
        plan.quantizer_schemes[at(plan.units[at(in)].quantizer)] = Int8Activation(bits);
      }
    } else {
      for (const int in : unit.deployed.inputs) behind[at(in)] = true;
    }
  }
}

// Decides which scales are trained: below 8 bits, of weights, and of values that only layers and additions make.
inline void plan_learned_scales(const Recipe& recipe, UnitPlan& plan) {
  plan.quantizer_learns.assign(plan.quantizer_schemes.size(), recipe.learned_activations.has_value());
  for (std::size_t q = 0; q < plan.quantizer_schemes.size(); ++q) {
    if (plan.quantizer_schemes[q].bits() >= 8 || plan.fixed_output[q] != nullptr) plan.quantizer_learns[q] = false;
  }
  for (Unit& unit : plan.units) {
    unit.learns_weight_scale = recipe.learned_weights && unit.has_weights() && unit.weights.bits() < 8;
    if (!graph::trains_scale(unit.op()) && !unit.shares_scale()) plan.quantizer_learns[static_cast<std::size_t>(unit.quantizer)] = false;
  }
}

// Whether the scale of a unit's weights is kept from prepare on, trained or not.
inline bool keeps_weight_scale(const Unit& unit) {
  return unit.has_weights() && (unit.learns_weight_scale || unit.weights.traits().keeps_scale);
}

}  // namespace stet::detail
