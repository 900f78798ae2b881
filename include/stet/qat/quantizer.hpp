#pragma once
// Quantizer: the range of one activation (or scale group) on its way from observation to frozen scale and zero point.

#include <stet/core/parameter.hpp>
#include <stet/qat/weight_scale.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/observer.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

namespace stet {

/// Life cycle of a quantizer.
enum class QuantizerState {
  observing,  ///< sees data, makes no codes yet
  training,   ///< makes codes; its range still follows the data, from one step to the next
  frozen      ///< makes codes; nothing moves until it is reopened
};

/// Range, scale and zero point of one activation.
/// The parameters used in step t come from ranges up to step t-1: observe() collects all members of a scale group
/// during a step, end_step() hands their union to the observer once. An observer of values sees them during calibration
/// only. A learned scale starts at what calibration found and is then a parameter that the optimizer moves.
/// Errors:    Errc::state if parameters are asked for before anything was observed
class Quantizer {
 public:
  Quantizer(std::string name, Grid grid, AnyObserver observer)
      : name_(std::move(name)), grid_(grid), observer_(std::move(observer)) {
    observer_.set_grid(grid_, false);
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Grid& grid() const { return grid_; }
  [[nodiscard]] QuantizerState state() const { return state_; }
  [[nodiscard]] bool calibrated() const { return calibrated_; }
  /// Whether a range would be used if it were observed now.
  [[nodiscard]] bool follows() const {
    return state_ == QuantizerState::observing ||
           (state_ == QuantizerState::training && !learned_ && !observer_.needs_values());
  }
  /// Makes the scale a trained parameter from start() to freeze(); the zero point stays as calibrated.
  void learn() { learned_ = true; }
  [[nodiscard]] bool learned() const { return learned_; }
  /// Logarithm of the scale, [1]; its gradient is wanted only while learns().
  [[nodiscard]] Parameter& log_scale() { return log_scale_; }
  [[nodiscard]] bool learns() const { return learned_ && state_ == QuantizerState::training; }

  /// Widens the range of this step.
  void observe(const Range& range) {
    if (!follows()) return;
    pending_ = has_pending_ ? Range{std::min(pending_.lo, range.lo), std::max(pending_.hi, range.hi)} : range;
    has_pending_ = true;
  }
  /// The same from values; an observer that needs them takes them as they are.
  void observe(std::span<const float> values, const Range& range) {
    if (!follows()) return;
    if (observer_.needs_values()) {
      observer_.observe(values);
      has_pending_ = true;
    } else {
      observe(range);
    }
  }
  /// Takes what the step observed into the running range and renews scale and zero point.
  void end_step() {
    if (!has_pending_) return;
    has_pending_ = false;
    if (!observer_.needs_values()) observer_.observe(pending_);
    set(choose_qparams(observer_.ranges()[0], grid_));
  }
  /// Starts making codes.
  /// Errors:    Errc::state without an observed range
  void start() {
    require_range();
    if (state_ == QuantizerState::observing) state_ = QuantizerState::training;
  }
  /// Stops until reopen().
  void freeze() {
    require_range();
    has_pending_ = false;
    state_ = QuantizerState::frozen;
  }
  /// Lets what freeze() stopped be observed again; a learned scale keeps its value. What was fixed stays.
  void reopen() {
    if (state_ == QuantizerState::frozen && !fixed_) state_ = QuantizerState::observing;
  }
  /// Fixes scale and zero point for good, as a runtime demands them.
  /// Errors:    Errc::range if the scale is not positive and finite or too small, or the zero point not in the grid
  void fix(float scale, std::int32_t zero_point) {
    const QParams params = QParams::per_tensor(scale, zero_point, grid_);
    check(("quantizer of " + name_).c_str(), params, Shape{});
    hold(params);
  }
  /// Fixes the range by hand and for good, for example to [0, 6].
  void fix(const Range& range) { hold(choose_qparams(range, grid_)); }

  /// Scale and zero point now.
  [[nodiscard]] QParams params() const {
    require_range();
    const bool by_log = learned_ && state_ != QuantizerState::observing;
    return QParams::per_tensor(by_log ? scale_of_log(log_scale_.value[0]) : scale_, zero_point_, grid_);
  }

  /// What is wrong with the state, as a foreign or damaged file may leave it; empty if nothing is.
  [[nodiscard]] std::string fault() const {
    if (state_ < QuantizerState::observing || state_ > QuantizerState::frozen) {
      return fmt::format("quantizer of {}: state is {}, must be 0 to 2", name_, static_cast<int>(state_));
    }
    if (!calibrated_) {
      if (state_ == QuantizerState::observing) return {};
      return fmt::format("quantizer of {}: makes codes without a range", name_);
    }
    try {
      check(("quantizer of " + name_).c_str(), QParams::per_tensor(scale_, zero_point_, grid_), Shape{});
      return {};
    } catch (const Error& e) {
      return e.what();
    }
  }

  /// Visits the state by name, for checkpoints. The grid is not part of it: it comes from the recipe.
  template <class F>
  void fields(F&& f) {
    f("scale", scale_);
    f("zero_point", zero_point_);
    f("state", state_);
    f("fixed", fixed_);
    f("calibrated", calibrated_);
    if (learned_) f("log_scale", log_scale_.value);
    observer_.fields(f);
  }

 private:
  void hold(const QParams& params) {
    set(params);
    fixed_ = true;
    state_ = QuantizerState::frozen;
  }
  void set(const QParams& params) {
    scale_ = params.scale[0];
    zero_point_ = params.zero_point[0];
    if (learned_) log_scale_.value.edit()[0] = std::log(scale_);
    calibrated_ = true;
  }
  void require_range() const {
    require(calibrated_, Errc::state, "quantizer of {}: no range was observed; call calibrate(model, data) first", name_);
  }

  std::string name_;
  Grid grid_;
  AnyObserver observer_;
  // Not QParams: those would hold a second grid, which a checkpoint would have to keep equal to this one.
  float scale_ = 1.0f;
  std::int32_t zero_point_ = 0;
  Parameter log_scale_{Tensor<float>::zeros(Shape{1})};
  bool learned_ = false;
  Range pending_{};
  bool has_pending_ = false;
  bool calibrated_ = false;
  bool fixed_ = false;
  QuantizerState state_ = QuantizerState::observing;
};

}  // namespace stet
