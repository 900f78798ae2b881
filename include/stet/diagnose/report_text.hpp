#pragma once
// The diagnosis as a summary of one screen.

#include <stet/core/entry.hpp>
#include <stet/diagnose/diagnosis.hpp>

#include <cstddef>

#if STET_DEFINE_ENTRIES
#include <stet/diagnose/screen.hpp>
#include <stet/graph/print.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>
#endif

namespace stet {

/// What Diagnosis::str() keeps to: a terminal of usual size. Tables lose their least important rows, which it says.
inline constexpr std::size_t screen_rows = 40, screen_columns = 100;

#if STET_DEFINE_ENTRIES
namespace detail {

using TextRows = std::vector<std::vector<std::string>>;

inline std::vector<std::string> table_of(const TextRows& rows) { return text_lines(graph::detail::columns(rows, rows[0].size())); }
inline std::string percent(double part) { return plain_number(part, formatted("{:.2f} %", 100 * part)); }
inline std::string three_digits(double v) { return plain_number(v, formatted("{:.3g}", v)); }
inline std::string signed_points(double points) { return plain_number(points, with_sign(points)); }
inline std::string interval_text(const PairedDifference& d) { return signed_points(d.low) + " to " + signed_points(d.high); }

inline std::vector<std::string> models_text(const std::vector<DiagnosedModel>& models) {
  TextRows rows{{"", "accuracy", "loss", "points", "95 % interval", "against"}};
  for (const DiagnosedModel& m : models) {
    rows.push_back({plain_cell(m.name, 32), percent(m.accuracy), plain_number(m.loss, formatted("{:.4f}", m.loss)), m.against ? signed_points(m.against->points) : "", m.against ? interval_text(*m.against) : "", plain_cell(m.other, 14)});
  }
  return table_of(rows);
}

// What closes most of the gap first: the others are the first to go where room is short.
inline std::vector<std::string> interventions_text(const std::vector<InterventionResult>& interventions) {
  std::vector<const InterventionResult*> order;
  for (const InterventionResult& r : interventions) order.push_back(&r);
  const auto share = [](const InterventionResult* r) {
    const double least = std::min(r->share_of_loss, r->share_of_accuracy);
    return std::isfinite(least) ? least : -1e9;
  };
  std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) { return a->closes != b->closes ? a->closes : share(a) > share(b); });
  TextRows rows{{"one thing changed", "accuracy", "of the loss", "of the points", ""}};
  for (const InterventionResult* r : order) {
    rows.push_back({plain_cell(r->name, 36), percent(r->accuracy), plain_number(r->share_of_loss, formatted("{:.0f} %", 100 * r->share_of_loss)),
                    plain_number(r->share_of_accuracy, formatted("{:.0f} %", 100 * r->share_of_accuracy)), r->closes ? "closes the gap" : ""});
  }
  return table_of(rows);
}

inline std::vector<std::string> nodes_text(const std::vector<DiagnosedNode>& nodes) {
  std::vector<const DiagnosedNode*> order;
  for (const DiagnosedNode& n : nodes) {
    if (n.loss_alone > 0) order.push_back(&n);
  }
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->loss_alone > b->loss_alone; });
  if (order.empty()) return {};
  order.resize(std::min<std::size_t>(order.size(), 3));
  TextRows rows{{"loss by one node", "alone", "range", "range / p99.9", "clipped", "SQNR"}};
  for (const DiagnosedNode* n : order) {
    rows.push_back({plain_cell(n->node, 32), formatted("{:.4f}", n->loss_alone), three_digits(n->low) + ".." + three_digits(n->high), three_digits(n->reach), percent(n->clipped), plain_number(n->sqnr, formatted("{:.1f} dB", n->sqnr))});
  }
  return table_of(rows);
}

inline std::vector<std::string> cause_text(const Cause& c, bool first) {
  std::vector<std::string> lines = wrapped(formatted("{}: {} ({})", first ? "cause" : "or", c.title, c.link()), screen_columns);
  const auto add = [&](const std::string& text) {
    for (std::string& line : wrapped("  " + text, screen_columns)) lines.push_back(std::move(line));
  };
  if (!c.what.empty()) add(shortened(c.what, 3 * screen_columns - 20));
  // The cure stands before the evidence: it must not go where room is short.
  add("cure: " + c.cure);
  int said = 0;
  const bool any = std::any_of(c.evidence.begin(), c.evidence.end(), [](const Evidence& e) { return e.suspicious; });
  for (const Evidence& e : c.evidence) {
    if (any > e.suspicious || ++said > 3) continue;
    add(formatted("{}{}{}: {}, healthy {}", e.measure, e.node.empty() ? "" : " of ", e.node, three_digits(e.value), e.healthy));
  }
  return lines;
}

inline std::vector<std::string> proof_text(const Proof& p) {
  if (p.runs.empty()) return {"no proof: no change of quantization or training mends this cause"};
  TextRows rows{{"seed", "FP32", "control", "as it was", "with the cure", "against before", "95 % interval"}};
  for (const ProofRun& r : p.runs) {
    rows.push_back({formatted("{}", r.seed), percent(r.fp32), percent(r.control), percent(r.before), percent(r.after),
                    r.after_against_before ? signed_points(r.after_against_before->points) : "", r.after_against_before ? interval_text(*r.after_against_before) : ""});
  }
  // A gap that no run shows is chance, and so are shares of it.
  const bool any = std::any_of(p.runs.begin(), p.runs.end(), [&](const ProofRun& r) { return !r.before_against_control || r.before_against_control->worse(p.rule); });
  const std::string restored = plain_number(p.restored, formatted("{:.0f} %", 100 * p.restored));
  std::vector<std::string> lines = wrapped(any ? formatted("proof: {} restores {} of the loss in deployed integers", p.cure, restored)
                                               : std::string("no proof: trained again as it was, no run is worse than its control"), screen_columns);
  for (std::string& line : table_of(rows)) lines.push_back(std::move(line));
  return lines;
}

}  // namespace detail

STET_ENTRY std::string Diagnosis::str() const {
  using namespace detail;
  Screen screen;
  std::vector<std::string> head = wrapped(shortened(sentence, 5 * screen_columns - 40) + ".", screen_columns);
  for (std::string& line : wrapped(formatted("{} images of {}, recipe {}, target {}, {}", images, shortened(data, 40), shortened(recipe_name, 24), target, seeds_text(*this)), screen_columns)) {
    head.push_back(std::move(line));
  }
  // From above to below; the last number says how many lines stay when room is short, and the one before who gives first.
  screen.add(std::move(head), 9, 7);
  screen.add(models_text(models), 5, 4);
  if (!waterfall.empty()) {
    std::vector<std::string> lines = models_text(waterfall);
    lines.insert(lines.begin(), "where it enters");
    screen.add(std::move(lines), 3, 0);
  }
  if (!interventions.empty()) screen.add(interventions_text(interventions), 2, 4);
  if (verdict == Verdict::worse) {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < causes.size() && i < 2; ++i) {
      for (std::string& line : cause_text(causes[i], i == 0)) lines.push_back(std::move(line));
    }
    screen.add(std::move(lines), 7, 8);
    screen.add(nodes_text(nodes), 1, 0);
  }
  std::vector<std::string> proved;
  for (const Proof& p : proofs) {
    for (std::string& line : proof_text(p)) proved.push_back(std::move(line));
  }
  screen.add(std::move(proved), 6, 5);
  return std::move(screen).str(screen_rows, screen_columns);
}

STET_ENTRY std::string Proof::str() const {
  std::string text;
  for (const std::string& line : detail::proof_text(*this)) text += line + "\n";
  return text;
}
#endif

}  // namespace stet
