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
  /// Both ends in numbers.
  [[nodiscard]] std::string axis(double y) const {
    return svg_text(left, y, formatted("{:.1f} %", 100 * from), "class=\"quiet\"") + svg_text(right, y, formatted("{:.1f} %", 100 * to), "class=\"quiet\" text-anchor=\"end\"");
  }
};

/// The way of the accuracy from the first model to the last: each step begins where the one that it is compared with ends, so
/// what hangs in between is what the step loses or gains. Steps that no other begins at stand aside, paler.
inline std::string waterfall_chart(const std::vector<DiagnosedModel>& steps) {
  if (steps.empty()) return {};
  const double width = 524, left = 204, right = width - 122, row = 30;
  const double height = row * static_cast<double>(steps.size()) + 26;
  std::vector<double> values;
  for (const DiagnosedModel& m : steps) values.push_back(m.accuracy);
  const AccuracyScale x_of(values, left, right);
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
  std::string words = "Where the accuracy goes.", svg;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const DiagnosedModel& m = steps[i];
    const double y = row * static_cast<double>(i);
    const std::size_t k = start_of(i);
    const bool chain = reached(i), lost = k != i && m.accuracy < steps[k].accuracy;
    words += formatted(" {}: {}{}.", printable(m.name), if_number(m.accuracy, formatted("{:.2f} %", 100 * m.accuracy)), k != i ? formatted(", {} against {}", points_text(m.against->points), printable(steps[k].name)) : "");
    svg += svg_text(left - 8, y + 19, shortened(m.name, most_label), chain ? "text-anchor=\"end\"" : "text-anchor=\"end\" class=\"quiet\"");
    svg += svg_text(right + 8, y + 19, if_number(m.accuracy, formatted("{:.2f} %", 100 * m.accuracy)), "class=\"num\"");
    if (m.against) {
      const char* css = m.against->worse() ? "class=\"num badtext\" text-anchor=\"end\"" : "class=\"num quiet\" text-anchor=\"end\"";
      svg += svg_text(width, y + 19, points_text(m.against->points), css);
    }
    if (!std::isfinite(m.accuracy)) continue;
    const double end = x_of(m.accuracy);
    if (k == i || i + 1 == steps.size()) svg += svg_rect(left, y + 6, end - left, row - 12, k == i ? "bar" : "bar aside");
    if (k == i || !std::isfinite(steps[k].accuracy)) continue;
    const double begin = x_of(steps[k].accuracy);
    svg += formatted("<path d=\"M{:.1f} {:.1f}V{:.1f}\" class=\"step\"/>", begin, row * static_cast<double>(k) + row - 6, y + 6);
    svg += svg_rect(std::min(begin, end) - 0.75, y + 6, std::fabs(end - begin) + 1.5, row - 12, lost ? (chain ? "bad" : "bad aside") : (chain ? "good" : "good aside"));
  }
  return svg_begin(width, height, words) + svg + x_of.axis(height - 6) + "</svg>";
}

/// Deployed accuracy as it was (ring) and with the cure (disc) for every seed, and the control as a line.
inline std::string proof_chart(const Proof& proof) {
  if (proof.runs.empty()) return {};
  const double width = 524, left = 74, right = width - 150, row = 34;
  const double height = row * static_cast<double>(proof.runs.size()) + 48;
  std::vector<double> values;
  for (const ProofRun& r : proof.runs) values.insert(values.end(), {r.before, r.after, r.control});
  const AccuracyScale x_of(values, left, right);
  std::string words = formatted("Deployed integers before and after the cure {}.", printable(proof.cure)), svg;
  for (std::size_t i = 0; i < proof.runs.size(); ++i) {
    const ProofRun& r = proof.runs[i];
    if (!std::isfinite(r.before) || !std::isfinite(r.after)) continue;
    const double y = row * static_cast<double>(i) + row / 2;
    words += formatted(" Seed {}: {:.2f} % before, {:.2f} % after, control {:.2f} %.", r.seed, 100 * r.before, 100 * r.after, 100 * r.control);
    svg += svg_text(left - 10, y + 5, formatted("seed {}", r.seed), "text-anchor=\"end\"");
    if (std::isfinite(r.control)) svg += formatted("<path d=\"M{:.1f} {:.1f}V{:.1f}\" class=\"control\"/>", x_of(r.control), y - 11, y + 11);
    svg += formatted("<path d=\"M{:.1f} {:.1f}H{:.1f}\" class=\"gained\"/>", x_of(r.before), y, x_of(r.after));
    svg += formatted("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5.5\" class=\"before\"/>", x_of(r.before), y);
    svg += formatted("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"6\" class=\"good\"/>", x_of(r.after), y);
    svg += svg_text(width, y + 5, formatted("{:.2f} → {:.2f} %", 100 * r.before, 100 * r.after), "class=\"num\" text-anchor=\"end\"");
  }
  const double y = height - 8;
  svg += formatted("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5.5\" class=\"before\"/><circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"6\" class=\"good\"/><path d=\"M{:.1f} {:.1f}V{:.1f}\" class=\"control\"/>",
                   left + 6, y - 4, left + 96, y - 4, left + 216, y - 12, y + 2);
  svg += svg_text(left + 17, y, "as it was", "class=\"quiet\"") + svg_text(left + 108, y, "with the cure", "class=\"quiet\"") + svg_text(left + 224, y, "control", "class=\"quiet\"");
  return svg_begin(width, height, words) + svg + x_of.axis(height - 28) + "</svg>";
}

}  // namespace stet::detail
