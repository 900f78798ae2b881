#pragma once
// Where the loss enters, step by step, and what the cure gives back: two charts of differences in accuracy.

#include <stet/diagnose/html_parts.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace stet::detail {

/// Maps accuracies to places, with some room at both ends; at least a point apart, so that noise does not fill a chart.
struct AccuracyScale {
  double from = 0, to = 1, left = 0, right = 1;
  AccuracyScale(const std::vector<double>& values, double left_end, double right_end) : left(left_end), right(right_end) {
    double least = 1, most = 0;
    for (const double v : values) {
      if (!std::isfinite(v)) continue;
      least = std::min(least, v);
      most = std::max(most, v);
    }
    if (least > most) return;
    const double room = std::max(0.15 * (most - least), 0.005);
    from = std::max(0.0, least - room);
    to = std::min(1.0, most + room);
  }
  [[nodiscard]] double operator()(double accuracy) const { return left + (accuracy - from) / (to - from) * (right - left); }
  [[nodiscard]] static std::string end(double accuracy) { return formatted("{:.1f} %", 100 * accuracy); }
};

/// The way of the accuracy from the first model to the last: each step begins where the one that it is compared with ends, so
/// what hangs in between is what the step loses or gains. Steps that no other begins at stand aside, paler.
inline std::string waterfall_chart(const std::vector<DiagnosedModel>& steps) {
  if (steps.empty()) return {};
  std::vector<double> values;
  for (const DiagnosedModel& m : steps) values.push_back(m.accuracy);
  const AccuracyScale x_of(values, 0, ChartRows::width);
  const auto start_of = [&](std::size_t i) {
    std::size_t k = i;
    while (k-- > 0) {
      if (steps[i].against && steps[k].id == steps[i].other) return k;
    }
    return i;
  };
  const auto reached = [&](std::size_t i) {
    for (std::size_t k = i + 1; k < steps.size(); ++k) {
      if (start_of(k) == i) return true;
    }
    return i + 1 == steps.size() || start_of(i) == i;
  };
  ChartRows rows;
  std::string words = "Where the accuracy goes.", lines;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const DiagnosedModel& m = steps[i];
    const std::size_t k = start_of(i);
    const bool first = k == i, chain = reached(i);
    const std::string points = m.against ? points_text(m.against->points) : "";
    words += formatted(" {}: {}{}.", printable(m.name), percent_label(m.accuracy), first ? "" : formatted(", {} against {}", points, printable(steps[k].name)));
    const double y = rows.words(i, m.name, percent_label(m.accuracy), points, chain ? "" : "quiet", m.against && m.against->worse() ? "badtext" : "quiet");
    if (!std::isfinite(m.accuracy)) continue;
    const double end = x_of(m.accuracy);
    if (first || i + 1 == steps.size()) rows.svg += svg_rect(0, y, end, 14, first ? "bar" : "bar aside");
    if (first || !std::isfinite(steps[k].accuracy)) continue;
    const double begin = x_of(steps[k].accuracy);
    const bool lost = m.accuracy < steps[k].accuracy;
    lines += formatted("<path d=\"M{:.1f} {:.1f}V{:.1f}\" class=\"step\"/>", begin, ChartRows::row * static_cast<double>(k) + 35, y + 14);
    if (m.accuracy != steps[k].accuracy) rows.svg += svg_rect(std::min(begin, end) - 0.75, y, std::fabs(end - begin) + 1.5, 14, lost ? (chain ? "bad" : "bad aside") : (chain ? "good" : "good aside"));
  }
  rows.svg = lines + rows.svg;  // words stand before the lines
  return rows.finish(steps.size(), words, AccuracyScale::end(x_of.from), AccuracyScale::end(x_of.to));
}

/// Deployed accuracy as it was (ring) and with the cure (disc) for every seed, and the control as a line.
inline std::string proof_chart(const Proof& proof) {
  if (proof.runs.empty()) return {};
  std::vector<double> values;
  for (const ProofRun& r : proof.runs) values.insert(values.end(), {r.before, r.after, r.control});
  const AccuracyScale x_of(values, 8, ChartRows::width - 8);
  ChartRows rows;
  std::string words = formatted("Deployed integers before and after the cure {}.", printable(proof.cure));
  const auto ring = [](double x, double y) { return formatted("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5.5\" class=\"before\"/>", x, y); };
  const auto disc = [](double x, double y) { return formatted("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"6\" class=\"good\"/>", x, y); };
  const auto tick = [](double x, double y) { return formatted("<path d=\"M{:.1f} {:.1f}V{:.1f}\" class=\"control\"/>", x, y - 9, y + 9); };
  for (std::size_t i = 0; i < proof.runs.size(); ++i) {
    const ProofRun& r = proof.runs[i];
    words += formatted(" Seed {}: {} before, {} after, control {}.", r.seed, percent_label(r.before), percent_label(r.after), percent_label(r.control));
    const double y = rows.words(i, formatted("seed {}", r.seed), percent_label(r.before) + " → " + percent_label(r.after), "", "", "") + 7;
    if (std::isfinite(r.control)) rows.svg += tick(x_of(r.control), y);
    if (!std::isfinite(r.before) || !std::isfinite(r.after)) continue;
    rows.svg += formatted("<path d=\"M{:.1f} {:.1f}H{:.1f}\" class=\"gained\"/>", x_of(r.before), y, x_of(r.after)) + ring(x_of(r.before), y) + disc(x_of(r.after), y);
  }
  const double y = ChartRows::row * static_cast<double>(proof.runs.size()) + 30;
  const std::string legend = ring(8, y) + svg_text(20, y + 5, "as it was", "class=\"quiet\"") + disc(118, y) + svg_text(130, y + 5, "with the cure", "class=\"quiet\"") + tick(252, y) + svg_text(262, y + 5, "control", "class=\"quiet\"");
  return rows.finish(proof.runs.size(), words, AccuracyScale::end(x_of.from), AccuracyScale::end(x_of.to), legend);
}

}  // namespace stet::detail
