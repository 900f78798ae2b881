#pragma once
// CalibratedRange: what calibration found about one activation, and how its range follows from there in training.

#include <stet/core/rounding.hpp>
#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/median_observer.hpp>
#include <stet/quant/observer.hpp>

#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// The range that an observer chose for one activation (or scale group) from calibration data, and beside it the range of
/// a typical batch. Training sees ranges of batches only, not values: where the observer cut off, follow() keeps cutting
/// off the same part.
class CalibratedRange {
 public:
  explicit CalibratedRange(AnyObserver observer) : observer_(std::move(observer)) {}

  /// The same observer before it saw anything.
  [[nodiscard]] CalibratedRange fresh() const {
    CalibratedRange other = *this;
    other.observer_.reset();
    other.batches_.reset();
    other.chosen_ = other.typical_ = Range{};
    other.pending_ = RangeScan{}.range;
    other.values_ = {};
    return other;
  }
  void set_grid(const Grid& grid) { observer_.set_grid(grid, false); }
  [[nodiscard]] bool needs_values() const { return observer_.needs_values(); }
  [[nodiscard]] bool empty() const { return batches_.empty(); }

  /// Takes one value of a batch: there are several where values share a scale.
  void observe(std::span<const float> values, const Range& range) {
    if (needs_values()) values_.insert(values_.end(), values.begin(), values.end());
    pending_ = unite(pending_, range);
  }
  /// Ends the batch: its values are one to the observer.
  void end_batch() {
    if (pending_.lo > pending_.hi) return;
    batches_.observe(pending_);
    if (needs_values()) {
      observer_.observe(std::span<const float>(values_));
    } else {
      observer_.observe(pending_);
    }
    values_ = {};
    pending_ = RangeScan{}.range;
  }
  /// Chooses the range from all batches so far. A value that is zero in all but a few has the range of those; one below
  /// every code has its own, for which an observer may have chosen that of the smallest scale.
  /// Errors:    Errc::state if there was none
  void choose() {
    chosen_ = observer_.ranges()[0];
    typical_ = batches_.ranges()[0];
    const Range all = batches_.extremes()[0];
    if (chosen_.with_zero().width() == 0 || negligible(all)) chosen_ = all;
  }
  [[nodiscard]] const Range& chosen() const { return chosen_; }
  /// Median of the ranges of batches.
  [[nodiscard]] const Range& typical() const { return typical_; }
  /// How many times wider everything seen is than a typical batch; 1 if nothing was seen, or a typical batch is zero.
  [[nodiscard]] double disagreement() const {
    if (empty()) return 1.0;
    const double typical = batches_.ranges()[0].with_zero().width(), all = batches_.extremes()[0].with_zero().width();
    return typical > 0 ? all / typical : 1.0;
  }

  /// Where an observer of batch ranges starts, so that follow() of it is the chosen range.
  [[nodiscard]] Range start() const {
    const Range chosen = chosen_.with_zero(), typical = typical_.with_zero();
    return {cuts(chosen.lo, typical.lo) ? typical.lo : chosen.lo, cuts(chosen.hi, typical.hi) ? typical.hi : chosen.hi};
  }
  /// The range to use when an observer of batch ranges has this one now.
  /// Formula:   (129)
  [[nodiscard]] Range follow(const Range& now) const {
    if (empty()) return now;
    const Range chosen = chosen_.with_zero(), typical = typical_.with_zero(), seen = now.with_zero();
    return {end(chosen.lo, typical.lo, seen.lo), end(chosen.hi, typical.hi, seen.hi)};
  }

  /// Visits the state by name, for checkpoints.
  template <class F>
  void fields(F&& f) {
    f("chosen_lo", chosen_.lo);
    f("chosen_hi", chosen_.hi);
    f("typical_lo", typical_.lo);
    f("typical_hi", typical_.hi);
    batches_.fields([&](std::string_view name, auto& field) { f("batches." + std::string(name), field); });
    observer_.fields([&](std::string_view name, auto& field) { f("observer." + std::string(name), field); });
  }

 private:
  static bool cuts(float chosen, float typical) { return std::fabs(chosen) < std::fabs(typical); }
  // The quotient first: it is exactly 1 at the start. The product on its own, lest a compiler fuse it with what follows.
  static float end(float chosen, float typical, float now) {
    if (!cuts(chosen, typical)) return now;
    return static_cast<float>(
        rounded_product(static_cast<double>(chosen), static_cast<double>(now) / static_cast<double>(typical)));
  }

  AnyObserver observer_;
  MedianObserver<> batches_;
  Range chosen_{}, typical_{};
  Range pending_ = RangeScan{}.range;  // of the batch so far
  std::vector<float> values_;          // of the batch so far, where the observer needs them
};

}  // namespace stet
