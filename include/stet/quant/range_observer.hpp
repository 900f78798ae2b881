#pragma once
// What all observers of ranges share: scanning tensors, one range per scale, counting, checkpoint fields.

#include <stet/quant/range.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

/// Base of observers whose state is one range per scale. Self provides its name and what it does with one range:
/// `static constexpr const char* name`, `void fold(Range& state, const Range& batch) const` (not called for the first)
/// and `Range join(mine, my_batches, theirs, their_batches) const`.
template <class Self>
class RangeObserver {
 public:
  explicit RangeObserver(const Granularity& granularity) : granularity_(granularity) {}

  /// Takes the values of one batch. Values that are NaN or infinite are counted, and ignored otherwise.
  /// Errors:    Errc::shape if the number of channels or groups changes, or the shape does not fit the granularity
  void observe(std::span<const float> x, const Shape& shape) {
    if (x.empty()) return;
    std::vector<Range> ranges;
    std::int64_t non_finite = 0;
    for (const RangeScan& scan : scan_ranges(x, shape, granularity_)) {
      ranges.push_back(scan.range);
      non_finite += scan.non_finite;
    }
    update(ranges);
    non_finite_ += non_finite;
  }
  void observe(const Tensor<float>& x) { observe(x.span(), x.shape()); }
  void observe(std::span<const float> x) { observe(x, Shape{static_cast<std::int64_t>(x.size())}); }
  /// The same of doubles, as their nearest floats.
  void observe(std::span<const double> x, const Shape& shape) { observe(to_float(x).span(), shape); }
  void observe(const Tensor<double>& x) { observe(x.span(), x.shape()); }
  void observe(std::span<const double> x) { observe(to_float(x).span()); }

  /// Takes the ranges of one batch that were found elsewhere.
  /// Errors:    Errc::range if a range is not finite and ordered; Errc::shape if their number changes
  void observe(std::span<const Range> ranges) {
    for (const Range& r : ranges) {
      require(r.finite() && r.lo <= r.hi, Errc::range, "{}: range {}..{} must be finite and ordered", Self::name, r.lo,
              r.hi);
    }
    update(ranges);
  }
  void observe(const Range& range) { observe(std::span<const Range>(&range, 1)); }

  /// Whether some scale has no range yet.
  [[nodiscard]] bool empty() const {
    for (std::size_t i = 0; i < lo_.size() && i < hi_.size(); ++i) {
      if (lo_[i] > hi_[i]) return true;
    }
    return lo_.empty();
  }
  /// One range per scale.
  /// Errors:    Errc::state if empty
  [[nodiscard]] std::vector<Range> ranges() const {
    check_state();
    require(!empty(), Errc::state, "{}: nothing was observed{}; run calibration data through it first", Self::name,
            lo_.empty() ? "" : " for some channels");
    std::vector<Range> result(lo_.size());
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = {lo_[i], hi_[i]};
    return result;
  }
  [[nodiscard]] const Granularity& granularity() const { return granularity_; }
  /// Name and options. A Self with options of its own hides it.
  [[nodiscard]] std::string describe() const {
    return formatted("{} {}", Self::name, stet::describe(granularity_));
  }
  /// How many batches with a range were observed.
  [[nodiscard]] std::int64_t batches() const { return batches_; }
  /// How many values were NaN or infinite.
  [[nodiscard]] std::int64_t non_finite() const { return non_finite_; }

  /// Forgets everything but the options.
  void reset() {
    lo_.clear();
    hi_.clear();
    batches_ = 0;
    non_finite_ = 0;
  }
  /// Takes over what another observer of the same kind has seen.
  /// Errors:    Errc::state if the granularities differ; Errc::shape if the numbers of ranges do
  void merge(const Self& other) {
    require(granularity_ == other.granularity_, Errc::state, "{}: merge needs the same granularity", Self::name);
    other.check_state();
    if (!other.lo_.empty()) {
      start(other.lo_.size());
      for (std::size_t i = 0; i < lo_.size(); ++i) {
        const Range mine{lo_[i], hi_[i]};
        const Range theirs{other.lo_[i], other.hi_[i]};
        if (theirs.lo > theirs.hi) continue;
        set(i, mine.lo > mine.hi ? theirs : self().join(mine, batches_, theirs, other.batches_));
      }
    }
    batches_ += other.batches_;
    non_finite_ += other.non_finite_;
  }

  /// Visits names and references of the state: f(std::string_view, std::vector<float>& or std::int64_t&).
  template <class F>
  void fields(F&& f) {
    visit(*this, f);
  }
  template <class F>
  void fields(F&& f) const {
    visit(*this, f);
  }

 private:
  template <class This, class F>
  static void visit(This& self, F& f) {
    f(std::string_view("lo"), self.lo_);
    f(std::string_view("hi"), self.hi_);
    f(std::string_view("batches"), self.batches_);
    f(std::string_view("non_finite"), self.non_finite_);
  }
  const Self& self() const { return static_cast<const Self&>(*this); }
  void set(std::size_t i, const Range& range) {
    lo_[i] = range.lo;
    hi_[i] = range.hi;
  }
  void check_state() const {
    require(hi_.size() == lo_.size(), Errc::state, "{}: {} lower ends and {} upper ends; was the state loaded from another?",
            Self::name, lo_.size(), hi_.size());
  }
  void start(std::size_t count) {
    check_state();
    if (lo_.empty()) {
      lo_.assign(count, RangeScan{}.range.lo);
      hi_.assign(count, RangeScan{}.range.hi);
    }
    require(lo_.size() == count, Errc::shape, "{}: has {} ranges, got {}", Self::name, lo_.size(), count);
  }
  // Ranges with lo > hi stand for channels without a finite value in this batch: they change nothing.
  void update(std::span<const Range> ranges) {
    require(granularity_.kind != Granularity::Kind::per_tensor || ranges.size() == 1, Errc::shape,
            "{}: observes per tensor, got {} ranges", Self::name, ranges.size());
    start(ranges.size());
    bool any = false;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      if (ranges[i].lo > ranges[i].hi) continue;
      any = true;
      Range state{lo_[i], hi_[i]};
      if (state.lo > state.hi) {
        state = ranges[i];
      } else {
        self().fold(state, ranges[i]);
      }
      set(i, state);
    }
    if (any) ++batches_;
  }

  Granularity granularity_;
  std::vector<float> lo_, hi_;
  std::int64_t batches_ = 0, non_finite_ = 0;
};

}  // namespace stet
