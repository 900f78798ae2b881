#pragma once
// The frontier of mixed precision as a page: what every size loses, and which layers get how many bits.

#include <stet/core/entry.hpp>
#include <stet/passes/mixed_precision.hpp>

#include <string>

#if STET_DEFINE_ENTRIES
#include <stet/diagnose/html_parts.hpp>
#include <stet/diagnose/html_style.hpp>
#include <stet/io/file.hpp>

#include <algorithm>
#include <cmath>
#include <vector>
#endif

namespace stet {

/// The page as text: predicted loss over cost as a line, the accuracy of the choices that were measured as dots, both as a table, and
/// what each layer loses at each width. Needs no network and no scripts; light and dark, for phones, desktops and paper.
/// @param cost  what costs are, with their unit
/// Errors:    Errc::range if the frontier has no choices
STET_ENTRY std::string html(const PrecisionFrontier& frontier, const std::string& cost = "bytes of weights");
/// Writes the page, whole or not at all.
/// Errors:    as html; Errc::io if the file cannot be written
STET_ENTRY void save_html(const std::string& path, const PrecisionFrontier& frontier, const std::string& cost = "bytes of weights");

#if STET_DEFINE_ENTRIES
namespace detail {

// Predicted loss as steps, since between two choices the cheaper one is what a budget buys; measured accuracy as dots.
class FrontierChart {
 public:
  explicit FrontierChart(const PrecisionFrontier& f) : choices_(f.choices) {}

  [[nodiscard]] std::string run(const std::string& cost) {
    double most = 1e-9, least = 1;
    bool measured = false;
    for (const PrecisionChoice& c : choices_) {
      most = std::max(most, c.loss);
      if (!c.measured_accuracy || !std::isfinite(*c.measured_accuracy)) continue;
      least = std::min(least, *c.measured_accuracy);
      measured = true;
    }
    const double from = std::min(0.95, std::floor(least * 20) / 20);
    std::string path, dots;
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      const double x = x_of(choices_[i].cost), y = base - std::max(0.0, choices_[i].loss) / most * (base - top);
      path += i == 0 ? formatted("M{:.1f} {:.1f}", x, y) : formatted("H{:.1f}V{:.1f}", x, y);
      if (!choices_[i].measured_accuracy || !std::isfinite(*choices_[i].measured_accuracy)) continue;
      dots += formatted("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" class=\"line acc dot\"/>", x, base - (*choices_[i].measured_accuracy - from) / (1 - from) * (base - top));
    }
    std::string svg = formatted("<path d=\"M{:.0f} {:.0f}V{:.0f}H{:.0f}V{:.0f}\" class=\"axis\"/><path d=\"{}\" class=\"line loss\"/>{}", left, top, base, right, top, path, dots);
    svg += svg_text(left - 6, top + 6, formatted("{:.2f}", most), "class=\"losstext\" text-anchor=\"end\"") + svg_text(left - 6, base, "0", "class=\"losstext\" text-anchor=\"end\"");
    if (measured) svg += svg_text(right + 6, top + 6, "100 %", "class=\"acctext\"") + svg_text(right + 6, base, formatted("{:.0f} %", 100 * from), "class=\"acctext\"");
    svg += svg_text(left, base + 18, formatted("{:.0f}", choices_.front().cost), "class=\"quiet\"") + svg_text(right, base + 18, formatted("{:.0f}", choices_.back().cost), "class=\"quiet\" text-anchor=\"end\"") +
           svg_text((left + right) / 2, base + 18, fitting(cost, 200), "class=\"quiet\" text-anchor=\"middle\"");
    return svg_begin(width, base + 26, formatted("Loss that is predicted against {}: {:.4f} at {:.0f}, {:.4f} at {:.0f}", cost, choices_.front().loss, choices_.front().cost, choices_.back().loss, choices_.back().cost),
                     "max-width:640px") + svg + "</svg>";
  }

 private:
  static constexpr double width = 500, left = 52, right = width - 56, top = 14, base = 210;

  [[nodiscard]] double x_of(double cost) const {
    const double from = choices_.front().cost, to = choices_.back().cost;
    return to > from ? left + (cost - from) / (to - from) * (right - left) : left;
  }

  const std::vector<PrecisionChoice>& choices_;
};

// A row per layer: what it loses at each width, and how often the frontier gives it which.
inline std::string layers_of_frontier(const PrecisionFrontier& f) {
  std::vector<std::string> head{"layer", "weights"};
  for (const int b : f.bits) head.push_back(formatted("{}&nbsp;bits", b));
  double most = 1e-9;
  for (const LayerSensitivity& l : f.layers) most = std::max(most, *std::max_element(l.loss.begin(), l.loss.end()));
  std::vector<std::vector<std::string>> rows;
  for (const LayerSensitivity& l : f.layers) {
    rows.push_back({escaped(l.layer), formatted("{}", l.weights)});
    for (const double loss : l.loss) {
      rows.back().push_back(formatted("<td class=\"heat lost\" style=\"--part:{:.0f}%\">{}</td>", most_share_part * std::clamp(loss / most, 0.0, 1.0), loss_text(loss)));
    }
  }
  return html_table("Loss that is added if this layer alone has so many bits", head, rows);
}

}  // namespace detail

STET_ENTRY std::string html(const PrecisionFrontier& f, const std::string& cost) {
  require(!f.choices.empty() && !f.layers.empty(), Errc::range, "html: the frontier has no choices; precision_frontier makes them");
  std::vector<std::vector<std::string>> rows;
  for (const std::size_t i : f.shown(16)) {
    const PrecisionChoice& c = f.choices[i];
    std::string widths;
    for (const int b : c.bits) widths += formatted("{}{}", widths.empty() ? "" : " ", b);
    rows.push_back({formatted("{:.0f}", c.cost), detail::loss_text(c.loss), c.measured_loss ? detail::loss_text(*c.measured_loss) : "–",
                    c.measured_accuracy ? detail::percent_text(*c.measured_accuracy) : "–", widths});
  }
  std::string names;
  for (const LayerSensitivity& l : f.layers) names += (names.empty() ? "" : ", ") + detail::escaped(l.layer);
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">";
  out += formatted("<title>Bits for each layer</title><style>{}</style></head><body><main><header class=\"fine\"><h1>Bits for each layer</h1>", detail::page_style());
  out += formatted("<p class=\"sentence\">{} choices that no other beats in both {} and loss.</p></header>", f.choices.size(), detail::escaped(cost));
  out += "<section><h2>What every size loses</h2><p><span class=\"losstext\">Predicted loss</span> on the left: what the layers add one by one, summed. <span class=\"acctext\">Measured accuracy</span> of the deployed integers on the right.</p>" +
         detail::scrolling("scroll", "The frontier", detail::FrontierChart(f).run(cost)) +
         detail::html_table("Choices, evenly spread over their cost, and all that were measured", {detail::escaped(cost), "predicted loss", "measured loss", "accuracy", "bits"}, rows) +
         "<p class=\"quiet\">Bits in the order of the layers: " + names + ".</p></section>";
  out += "<section><h2>What each layer loses</h2>" + detail::layers_of_frontier(f) + "</section>";
  return out + "</main></body></html>\n";
}

STET_ENTRY void save_html(const std::string& path, const PrecisionFrontier& frontier, const std::string& cost) { write_file_atomically(path, html(frontier, cost)); }
#endif

}  // namespace stet
