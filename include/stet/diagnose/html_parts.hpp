#pragma once
// Parts of a page: text that is safe in HTML, numbers, and the charts as SVG, each with its words for who cannot see it.

#include <stet/core/entry.hpp>
#include <stet/diagnose/diagnosis.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace stet::detail {

/// Text as HTML: names of nodes come from files of others.
inline std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return out;
}

inline std::string percent_text(double part) { return formatted("{:.2f}&nbsp;%", 100 * part); }

inline std::string svg_begin(double width, double height, const std::string& words) {
  return formatted("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\" style=\"max-width:{:.0f}px\"><title>{}</title>", width, height, escaped(words), width, escaped(words));
}
inline std::string svg_text(double x, double y, std::string_view text, const char* attributes = "") {
  return formatted("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>", x, y, attributes, escaped(text));
}
inline std::string svg_rect(double x, double y, double width, double height, const char* css, const std::string& more = "") {
  return formatted("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" class=\"{}\" {}/>", x, y, std::max(0.0, width), height, css, more);
}

/// Accuracy of every model as a bar, and behind it what it lost or gained against the one that it is compared with.
inline std::string accuracy_chart(const std::vector<DiagnosedModel>& models, const std::string& words) {
  if (models.empty()) return {};
  double least = 1;
  for (const DiagnosedModel& m : models) least = std::min(least, m.accuracy);
  // The scale begins below the smallest bar; what is read are the differences, which a scale from 0 would hide.
  const double from = std::max(0.0, std::floor((least - 0.02) * 20) / 20), width = 524, left = 204, row = 30, right = width - 122;
  const auto x_of = [&](double accuracy) { return left + (accuracy - from) / (1 - from) * (right - left); };
  const double height = row * static_cast<double>(models.size()) + 26;
  std::string svg = svg_begin(width, height, words);
  for (std::size_t i = 0; i < models.size(); ++i) {
    const DiagnosedModel& m = models[i];
    const double y = row * static_cast<double>(i);
    const bool worse = m.against && m.against->worse();
    svg += svg_text(left - 8, y + 19, m.name, "text-anchor=\"end\"");
    svg += svg_rect(left, y + 6, x_of(m.accuracy) - left, row - 12, worse ? "bar bad" : "bar");
    svg += svg_text(right + 8, y + 19, formatted("{:.2f} %", 100 * m.accuracy), "class=\"num\"");
    if (m.against) svg += svg_text(width, y + 19, with_sign(m.against->points), worse ? "class=\"num badtext\" text-anchor=\"end\"" : "class=\"num quiet\" text-anchor=\"end\"");
  }
  svg += svg_text(left, height - 6, formatted("{:.0f} %", 100 * from), "class=\"quiet\"");
  return svg + svg_text(right, height - 6, "100 %", "class=\"quiet\" text-anchor=\"end\"") + "</svg>";
}

/// The values of a node, with the range in use over them.
inline std::string histogram_chart(const DiagnosedNode& n) {
  if (n.histogram.empty() || !(n.most > n.least)) return {};
  const double width = 280, height = 96, base = 70;
  const double from = std::min(n.least, n.low), to = std::max(n.most, n.high);
  if (!(to > from)) return {};
  const auto x_of = [&](double v) { return (v - from) / (to - from) * width; };
  std::int64_t most = 1;
  for (const std::int64_t c : n.histogram) most = std::max(most, c);
  const double step = (n.most - n.least) / static_cast<double>(n.histogram.size());
  std::string svg = svg_begin(width, height, formatted("Histogram of {}: values from {:.3g} to {:.3g}, range in use {:.3g} to {:.3g}, counts on a logarithmic scale", n.node, n.least, n.most, n.low, n.high));
  svg += svg_rect(x_of(n.low), 4, x_of(n.high) - x_of(n.low), base - 4, "inuse");
  for (std::size_t b = 0; b < n.histogram.size(); ++b) {
    if (n.histogram[b] == 0) continue;
    const double tall = std::max(1.5, (base - 8) * std::log1p(static_cast<double>(n.histogram[b])) / std::log1p(static_cast<double>(most)));
    svg += svg_rect(x_of(n.least + step * static_cast<double>(b)), base - tall, std::max(0.8, x_of(from + step) - 0.3), tall, "bin");
  }
  svg += formatted("<path d=\"M0 {:.0f}H{:.0f}\" class=\"axis\"/>", base, width);
  svg += svg_text(0, base + 20, formatted("{:.3g}", from), "class=\"quiet\"") + svg_text(width, base + 20, formatted("{:.3g}", to), "class=\"quiet\" text-anchor=\"end\"");
  return svg + "</svg>";
}

/// Loss and accuracy by epoch, and where ranges and batch norm were frozen.
inline std::string training_chart(const FitReport& history, const QatSchedule& schedule) {
  const std::vector<EpochReport>& epochs = history.epochs;
  if (epochs.empty()) return {};
  const double width = 500, height = 200, left = 46, right = width - 54, top = 14, base = height - 30;
  const auto count = static_cast<double>(epochs.size());
  const auto x_of = [&](double epoch) { return left + epoch / count * (right - left); };
  double most = 1e-9, least_accuracy = 1;
  for (const EpochReport& e : epochs) {
    for (const double l : {e.loss, e.validation_loss}) most = std::isfinite(l) ? std::max(most, l) : most;
    for (const double a : {e.accuracy, e.validation_accuracy}) least_accuracy = std::isfinite(a) ? std::min(least_accuracy, a) : least_accuracy;
  }
  const double from = std::floor(least_accuracy * 10) / 10;
  const auto loss_y = [&](double l) { return base - l / most * (base - top); };
  const auto accuracy_y = [&](double a) { return base - (a - from) / std::max(1e-9, 1 - from) * (base - top); };
  std::string svg = svg_begin(width, height, formatted("Training over {} epochs: the loss ends at {:.4f}, the accuracy at {:.2f} %", epochs.size(), epochs.back().loss, 100 * epochs.back().accuracy));
  const auto mark = [&](double part, const char* what, double y) {
    if (part < 0 || part > 1) return;
    svg += formatted("<path d=\"M{:.1f} {:.1f}V{:.1f}\" class=\"mark\"/>", x_of(part * count), top, base);
    svg += svg_text(x_of(part * count) + 4, y, what, "class=\"quiet\"");
  };
  mark(schedule.freeze_ranges_at, "ranges frozen", top + 10);
  mark(schedule.freeze_batch_norm_at, "batch norm frozen", top + 26);
  const auto line = [&](auto value, auto y_of, const char* css) {
    std::string path;
    for (const EpochReport& e : epochs) {
      if (!std::isfinite(value(e))) continue;
      path += formatted("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x_of(e.epoch + 1), y_of(value(e)));
      svg += formatted("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" class=\"{} dot\"/>", x_of(e.epoch + 1), y_of(value(e)), css);
    }
    svg += formatted("<path d=\"{}\" class=\"{}\"/>", path, css);
  };
  line([](const EpochReport& e) { return e.loss; }, loss_y, "line loss");
  line([](const EpochReport& e) { return e.validation_loss; }, loss_y, "line loss dashed");
  line([](const EpochReport& e) { return e.accuracy; }, accuracy_y, "line acc");
  line([](const EpochReport& e) { return e.validation_accuracy; }, accuracy_y, "line acc dashed");
  svg += formatted("<path d=\"M{:.0f} {:.0f}V{:.0f}H{:.0f}V{:.0f}\" class=\"axis\"/>", left, top, base, right, top);
  svg += svg_text(left - 6, top + 6, formatted("{:.2f}", most), "class=\"losstext\" text-anchor=\"end\"") + svg_text(left - 6, base, "0", "class=\"losstext\" text-anchor=\"end\"");
  svg += svg_text(right + 6, top + 6, "100 %", "class=\"acctext\"") + svg_text(right + 6, base, formatted("{:.0f} %", 100 * from), "class=\"acctext\"");
  for (std::size_t e = 1; e <= epochs.size(); ++e) {
    if (epochs.size() <= 12 || e % (epochs.size() / 6) == 0) svg += svg_text(x_of(static_cast<double>(e)), base + 18, formatted("{}", e), "class=\"quiet\" text-anchor=\"middle\"");
  }
  return svg + "</svg>";
}

}  // namespace stet::detail
