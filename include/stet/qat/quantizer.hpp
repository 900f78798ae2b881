#pragma once
// Quantizer: the range of one activation (or scale group) on its way from observation to frozen scale and zero point.

#include <stet/autograd/batch_parts.hpp>
#include <stet/core/parameter.hpp>
#include <stet/qat/any_learned_range.hpp>
#include <stet/qat/any_scheme.hpp>
#include <stet/qat/calibrated_range.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/observer.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// Life cycle of a quantizer.
enum class QuantizerState {
  observing,  ///< sees data, makes no codes yet
  training,   ///< makes codes; its range still follows the data, from one step to the next
  frozen      ///< makes codes; nothing moves until it is reopened
};

/// Where the scale of a quantizer comes from.
enum class RangeSource {
  observer,  ///< what the observer saw, or a hand fixed
  stand_in,  ///< nothing was seen but zeros, or values below every code: [0, 1] stands in for their range
  last_step  ///< so it was when quantization began; now there are values, and it is the range of the last step's
};

/// Range, scale and zero point of one activation.
/// calibrate() gives it the range that its calibration observer chose. In training the range follows from there, as the
/// training observer says: the parameters used in step t come from ranges up to step t-1, observe() collects all members
/// of a scale group during a step, end_step() hands their union to the observer once. A learned range starts at what
/// calibration found; the optimizer moves its parameters from there.
/// Where calibration found no values (a branch whose gamma is 0, a classifier of zeros) there is nothing to start from, and no
/// small step of a logarithm would ever reach the values that come. Such a scale follows the data, learned or not: it is
/// that of the last step's range, until freeze().
/// Errors:    Errc::state if parameters are asked for before anything was observed
class Quantizer {
 public:
  /// Errors:    Errc::unsupported as activation_refusal; Errc::state if the training observer needs values: a step has
  ///            ranges only
  Quantizer(std::string name, AnyScheme scheme, AnyObserver training, AnyObserver calibration = MedianObserver<>{})
      : name_(std::move(name)), scheme_(std::move(scheme)), observer_(std::move(training)), calibration_(std::move(calibration)) {
    const std::string refusal = activation_refusal(scheme_);
    require(refusal.empty(), Errc::unsupported, "quantizer of {}: scheme {}: {}", name_, scheme_.name(), refusal);
    grid_ = *scheme_.traits().grid;
    require(!observer_.needs_values(), Errc::state,
            "quantizer of {}: its training observer needs values, which training steps do not give; take one of ranges "
            "there, and this one for calibration",
            name_);
    calibration_.set_grid(grid_);
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const AnyScheme& scheme() const { return scheme_; }
  [[nodiscard]] const Grid& grid() const { return grid_; }
  [[nodiscard]] QuantizerState state() const { return state_; }
  [[nodiscard]] bool calibrated() const { return calibrated_; }
  /// Whether a range would be used if a step observed it now.
  [[nodiscard]] bool follows() const {
    return state_ == QuantizerState::observing || (state_ == QuantizerState::training && (!begun_ || awaits_values()));
  }
  [[nodiscard]] RangeSource source() const { return source_; }
  /// Whether calibration would be used: not once the range is frozen, or training has moved a learned scale.
  [[nodiscard]] bool calibrates() const {
    return state_ == QuantizerState::observing || (state_ == QuantizerState::training && !(begun_ && stepped_));
  }
  /// What calibration found, or nothing yet.
  [[nodiscard]] const CalibratedRange& calibration() const { return calibration_; }
  /// Takes what calibration found, in place of anything before it.
  void calibrate(CalibratedRange found) {
    if (!calibrates()) return;
    calibration_ = std::move(found);
    calibration_.choose();
    observer_.reset();
    observer_.observe(calibration_.start());
    has_pending_ = false;
    stepped_ = false;
    by_data_ = true;
    last_ = {};
    smallest_ = QParamsOptions{}.eps;
    follow();
  }
  /// Whether calibrate() gave the range and no training step has moved it since.
  [[nodiscard]] bool freshly_calibrated() const { return by_data_ && !stepped_; }
  /// Lets this range be trained from start() to freeze(); it begins where calibration ends. One that cannot begin there
  /// (PACT, where values below 0 were seen) trains nothing, and the scale follows the data.
  void learn(AnyLearnedRange range) {
    learned_ = std::move(range);
    // In any case on this grid, which checkpoints do not hold.
    const bool begins = learned_->begin(QParams::per_tensor(scale_, calibrated_ ? zero_point_ : grid_.lo, grid_));
    begun_ = calibrated_ && begins;
  }
  [[nodiscard]] bool learned() const { return learned_.has_value(); }
  /// The range that is trained; gradients of its parameters are wanted only while learns().
  [[nodiscard]] AnyLearnedRange& learned_range() { return *learned_; }
  [[nodiscard]] bool learns() const { return begun_ && state_ == QuantizerState::training && !awaits_values(); }

  /// Widens the range of this step: one to follow, or of a learned scale one to compare with.
  void observe(const Range& range) {
    if (!follows() && !learns()) return;
    pending_ = has_pending_ ? Range{std::min(pending_.lo, range.lo), std::max(pending_.hi, range.hi)} : range;
    has_pending_ = true;
  }
  /// The same with the values, which the float network has: without calibrate(), an observer that needs them chooses from
  /// them.
  void observe(std::span<const float> values, const Range& range) {
    if (state_ == QuantizerState::observing && !by_data_ && calibration_.needs_values()) {
      calibration_.observe(values, range);
    }
    observe(range);
  }
  /// What the step has observed so far, if anything.
  [[nodiscard]] std::optional<Range> observed() const { return has_pending_ ? std::optional<Range>(pending_) : std::nullopt; }
  /// Takes what the step observed into the running range and renews scale and zero point.
  void end_step() {
    if (state_ == QuantizerState::training) stepped_ = true;
    if (!has_pending_) return;
    has_pending_ = false;
    stepped_ = true;
    if (state_ == QuantizerState::training && awaits_values()) {
      if (negligible(pending_)) return;
      observer_.reset();  // for after reopen(): its zeros would draw the range to 0 again
      observer_.observe(pending_);
      set(pending_);
      source_ = RangeSource::last_step;
      return;
    }
    if (state_ == QuantizerState::training) last_ = pending_;
    if (learns()) return;
    observer_.observe(pending_);
    if (state_ == QuantizerState::observing && !by_data_ && calibration_.needs_values()) {
      calibration_.end_batch();
      calibration_.choose();
    }
    follow();
  }
  /// Makes the scale at least this large, now and when it is renewed; a frozen one stays.
  void widen(float smallest) {
    if (state_ == QuantizerState::frozen || params().scale[0] >= smallest) return;
    smallest_ = smallest;
    set(QParams::per_tensor(smallest, params().zero_point[0], grid_));
  }
  /// Whether the scale is what widen() demanded, not what the values did.
  [[nodiscard]] bool widened() const { return smallest_ > QParamsOptions{}.eps && params().scale[0] <= smallest_; }
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
    if (source_ == RangeSource::last_step) source_ = RangeSource::observer;
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
    set(params);
    source_ = RangeSource::observer;
    hold();
  }
  /// Fixes the range by hand and for good, for example to [0, 6].
  void fix(const Range& range) {
    set(range);
    hold();
  }

  /// Whether a hand or the runtime fixed the range.
  [[nodiscard]] bool fixed() const { return fixed_; }
  /// Real values of the ends of the grid now.
  [[nodiscard]] Range range() const {
    const QParams p = params();
    const auto real = [&](std::int32_t q) { return p.scale[0] * static_cast<float>(q - p.zero_point[0]); };
    return {real(grid_.lo), real(grid_.hi)};
  }

  /// Scale and zero point now.
  [[nodiscard]] QParams params() const {
    require_range();
    if (!begun_ || state_ == QuantizerState::observing) return QParams::per_tensor(scale_, zero_point_, grid_);
    learned_->require_finite(name_);
    return learned_->qparams();
  }

  /// How many times further the range in use, learned or not, reaches than the last training step that was observed asked
  /// for; below 1 the step's values reached further. 1 without such a step, and where the range was fixed.
  [[nodiscard]] double misfit() const {
    if (fixed_ || awaits_values() || negligible(last_)) return 1.0;
    const double wanted = calibration_.follow(last_).with_zero().width();
    return wanted > 0 ? static_cast<double>(params().scale[0]) * (grid_.levels() - 1) / wanted : 1.0;
  }

  /// What is wrong with the state, as a foreign or damaged file may leave it; empty if nothing is.
  [[nodiscard]] std::string fault() const {
    if (state_ < QuantizerState::observing || state_ > QuantizerState::frozen) {
      return formatted("quantizer of {}: state is {}, must be 0 to 2", name_, static_cast<int>(state_));
    }
    if (!calibrated_) {
      if (state_ == QuantizerState::observing) return {};
      return formatted("quantizer of {}: makes codes without a range", name_);
    }
    try {
      check(("quantizer of " + name_).c_str(), QParams::per_tensor(scale_, zero_point_, grid_), Shape{});
      if (begun_) check(("quantizer of " + name_).c_str(), learned_->qparams(), Shape{});
      (void)calibration_.disagreement();  // reads what the batches left
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
    f("source", source_);
    f("smallest", smallest_);
    if (learned_) {
      learned_->fields([&](std::string_view name, auto& field) { f("range." + std::string(name), field); });
      f("begun", begun_);
    }
    f("stepped", stepped_);
    f("by_data", by_data_);
    f("last_lo", last_.lo);
    f("last_hi", last_.hi);
    observer_.fields(f);
    calibration_.fields([&](std::string_view name, auto& field) { f("calibration." + std::string(name), field); });
  }

 private:
  void hold() {
    fixed_ = true;
    state_ = QuantizerState::frozen;
  }
  void follow() { set(calibration_.follow(observer_.ranges()[0])); }
  [[nodiscard]] bool awaits_values() const { return source_ != RangeSource::observer; }
  void set(const Range& range) {
    const bool empty = negligible(range);
    set(*scheme_.qparams(empty ? Range{0.0f, 1.0f} : range, smallest_));
    source_ = empty ? RangeSource::stand_in : RangeSource::observer;
  }
  void set(const QParams& params) {
    scale_ = params.scale[0];
    zero_point_ = params.zero_point[0];
    if (learned_) begun_ = learned_->begin(params);
    calibrated_ = true;
  }
  void require_range() const {
    require(calibrated_, Errc::state, "quantizer of {}: no range was observed; call calibrate(model, data) first", name_);
  }

  std::string name_;
  AnyScheme scheme_;
  Grid grid_{};  // of the scheme
  AnyObserver observer_;
  CalibratedRange calibration_;
  // Not QParams: those would hold a second grid, which a checkpoint would have to keep equal to this one.
  float scale_ = 1.0f;
  std::int32_t zero_point_ = 0;
  std::optional<AnyLearnedRange> learned_{};
  bool begun_ = false;  // learned_ has a range
  Range pending_{};
  Range last_{};  // of the last training step that was observed
  bool has_pending_ = false;
  bool calibrated_ = false;
  bool fixed_ = false;
  bool by_data_ = false;  // calibrate() gave the range
  bool stepped_ = false;  // a training step came after it
  RangeSource source_ = RangeSource::observer;
  float smallest_ = QParamsOptions{}.eps;  // scale
  QuantizerState state_ = QuantizerState::observing;
};

/// Ends a step of all quantizers of a model. Of a part of a batch every range becomes that of all parts: ranges merge exactly.
inline void end_step(std::span<Quantizer> quantizers, BatchParts* parts) {
  if (parts != nullptr) {
    std::vector<double> ends;
    for (const Quantizer& q : quantizers) {
      const std::optional<Range> range = q.observed();
      if (!range) continue;
      ends.push_back(-static_cast<double>(range->lo));
      ends.push_back(static_cast<double>(range->hi));
    }
    if (!ends.empty()) parts->combine({}, ends);
    std::size_t next = 0;
    for (Quantizer& q : quantizers) {
      if (!q.observed()) continue;
      q.observe({static_cast<float>(-ends[next]), static_cast<float>(ends[next + 1])});
      next += 2;
    }
  }
  for (Quantizer& q : quantizers) q.end_step();
}

}  // namespace stet
