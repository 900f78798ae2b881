#pragma once
// Quantizer: the range of one activation (or scale group) on its way from observation to frozen scale and zero point.

#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/observer.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace stet {

/// Life cycle of a quantizer.
enum class QuantizerState {
  observing,  ///< sees data, makes no codes yet
  training,   ///< makes codes; its range still follows the data, from one step to the next
  frozen      ///< makes codes; nothing moves any more
};

/// Range, scale and zero point of one activation.
/// The parameters used in step t come from ranges up to step t-1: pending() collects all members of a scale group
/// during a step, end_step() hands their union to the observer once.
/// Errors:    Errc::state if parameters are asked for before anything was observed
class Quantizer {
 public:
  Quantizer(std::string name, Grid grid, AnyObserver observer)
      : name_(std::move(name)), grid_(grid), observer_(std::move(observer)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Grid& grid() const { return grid_; }
  [[nodiscard]] QuantizerState state() const { return state_; }
  [[nodiscard]] bool calibrated() const { return calibrated_; }
  /// Whether a range would be used if it were observed now.
  [[nodiscard]] bool follows() const { return state_ != QuantizerState::frozen; }

  /// Widens the range of this step.
  void observe(const Range& range) {
    if (!follows()) return;
    pending_ = has_pending_ ? Range{std::min(pending_.lo, range.lo), std::max(pending_.hi, range.hi)} : range;
    has_pending_ = true;
  }
  /// Takes what the step observed into the running range and renews scale and zero point.
  void end_step() {
    if (!has_pending_) return;
    has_pending_ = false;
    observer_.observe(pending_);
    params_ = choose_qparams(observer_.ranges()[0], grid_);
    calibrated_ = true;
  }
  /// Starts making codes.
  /// Errors:    Errc::state without an observed range
  void start() {
    require_range();
    if (state_ == QuantizerState::observing) state_ = QuantizerState::training;
  }
  void freeze() {
    require_range();
    has_pending_ = false;
    state_ = QuantizerState::frozen;
  }
  /// Fixes scale and zero point, as a runtime demands them.
  void fix(float scale, std::int32_t zero_point) {
    params_ = QParams::per_tensor(scale, zero_point, grid_);
    calibrated_ = true;
    state_ = QuantizerState::frozen;
  }
  /// Fixes the range by hand, for example to [0, 6].
  void fix(const Range& range) {
    params_ = choose_qparams(range, grid_);
    calibrated_ = true;
    state_ = QuantizerState::frozen;
  }

  [[nodiscard]] const QParams& params() const {
    require_range();
    return params_;
  }

  /// Visits the state by name, for checkpoints.
  template <class F>
  void fields(F&& f) {
    f("scale", params_.scale[0]);
    f("zero_point", params_.zero_point[0]);
    f("state", state_);
    f("calibrated", calibrated_);
    observer_.fields(f);
  }

 private:
  void require_range() const {
    require(calibrated_, Errc::state, "quantizer of {}: no range was observed; call calibrate(model, data) first", name_);
  }

  std::string name_;
  Grid grid_;
  AnyObserver observer_;
  QParams params_ = QParams::per_tensor(1.0f, 0);
  Range pending_{};
  bool has_pending_ = false;
  bool calibrated_ = false;
  QuantizerState state_ = QuantizerState::observing;
};

}  // namespace stet
