#pragma once
// FitRun: a run of fit that is done in several calls.

#include <stet/train/fit_checkpoint.hpp>
#include <stet/train/fit_options.hpp>
#include <stet/train/optimizer.hpp>

#include <any>
#include <optional>
#include <string>
#include <utility>

namespace stet {

/// What one call of fit leaves to the next of the same run: the optimizer's state, the epoch, the history. In parts or in
/// one, a run gives the same bits; schedule and phases of QAT are over the whole.
///
///   FitRun run;
///   while (!run.finished()) {
///     fit(qat, data, {.epochs = 8, .stop_after = 1, .run = &run});
///     look(qat);
///   }
///
/// A call of fit with a FitRun that has not begun begins a run of its own, as one without any does. All calls must have
/// the same options and data, and between them the model must stay as it is: another one is refused.
class FitRun {
 public:
  [[nodiscard]] bool begun() const { return optimizer_.has_value(); }
  /// Whether all epochs are done, or training was stopped early.
  [[nodiscard]] bool finished() const { return begun() && (state_.stopped || state_.epoch >= epochs_); }
  [[nodiscard]] FitReport report() const { return state_.report(); }

  // For fit.
  /// Whether an error ended a call inside an epoch: the model is then no longer where the run is.
  [[nodiscard]] bool broken() const { return inside_epoch_; }
  void inside_epoch(bool inside) { inside_epoch_ = inside; }
  void begin(OptimizerState optimizer, std::string description, std::string start, int epochs) {
    optimizer_ = std::move(optimizer);
    description_ = std::move(description);
    start_ = std::move(start);
    epochs_ = epochs;
  }
  void start_with(std::string start) { start_ = std::move(start); }
  [[nodiscard]] const std::string& description() const { return description_; }
  // The model before its first step, in words.
  [[nodiscard]] const std::string& start() const { return start_; }
  // The model as the last part left it, in words.
  [[nodiscard]] const std::string& left() const { return left_; }
  void leave(std::string model) { left_ = std::move(model); }
  [[nodiscard]] OptimizerState& optimizer() { return *optimizer_; }
  [[nodiscard]] detail::FitState& state() { return state_; }
  // The BestModel of the run, if it keeps one.
  [[nodiscard]] std::any& best() { return best_; }

 private:
  std::optional<OptimizerState> optimizer_{};
  detail::FitState state_{};
  std::any best_{};
  std::string description_{}, start_{}, left_{};
  int epochs_ = 0;
  bool inside_epoch_ = false;
};

}  // namespace stet
