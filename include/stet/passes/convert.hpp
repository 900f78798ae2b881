#pragma once
// convert: from a model with quantizers to integers.

#include <stet/core/warning.hpp>
#include <stet/graph/integer_model.hpp>
#include <stet/train/check_stages.hpp>
#include <stet/train/lower.hpp>

#include <vector>

namespace stet {

/// Makes the integer model that the recipe's target executes: the same operators, codes and scales with which
/// evaluate(qat) computes. Warns of phases that training since prepare() missed; check(qat) lists them too.
/// Errors:    Errc::state naming the first activation without a range; Errc::unsupported if the recipe simulates a
///            scheme; Errc::range as fold()
STET_ENTRY IntegerModel convert(const QatModel& qat);
#if STET_DEFINE_ENTRIES
STET_ENTRY IntegerModel convert(const QatModel& qat) {
  qat.require_calibrated("convert");
  const Recipe& recipe = qat.recipe();
  if (recipe.simulated()) {
    const bool weights = recipe.simulated_weights.has_value();
    fail(Errc::unsupported,
         "convert: recipe {} simulates {} of scheme {} in float, and no integer kernel computes with them; deploy the "
         "float model, or train with integer weights and activations",
         recipe.name, weights ? "weights" : "activations",
         (weights ? *recipe.simulated_weights : *recipe.simulated_activations).name());
  }
  for (const detail::StageFinding& f : detail::stage_findings(qat)) warn("convert: {}; {}", f.what, f.remedy);
  IntegerModel model;
  model.target = qat.recipe().target;
  const Graph& graph = qat.graph();
  std::vector<int> value_of(graph.nodes().size(), -1);
  for (const Unit& unit : qat.units()) {
    const auto output = static_cast<std::size_t>(unit.output);
    if (unit.kind == UnitKind::dropout) {  // the identity after training
      value_of[output] = value_of[static_cast<std::size_t>(unit.inputs[0])];
      continue;
    }
    IntegerNode node{qat.node_name(unit.node), lower(qat, unit), {}, static_cast<int>(model.values.size())};
    for (const int in : unit.inputs) node.inputs.push_back(value_of[static_cast<std::size_t>(in)]);
    value_of[output] = node.output;
    model.values.push_back({qat.node_name(unit.output), graph.nodes()[output].shape, qat.params(unit)});
    model.nodes.push_back(std::move(node));
  }
  for (const int out : graph.outputs()) model.outputs.push_back(value_of[static_cast<std::size_t>(out)]);
  return model;
}
#endif

}  // namespace stet
