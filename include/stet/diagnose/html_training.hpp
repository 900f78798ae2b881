#pragma once
// Training as curves: loss and accuracy by epoch, where ranges and batch norm stood still, learning rate and oscillation.

#include <stet/diagnose/html_parts.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace stet::detail {

/// The curves of a run in one drawing.
class TrainingChart {
 public:
  TrainingChart(const FitReport& history, const QatSchedule& schedule) : epochs_(history.epochs), schedule_(schedule) {}

  [[nodiscard]] std::string run() {
    double most = 1e-9, least_accuracy = 1;
    for (const EpochReport& e : epochs_) {
      for (const double l : {e.loss, e.validation_loss}) most = std::isfinite(l) ? std::max(most, l) : most;
      for (const double a : {e.accuracy, e.validation_accuracy}) least_accuracy = std::isfinite(a) ? std::min(least_accuracy, a) : least_accuracy;
    }
    const double from = std::min(0.9, std::floor(least_accuracy * 10) / 10);
    const auto loss_y = [&](double l) { return base - l / most * (base - top); };
    const auto accuracy_y = [&](double a) { return base - (a - from) / (1 - from) * (base - top); };
    mark(schedule_.freeze_ranges_at, "ranges frozen", 12);
    mark(schedule_.freeze_batch_norm_at, "batch norm frozen", 28);
    line([](const EpochReport& e) { return e.loss; }, loss_y, "line loss");
    line([](const EpochReport& e) { return e.validation_loss; }, loss_y, "line loss dashed");
    line([](const EpochReport& e) { return e.accuracy; }, accuracy_y, "line acc");
    line([](const EpochReport& e) { return e.validation_accuracy; }, accuracy_y, "line acc dashed");
    svg_ += formatted("<path d=\"M{:.0f} {:.0f}V{:.0f}H{:.0f}V{:.0f}\" class=\"axis\"/>", left, top, base, right, top);
    svg_ += svg_text(left - 6, top + 6, formatted("{:.2f}", most), "class=\"losstext\" text-anchor=\"end\"") + svg_text(left - 6, base, "0", "class=\"losstext\" text-anchor=\"end\"");
    svg_ += svg_text(right + 6, top + 6, "100 %", "class=\"acctext\"") + svg_text(right + 6, base, formatted("{:.0f} %", 100 * from), "class=\"acctext\"");
    const std::size_t every = std::max<std::size_t>(1, (epochs_.size() + 9) / 10);
    for (std::size_t e = every; e <= epochs_.size(); e += every) svg_ += svg_text(x_of(static_cast<double>(e)), base + 18, formatted("{}", e), "class=\"quiet\" text-anchor=\"middle\"");
    svg_ += svg_text(left - 4, base + 18, "epoch", "class=\"quiet\" text-anchor=\"end\"");
    strip([](const EpochReport& e) { return e.lr; }, [](double top_value) { return formatted("learning rate, at most {:.3g}", top_value); });
    strip([](const EpochReport& e) { return e.oscillating; }, [](double top_value) { return formatted("oscillating weights, at most {:.3g} %", 100 * top_value); });
    const EpochReport& last = epochs_.back();
    return svg_begin(width, bottom_, formatted("Training over {} epochs: the loss ends at {}, the accuracy at {}", epochs_.size(), if_number(last.loss, formatted("{:.4f}", last.loss)), if_number(last.accuracy, formatted("{:.2f} %", 100 * last.accuracy)))) + svg_ + "</svg>";
  }

 private:
  static constexpr double width = 500, left = 46, right = width - 54, top = 42, base = 190;

  [[nodiscard]] double x_of(double epoch) const { return left + epoch / static_cast<double>(epochs_.size()) * (right - left); }
  void mark(double part, const char* what, double y) {
    if (!(part > 0 && part <= 1)) return;
    const double x = left + part * (right - left);
    svg_ += formatted("<path d=\"M{:.1f} {:.1f}V{:.1f}\" class=\"mark\"/>", x, y - 10, base);
    svg_ += part > 0.6 ? svg_text(x - 4, y, what, "class=\"quiet halo\" text-anchor=\"end\"") : svg_text(x + 4, y, what, "class=\"quiet halo\"");
  }
  template <class Value, class Place>
  void line(Value value, Place y_of, const char* css) {
    std::string path;
    for (const EpochReport& e : epochs_) {
      if (!std::isfinite(value(e))) continue;
      path += formatted("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x_of(e.epoch + 1), y_of(value(e)));
      if (epochs_.size() <= 24) svg_ += formatted("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" class=\"{} dot\"/>", x_of(e.epoch + 1), y_of(value(e)), css);
    }
    if (!path.empty()) svg_ += formatted("<path d=\"{}\" class=\"{}\"/>", path, css);
  }
  // A small curve of its own below the others, if the history has the numbers.
  template <class Value, class Words>
  void strip(Value value, Words words) {
    double most = 0;
    for (const EpochReport& e : epochs_) most = std::isfinite(value(e)) ? std::max(most, value(e)) : most;
    if (!(most > 0)) return;
    const double floor = bottom_ + 62;
    line(value, [&](double v) { return floor - v / most * 40; }, "line rate");
    svg_ += formatted("<path d=\"M{:.0f} {:.0f}H{:.0f}\" class=\"axis\"/>", left, floor, right);
    svg_ += svg_text(left, floor - 46, words(most), "class=\"quiet\"");
    bottom_ = floor + 6;
  }

  const std::vector<EpochReport>& epochs_;
  const QatSchedule& schedule_;
  std::string svg_{};
  double bottom_ = base + 26;
};

/// The curves, and their numbers as a table.
inline std::string training_chart(const FitReport& history, const QatSchedule& schedule) {
  if (history.epochs.empty()) return {};
  bool rates = false, oscillates = false;
  for (const EpochReport& e : history.epochs) {
    rates = rates || std::isfinite(e.lr);
    oscillates = oscillates || std::isfinite(e.oscillating);
  }
  std::vector<std::string> head{"epoch", "loss", "accuracy", "validation loss", "validation accuracy"};
  if (rates) head.emplace_back("learning rate");
  if (oscillates) head.emplace_back("oscillating weights");
  std::vector<std::vector<std::string>> rows;
  for (const EpochReport& e : history.epochs) {
    rows.push_back({formatted("{}", e.epoch + 1), loss_text(e.loss), percent_text(e.accuracy), loss_text(e.validation_loss), percent_text(e.validation_accuracy)});
    if (rates) rows.back().push_back(number_text(e.lr));
    if (oscillates) rows.back().push_back(percent_text(e.oscillating));
  }
  return TrainingChart(history, schedule).run() + folded_table("Training, epoch by epoch", head, rows);
}

}  // namespace stet::detail
