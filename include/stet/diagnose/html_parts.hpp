#pragma once
// Parts of a page: text that is safe in HTML, numbers, tables, bars and histograms as SVG, each with its words for who cannot
// see it.

#include <stet/core/entry.hpp>
#include <stet/diagnose/diagnosis.hpp>
#include <stet/diagnose/html_style.hpp>
#include <stet/diagnose/shown_text.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace stet::detail {

/// Text as HTML.
inline std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

inline std::string percent_text(double part) { return if_number(part, formatted("{:.2f}&nbsp;%", 100 * part)); }
inline std::string number_text(double value) { return if_number(value, formatted("{:.3g}", value)); }
inline std::string loss_text(double value) { return if_number(value, formatted("{:.4f}", value)); }
inline std::string points_text(double points) { return if_number(points, with_sign(points)); }

/// What is wider than the page and scrolls inside its own box, by keyboard too.
inline std::string scrolling(const char* css, std::string_view words, const std::string& inside) {
  return formatted("<div class=\"{}\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">{}</div>", css, escaped(words), inside);
}

/// A table whose first column is words and whose others are numbers; cells are HTML already.
inline std::string html_table(const char* caption, const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  std::string out = formatted("<table><caption>{}</caption><thead><tr>", caption);
  for (const std::string& h : head) out += "<th scope=\"col\">" + h + "</th>";
  out += "</tr></thead><tbody>";
  for (const auto& row : rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) out += i == 0 ? "<th scope=\"row\">" + row[i] + "</th>" : row[i].rfind("<td", 0) == 0 ? row[i] : "<td>" + row[i] + "</td>";
    out += "</tr>";
  }
  return scrolling("scroll", caption, out + "</tbody></table>");
}
/// The same behind a line that opens it: the text alternative of a picture.
inline std::string folded_table(const char* caption, const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  return "<details><summary>As a table</summary>" + html_table(caption, head, rows) + "</details>";
}

/// As wide as the page and at most as wide as drawn, unless `style` says otherwise.
inline std::string svg_begin(double width, double height, const std::string& words, const std::string& style = {}) {
  return formatted("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\" style=\"{}\"><title>{}</title>", width, height, escaped(words),
                   style.empty() ? formatted("max-width:{:.0f}px", width) : style, escaped(words));
}
inline std::string svg_text(double x, double y, std::string_view text, const char* attributes = "") {
  return formatted("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>", x, y, attributes, escaped(text));
}
inline std::string svg_rect(double x, double y, double width, double height, const char* css, const std::string& more = "") {
  return formatted("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" class=\"{}\" {}/>", x, y, std::max(0.0, width), height, css, more);
}

/// Rows of a chart: words above a bar, so that a phone shows them at full size.
struct ChartRows {
  static constexpr double width = 380, row = 42;
  static constexpr double name_width = 250;  ///< the table beside the chart has the whole name
  std::string svg{};

  /// Name on the left, number and difference on the right; returns the top of the row's bar, which is 14 tall.
  double words(std::size_t i, std::string_view name, const std::string& value, const std::string& difference, const char* name_css, const char* difference_css) {
    const double y = row * static_cast<double>(i);
    svg += svg_text(0, y + 15, fitting(name, name_width), formatted("class=\"halo {}\"", name_css).c_str());
    svg += svg_text(difference.empty() ? width : width - 62, y + 15, value, "class=\"halo num\" text-anchor=\"end\"");
    if (!difference.empty()) svg += svg_text(width, y + 15, difference, formatted("class=\"halo num {}\" text-anchor=\"end\"", difference_css).c_str());
    return y + 21;
  }
  /// The drawing, with what stands at both ends of its scale.
  [[nodiscard]] std::string finish(std::size_t rows, const std::string& words, const std::string& from, const std::string& to, const std::string& below = {}) const {
    const double y = row * static_cast<double>(rows) + 12;
    return svg_begin(width, y + (below.empty() ? 6 : 28), words, "max-width:480px") + svg + svg_text(0, y, from, "class=\"quiet\"") + svg_text(width, y, to, "class=\"quiet\" text-anchor=\"end\"") + below + "</svg>";
  }
};

inline std::string percent_label(double part, const char* none = "–") { return std::isfinite(part) ? formatted("{:.2f} %", 100 * part) : std::string(none); }

/// Accuracy of every model as a bar, and what it lost or gained against the one that it is compared with.
inline std::string accuracy_chart(const std::vector<DiagnosedModel>& models, const std::string& words) {
  if (models.empty()) return {};
  double least = 1;
  for (const DiagnosedModel& m : models) least = std::isfinite(m.accuracy) ? std::min(least, m.accuracy) : least;
  // The scale begins below the smallest bar; what is read are the differences, which a scale from 0 would hide.
  const double from = std::max(0.0, std::floor((least - 0.02) * 20) / 20);
  ChartRows rows;
  for (std::size_t i = 0; i < models.size(); ++i) {
    const DiagnosedModel& m = models[i];
    const bool worse = m.against && m.against->worse();
    const double y = rows.words(i, m.name, percent_label(m.accuracy), m.against ? points_text(m.against->points) : "", "", worse ? "badtext" : "quiet");
    if (std::isfinite(m.accuracy)) rows.svg += svg_rect(0, y, (m.accuracy - from) / (1 - from) * ChartRows::width, 14, worse ? "bad" : "bar");
  }
  return rows.finish(models.size(), words, formatted("{:.0f} %", 100 * from), "100 %");
}

/// The values of a node, with the range in use behind them and the magnitude below which 99.9 % of them lie.
inline std::string histogram_chart(const DiagnosedNode& n) {
  if (n.histogram.empty() || !(n.most > n.least)) return {};
  const double width = 280, height = 112, top = 18, base = 86;
  const double from = std::min(n.least, n.low), to = std::max(n.most, n.high);
  if (!(to > from) || !std::isfinite(to - from)) return {};
  const auto x_of = [&](double v) { return (v - from) / (to - from) * width; };
  std::int64_t most = 1;
  for (const std::int64_t c : n.histogram) most = std::max(most, c);
  const double step = (n.most - n.least) / static_cast<double>(n.histogram.size());
  std::string svg = svg_begin(width, height, formatted("Histogram of {}: values from {:.3g} to {:.3g}, range in use {:.3g} to {:.3g}, 99.9 % of the magnitudes below {}, counts on a logarithmic scale", printable(n.node), n.least, n.most, n.low, n.high, number_text(n.p999)), "max-width:420px");
  svg += svg_rect(x_of(n.low), top, x_of(n.high) - x_of(n.low), base - top, "inuse");
  for (std::size_t b = 0; b < n.histogram.size(); ++b) {
    if (n.histogram[b] == 0) continue;
    const double tall = std::max(1.5, (base - top - 4) * std::log1p(static_cast<double>(n.histogram[b])) / std::log1p(static_cast<double>(most)));
    svg += svg_rect(x_of(n.least + step * static_cast<double>(b)), base - tall, std::max(0.8, x_of(from + step) - 0.3), tall, "bin");
  }
  svg += formatted("<path d=\"M0 {:.0f}H{:.0f}\" class=\"axis\"/>", base, width);
  for (const double at : {n.p999, -n.p999}) {
    if (!(n.p999 > 0) || at < from || at > to) continue;
    svg += formatted("<path d=\"M{:.1f} {:.0f}V{:.0f}\" class=\"p999\"/>", x_of(at), top - 3, base);
  }
  if (n.p999 > 0 && std::isfinite(n.p999)) {
    svg += svg_text(std::clamp(x_of(std::min(n.p999, to)), 36.0, width - 36.0), 11, formatted("p99.9 {:.3g}", n.p999), "class=\"small\" text-anchor=\"middle\"");
  }
  svg += svg_text(0, base + 20, formatted("{:.3g}", from), "class=\"quiet\"") + svg_text(width, base + 20, formatted("{:.3g}", to), "class=\"quiet\" text-anchor=\"end\"");
  return svg + "</svg>";
}

}  // namespace stet::detail
