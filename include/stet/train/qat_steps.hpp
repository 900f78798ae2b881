#pragma once
// QatSteps: how a training loop of one's own takes a quantized model through the phases of its schedule.

#include <stet/model/qat_model.hpp>

#include <cstdint>

namespace stet {

/// The steps of one run of training, outside of fit:
///
///   QatSteps steps(qat, epochs * batches);
///   while (steps.next()) {
///     Tape tape;
///     tape.backward(own_loss(forward(tape, qat, batch), ...));
///     ...
///   }
///
/// next() enters the phases that are due, as fit does before each of its steps; so the loop, like fit, quantizes from
/// quantize_at on and freezes ranges and batch norm where the recipe says. Making a QatSteps begins a run: what the schedule
/// of an earlier run froze moves again. To resume a loop, make it, then read it and the model from a checkpoint.
/// The model must outlive it and must be the one that is trained.
/// Errors:    Errc::range if total is below 1; Errc::state from next() if a range is missing, or if it was resumed from a
///            loop of another length
class QatSteps {
 public:
  QatSteps(QatModel& qat, std::int64_t total) : qat_(&qat), total_(total), of_checkpoint_(total) {
    require(total >= 1, Errc::range, "QatSteps: total is {} steps, must be at least 1", total);
    qat.begin_run();
  }

  /// Begins the next step; false after the last.
  bool next() {
    require(of_checkpoint_ == total_, Errc::state,
            "QatSteps: the checkpoint is of a loop of {} steps, this one has {}; resume with as many steps, or begin a new run",
            of_checkpoint_, total_);
    require(begun_ >= 0 && begun_ <= total_, Errc::state,
            "QatSteps: {} of {} steps are begun; the checkpoint is damaged or was edited", begun_, total_);
    if (begun_ == total_) return false;
    qat_->advance(static_cast<double>(begun_) / static_cast<double>(total_), "QatSteps");
    ++begun_;
    return true;
  }
  /// Position of the step that next() began, from 0; -1 before the first.
  [[nodiscard]] std::int64_t step() const { return begun_ - 1; }
  [[nodiscard]] std::int64_t total() const { return total_; }

  /// Visits the state, for checkpoints.
  template <class F>
  void fields(F&& f) {
    f("begun", begun_);
    f("total", of_checkpoint_);
  }

 private:
  QatModel* qat_;
  std::int64_t total_, of_checkpoint_, begun_ = 0;
};

}  // namespace stet
