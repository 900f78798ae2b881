#pragma once
// A diagnosis as one page that needs nothing else: no network, no scripts.

#include <stet/core/entry.hpp>
#include <stet/diagnose/diagnosis.hpp>

#include <string>

#if STET_DEFINE_ENTRIES
#include <stet/diagnose/html_network.hpp>
#include <stet/diagnose/html_parts.hpp>
#include <stet/diagnose/html_steps.hpp>
#include <stet/diagnose/html_style.hpp>
#include <stet/diagnose/html_training.hpp>
#include <stet/diagnose/json.hpp>
#include <stet/io/file.hpp>

#include <algorithm>
#include <cmath>
#include <vector>
#endif

namespace stet {

/// The page as text: verdict, comparison, waterfall, interventions, cause and cure, the network, its nodes, training and
/// proof; light and dark, for phones, desktops and paper, with the diagnosis as JSON inside. Names that are not UTF-8 are shown
/// with U+FFFD, numbers that are none as a dash.
STET_ENTRY std::string html(const Diagnosis& diagnosis);
/// Writes the page, whole or not at all.
/// Errors:    Errc::io if the file cannot be written
STET_ENTRY void save_html(const std::string& path, const Diagnosis& diagnosis);

#if STET_DEFINE_ENTRIES
namespace detail {

inline std::string html_interval(const PairedDifference& d) { return points_text(d.low) + " to " + points_text(d.high); }

inline std::string models_table(const char* caption, const std::vector<DiagnosedModel>& models) {
  std::vector<std::vector<std::string>> rows;
  for (const DiagnosedModel& m : models) {
    rows.push_back({escaped(m.name), percent_text(m.accuracy), loss_text(m.loss), m.against ? points_text(m.against->points) : "", m.against ? html_interval(*m.against) : "", escaped(m.other)});
  }
  return folded_table(caption, {"", "accuracy", "loss", "points", "95&nbsp;% interval", "against"}, rows);
}

inline std::string capital(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

// A cell of the heat map: the share as number and as colour.
inline std::string share_cell(double share) {
  if (!std::isfinite(share)) return "<td>–</td>";
  return formatted("<td class=\"heat\" style=\"--part:{:.0f}%\">{:.0f}&nbsp;%</td>", most_share_part * std::clamp(share, 0.0, 1.0), 100 * share);
}

inline std::string evidence_table(const char* caption, const std::vector<Evidence>& evidence) {
  std::vector<std::vector<std::string>> rows;
  for (const Evidence& e : evidence) {
    rows.push_back({escaped(e.measure), escaped(e.node), number_text(e.value) + (e.suspicious ? " <b class=\"badtext\">suspicious</b>" : ""), escaped(e.healthy)});
  }
  return html_table(caption, {"", "at", "measured", "healthy"}, rows);
}

// What is suspicious; what was measured beside it behind a line.
inline std::string cause_evidence(const Cause& c) {
  std::vector<Evidence> shown, others;
  for (const Evidence& e : c.evidence) (e.suspicious ? shown : others).push_back(e);
  if (shown.empty()) shown.swap(others);
  std::string out;
  if (!shown.empty()) out += evidence_table("What shows it", shown);
  if (!others.empty()) out += "<details><summary>Measured too</summary>" + evidence_table("Not suspicious", others) + "</details>";
  return out;
}

inline std::string cause_section(const Diagnosis& d) {
  std::string out;
  for (std::size_t i = 0; i < d.causes.size(); ++i) {
    const Cause& c = d.causes[i];
    out += formatted("<section class=\"cause\"><h2>{}{}</h2>", i == 0 ? "Cause: " : "Or: ", escaped(c.title));
    if (!c.what.empty()) out += "<p>" + escaped(capital(c.what)) + "</p>";
    out += cause_evidence(c);
    out += "<p><b>Cure.</b> " + escaped(capital(c.cure)) + ".</p>";
    if (c.share > 0 && std::isfinite(c.share)) out += formatted("<p class=\"quiet\">Changing this alone closes {:.0f} % of the gap, in loss and in accuracy.</p>", 100 * std::min(1.0, c.share));
    out += formatted("<p class=\"quiet\">More: <code>{}</code></p></section>", escaped(c.link()));
  }
  return out;
}

inline std::string interventions_section(const Diagnosis& d) {
  if (d.interventions.empty()) return {};
  std::vector<std::vector<std::string>> rows;
  for (const InterventionResult& r : d.interventions) {
    rows.push_back({escaped(r.name) + (r.closes ? " <b>closes the gap</b>" : ""), share_cell(r.share_of_loss), share_cell(r.share_of_accuracy), percent_text(r.accuracy)});
  }
  return "<section><h2>One thing changed at a time</h2><p>From the FP32 checkpoint, everything else as it was. The cause is what closes the gap in loss <em>and</em> accuracy.</p>" +
         html_table("Share of the gap that a change closes", {"", "of the loss", "of the points", "accuracy"}, rows) + "</section>";
}

inline std::string node_card(const DiagnosedNode& n) {
  std::string out = formatted("<article class=\"card\"><h3>{}</h3><p class=\"quiet\">{}{}{}</p>", escaped(n.node), escaped(n.kind),
                              n.weight_bits > 0 ? formatted(", {}-bit weights", n.weight_bits) : "", n.activation_bits > 0 ? formatted(", {}-bit values", n.activation_bits) : "");
  out += histogram_chart(n) + "<dl>";
  const auto item = [&](const char* what, const std::string& value) { out += formatted("<div><dt>{}</dt><dd>{}</dd></div>", what, value); };
  item("loss alone", loss_text(n.loss_alone));
  item("loss without it", loss_text(n.loss_without));
  item("range in use", number_text(n.low) + " to " + number_text(n.high));
  item("range / p99.9", number_text(n.reach));
  item("clipped", percent_text(n.clipped));
  item("SQNR", if_number(n.sqnr, formatted("{:.1f}&nbsp;dB", n.sqnr)));
  if (n.channel_disparity > 0) item("largest channel / median", number_text(n.channel_disparity));
  if (n.batch_norm_drift > 0) item("batch norm drift", number_text(n.batch_norm_drift) + "&nbsp;sd");
  if (n.extreme_image >= 0) item("largest from image", formatted("{} ({} times the next)", n.extreme_image, number_text(n.largest_to_second)));
  return out + "</dl></article>";
}

inline std::string nodes_section(const Diagnosis& d) {
  std::vector<const DiagnosedNode*> order;
  for (const DiagnosedNode& n : d.nodes) {
    if (n.activation_bits > 0 || n.weight_bits > 0) order.push_back(&n);
  }
  if (order.empty()) return {};
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->loss_alone > b->loss_alone; });
  constexpr std::size_t shown = 24;
  std::string out = formatted("<section><h2>The network</h2><p>Colour and number: loss that is added if this node alone is quantized.</p>{}{}</section>", scrolling("network scroll", "The network", network_chart(d.nodes)), network_table(d.nodes));
  out += "<section><h2>Its values</h2><p>Bars: values, counts on a logarithmic scale. Shaded: the range in use. Dashed: 99.9&nbsp;% of the magnitudes are below. Those with the largest loss first.</p><div class=\"cards\">";
  for (std::size_t i = 0; i < std::min(shown, order.size()); ++i) out += node_card(*order[i]);
  out += "</div>";
  if (order.size() > shown) out += formatted("<p class=\"quiet\">{} more are in the JSON at the end of this page.</p>", order.size() - shown);
  return out + "</section>";
}

// Three, the others behind a line: ranges that start wrong are said node by node.
inline std::string warnings_text(const std::vector<std::string>& warnings) {
  std::string out;
  for (std::size_t i = 0; i < warnings.size(); ++i) {
    if (i == 3) out += formatted("<details><summary>{} more warnings</summary>", warnings.size() - 3);
    out += "<p><b>Warning.</b> " + escaped(warnings[i]) + "</p>";
  }
  return out + (warnings.size() > 3 ? "</details>" : "");
}

inline std::string proof_section(const Diagnosis& d) {
  std::string out;
  for (const Proof& p : d.proofs) {
    std::vector<std::vector<std::string>> rows;
    for (const ProofRun& r : p.runs) {
      rows.push_back({formatted("{}", r.seed), percent_text(r.fp32), percent_text(r.control), percent_text(r.before), "<td><b>" + percent_text(r.after) + "</b></td>",
                      r.after_against_before ? formatted("{} ({})", points_text(r.after_against_before->points), html_interval(*r.after_against_before)) : ""});
    }
    out += formatted("<section><h2>Proof</h2><p>Again from the FP32 checkpoint, as it was and with the cure ({}): {} of the loss is restored in the deployed integers.</p>", escaped(p.cure), if_number(p.restored, formatted("{:.0f} %", 100 * p.restored))) +
           proof_chart(p) + html_table("Deployed integers before and after", {"seed", "FP32", "control", "as it was", "with the cure", "gained (95&nbsp;% interval)"}, rows) + "</section>";
  }
  return out;
}

// JSON in a script element ends at the first "</", whatever the quotes.
inline std::string json_element(const Diagnosis& d) {
  std::string text = json(d), safe;
  for (const char c : text) safe += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return "<script type=\"application/json\" id=\"diagnosis\">" + safe + "</script>";
}

}  // namespace detail

STET_ENTRY std::string html(const Diagnosis& d) {
  const char* word = d.verdict == Verdict::worse ? "Worse" : d.verdict == Verdict::better ? "Better" : "No difference shown";
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">";
  out += formatted("<title>Why is my QAT worse? {}</title><style>{}</style></head><body><main>", word, detail::page_style());
  out += formatted("<header class=\"{}\"><p class=\"question\">Why is my QAT worse?</p><h1>{}</h1><p class=\"sentence\">{}.</p><p class=\"quiet\">{} images of {}, recipe {}, target {}, {}.</p></header>",
                   d.verdict == Verdict::worse ? "worse" : "fine", word, detail::escaped(d.sentence), d.images, detail::escaped(d.data), detail::escaped(d.recipe_name), detail::escaped(d.target),
                   seeds_text(d));
  out += detail::cause_section(d);
  // Side by side where there is room.
  out += "<div class=\"pair\">";
  if (!d.models.empty()) {
    out += "<section><h2>A fair comparison</h2><p>All answer the same images. Worse: p &lt; 0.01 and at least 0.3 points.</p>" + detail::accuracy_chart(d.models, "Accuracy of the models that are compared") +
           detail::models_table("The models that are compared", d.models) + "</section>";
  }
  if (!d.waterfall.empty()) {
    out += "<section><h2>Where the loss enters</h2><p>Each step begins where the one that it is compared with ends. Paler: steps that lead nowhere else.</p>" + detail::waterfall_chart(d.waterfall) +
           detail::models_table("From FP32 to the deployed integers", d.waterfall) + "</section>";
  }
  out += "</div>";
  out += detail::interventions_section(d) + detail::proof_section(d) + detail::nodes_section(d);
  if (d.history && !d.history->epochs.empty()) {
    out += "<section><h2>Training</h2><p><span class=\"losstext\">Loss</span> on the left, <span class=\"acctext\">accuracy</span> on the right; dashed on validation images.</p>" + detail::training_chart(*d.history, d.schedule);
    out += detail::warnings_text(d.history->warnings) + "</section>";
  }
  if (!d.evidence.empty()) {
    out += "<section><h2>All that was measured</h2><p>Measurements explain; they decide nothing.</p>" + detail::evidence_table("Extremes over the network", d.evidence) + "</section>";
  }
  if (!d.recipe_code.empty()) out += formatted("<section><h2>{}</h2><pre>{}</pre></section>", d.causes.empty() ? "The recipe" : "The recipe with the cure", detail::escaped(d.recipe_code));
  return out + "</main>" + detail::json_element(d) + "</body></html>\n";
}

STET_ENTRY void save_html(const std::string& path, const Diagnosis& diagnosis) { write_file_atomically(path, html(diagnosis)); }
#endif

}  // namespace stet
