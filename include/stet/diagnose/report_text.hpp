#pragma once
// The diagnosis as a summary of one screen.

#include <stet/core/entry.hpp>
#include <stet/diagnose/diagnosis.hpp>

#if STET_DEFINE_ENTRIES
#include <stet/graph/print.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>
#endif

#if STET_DEFINE_ENTRIES
namespace stet {

namespace detail {

using TextRows = std::vector<std::vector<std::string>>;

inline std::string table_of(const TextRows& rows) { return graph::detail::columns(rows, rows[0].size()); }
inline std::string percent(double part) { return formatted("{:.2f} %", 100 * part); }
inline std::string interval_text(const PairedDifference& d) { return formatted("{} to {}", with_sign(d.low), with_sign(d.high)); }

inline std::string models_text(const std::vector<DiagnosedModel>& models) {
  TextRows rows{{"", "accuracy", "loss", "points", "95 % interval", "against"}};
  for (const DiagnosedModel& m : models) {
    rows.push_back({m.name, percent(m.accuracy), formatted("{:.4f}", m.loss), m.against ? with_sign(m.against->points) : "", m.against ? interval_text(*m.against) : "", m.other});
  }
  return table_of(rows);
}

inline std::string interventions_text(const std::vector<InterventionResult>& interventions) {
  TextRows rows{{"one thing changed", "accuracy", "of the loss", "of the points", ""}};
  for (const InterventionResult& r : interventions) {
    rows.push_back({r.name, percent(r.accuracy), formatted("{:.0f} %", 100 * r.share_of_loss), formatted("{:.0f} %", 100 * r.share_of_accuracy), r.closes ? "closes the gap" : ""});
  }
  return table_of(rows);
}

inline std::string nodes_text(const std::vector<DiagnosedNode>& nodes) {
  std::vector<const DiagnosedNode*> order;
  for (const DiagnosedNode& n : nodes) {
    if (n.loss_alone > 0) order.push_back(&n);
  }
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->loss_alone > b->loss_alone; });
  if (order.empty()) return {};
  order.resize(std::min<std::size_t>(order.size(), 3));
  TextRows rows{{"loss by one node", "alone", "range", "range / p99.9", "clipped", "SQNR"}};
  for (const DiagnosedNode* n : order) {
    rows.push_back({n->node, formatted("{:.4f}", n->loss_alone), formatted("{:.3g}..{:.3g}", n->low, n->high), formatted("{:.3g}", n->reach), percent(n->clipped), formatted("{:.1f} dB", n->sqnr)});
  }
  return table_of(rows);
}

inline std::string cause_text(const Cause& c, bool first) {
  std::string text = formatted("{}: {} ({})\n", first ? "cause" : "or", c.title, c.link());
  if (!c.what.empty()) text += formatted("  {}\n", c.what);
  for (const Evidence& e : c.evidence) {
    text += formatted("  {}{}{}: {:.3g}, healthy {}\n", e.measure, e.node.empty() ? "" : " of ", e.node, e.value, e.healthy);
  }
  return text + formatted("  cure: {}\n", c.cure);
}

}  // namespace detail

STET_ENTRY std::string Diagnosis::str() const {
  std::string text = formatted("{}.\n{} images of {}, recipe {}, target {}, {}\n\n", sentence, images, data, recipe_name, target, seeds == 1 ? "one seed" : formatted("{} seeds", seeds));
  text += detail::models_text(models);
  if (!waterfall.empty()) text += "\nwhere it enters\n" + detail::models_text(waterfall);
  if (!interventions.empty()) text += "\n" + detail::interventions_text(interventions);
  if (verdict == Verdict::worse) {
    text += "\n";
    for (std::size_t i = 0; i < causes.size() && i < 2; ++i) text += detail::cause_text(causes[i], i == 0);
    const std::string of_nodes = detail::nodes_text(nodes);
    if (!of_nodes.empty()) text += "\n" + of_nodes;
  }
  for (const Proof& p : proofs) text += "\n" + p.str();
  return text;
}

STET_ENTRY std::string Proof::str() const {
  if (runs.empty()) return "no proof: no change of quantization or training mends this cause\n";
  detail::TextRows rows{{"seed", "FP32", "control", "as it was", "with the cure", "against before", "95 % interval"}};
  for (const ProofRun& r : runs) {
    rows.push_back({formatted("{}", r.seed), detail::percent(r.fp32), detail::percent(r.control), detail::percent(r.before), detail::percent(r.after),
                    r.after_against_before ? with_sign(r.after_against_before->points) : "", r.after_against_before ? detail::interval_text(*r.after_against_before) : ""});
  }
  return formatted("proof: {} restores {:.0f} % of the loss in deployed integers\n", cure, 100 * restored) + detail::table_of(rows);
}

}  // namespace stet
#endif
