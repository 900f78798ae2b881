#pragma once
// localize: how much loss each node of a quantized network brings, alone and as one of all.

#include <stet/core/entry.hpp>
#include <stet/diagnose/diagnosis.hpp>
#include <stet/passes/partly_quantized.hpp>

#include <vector>

namespace stet {

/// Fills loss_alone and loss_without of nodes, one per unit of the model, from measurements on data: loss that is added when
/// only this node's weights and output are rounded, and that goes when they alone are not.
/// Errors:    Errc::shape if there is not one node per unit
STET_ENTRY void localize(const QatModel& qat, const Dataset& data, std::vector<DiagnosedNode>& nodes);
#if STET_DEFINE_ENTRIES
STET_ENTRY void localize(const QatModel& qat, const Dataset& data, std::vector<DiagnosedNode>& nodes) {
  const std::vector<Unit>& units = qat.units();
  require(nodes.size() == units.size(), Errc::shape, "localize: {} nodes of a model with {} units", nodes.size(), units.size());
  const auto loss_of = [&](const PartlyQuantized::Chosen& chosen) { return evaluate(PartlyQuantized(qat, chosen, chosen), data).loss; };
  const double none = loss_of([](const Unit&) { return false; }), all = loss_of([](const Unit&) { return true; });
  for (std::size_t u = 0; u < units.size(); ++u) {
    const Unit* unit = &units[u];
    if (unit->real_output || (unit->shares_scale() && !unit->has_weights())) continue;
    nodes[u].loss_alone = loss_of([=](const Unit& other) { return &other == unit; }) - none;
    nodes[u].loss_without = all - loss_of([=](const Unit& other) { return &other != unit; });
  }
}
#endif

}  // namespace stet
