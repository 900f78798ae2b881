#pragma once
// MedianObserver: what another observer says of a typical batch.

#include <stet/core/description.hpp>
#include <stet/quant/grid.hpp>
#include <stet/quant/min_max_observer.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// Lets an observer choose a range for every batch alone, and takes the median over the batches of the lower and of the
/// upper ends. All batches weigh alike, in any order, and what fewer than half of them hold moves it little: one damaged
/// image changes one batch. Two numbers per scale and batch are kept. A batch without a finite value for some scale does
/// not count.
/// Formula:   (128)
/// Errors:    Errc::state if asked for ranges before a batch counted; Errc::shape if the number of scales changes; those
///            of the observer
template <class Each = MinMaxObserver>
class MedianObserver {
 public:
  static constexpr const char* name = "MedianObserver";
  /// Whether the observer of a batch needs its values.
  static constexpr bool needs_values = !requires(Each& each, std::span<const Range> ranges) { each.observe(ranges); };

  explicit MedianObserver(Each each = Each{}) : each_(std::move(each)) {}

  void observe(std::span<const float> x, const Shape& shape) {
    Each batch = each_;
    batch.observe(x, shape);
    append(batch);
    non_finite_ += batch.non_finite();
  }
  void observe(const Tensor<float>& x) { observe(x.span(), x.shape()); }
  void observe(std::span<const float> x) { observe(x, Shape{static_cast<std::int64_t>(x.size())}); }
  void observe(std::span<const Range> ranges)
    requires(!needs_values)
  {
    Each batch = each_;
    batch.observe(ranges);
    append(batch);
  }
  void observe(const Range& range)
    requires(!needs_values)
  {
    observe(std::span<const Range>(&range, 1));
  }
  void set_grid(const Grid& grid, bool symmetric)
    requires requires(Each& each) { each.set_grid(grid, symmetric); }
  {
    each_.set_grid(grid, symmetric);
  }

  [[nodiscard]] bool empty() const { return lo_.empty(); }
  [[nodiscard]] std::vector<Range> ranges() const {
    return of_scales([](std::vector<float>& lo, std::vector<float>& hi) { return Range{median(lo), median(hi)}; });
  }
  /// The union of the batches' ranges, one per scale.
  [[nodiscard]] std::vector<Range> extremes() const {
    return of_scales([](std::vector<float>& lo, std::vector<float>& hi) {
      return Range{*std::min_element(lo.begin(), lo.end()), *std::max_element(hi.begin(), hi.end())};
    });
  }
  [[nodiscard]] std::string describe() const { return formatted("{} of {}", name, description_of(each_)); }
  [[nodiscard]] const Granularity& granularity() const { return each_.granularity(); }
  /// How many batches count.
  [[nodiscard]] std::int64_t batches() const {
    return scales_ == 0 ? 0 : static_cast<std::int64_t>(lo_.size()) / scales_;
  }
  /// How many values were NaN or infinite.
  [[nodiscard]] std::int64_t non_finite() const { return non_finite_; }

  /// Forgets everything but the options.
  void reset() { *this = MedianObserver(each_); }
  /// Takes over what another one has seen.
  /// Errors:    Errc::state if the granularities differ; Errc::shape if the numbers of scales do
  void merge(const MedianObserver& other) {
    require(granularity() == other.granularity(), Errc::state, "{}: merge needs the same granularity", name);
    if (!other.empty()) {
      start(other.scales_);
      lo_.insert(lo_.end(), other.lo_.begin(), other.lo_.end());
      hi_.insert(hi_.end(), other.hi_.begin(), other.hi_.end());
    }
    non_finite_ += other.non_finite_;
  }
  /// Visits names and references of the state.
  template <class F>
  void fields(F&& f) {
    f(std::string_view("lo"), lo_);
    f(std::string_view("hi"), hi_);
    f(std::string_view("scales"), scales_);
    f(std::string_view("non_finite"), non_finite_);
  }

 private:
  // The middle one, or the mean of the two in the middle.
  static float median(std::vector<float>& values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) return *middle;
    return 0.5f * *middle + 0.5f * *std::max_element(values.begin(), middle);
  }
  template <class F>
  [[nodiscard]] std::vector<Range> of_scales(F&& f) const {
    require(!empty(), Errc::state, "{}: nothing was observed; run calibration data through it first", name);
    require(scales_ >= 1 && lo_.size() == hi_.size() && lo_.size() % static_cast<std::size_t>(scales_) == 0, Errc::state,
            "{}: its state has {} lower and {} upper ends of {} scales, which is damaged or was loaded in part", name,
            lo_.size(), hi_.size(), scales_);
    std::vector<Range> result;
    for (std::int64_t k = 0; k < scales_; ++k) {
      std::vector<float> lo, hi;
      for (auto i = static_cast<std::size_t>(k); i < lo_.size(); i += static_cast<std::size_t>(scales_)) {
        lo.push_back(lo_[i]);
        hi.push_back(hi_[i]);
      }
      result.push_back(f(lo, hi));
    }
    return result;
  }
  void start(std::int64_t scales) {
    if (scales_ == 0) scales_ = scales;
    require(scales_ == scales, Errc::shape, "{}: has {} ranges, got {}", name, scales_, scales);
  }
  void append(const Each& batch) {
    if (batch.empty()) return;
    const std::vector<Range> ranges = batch.ranges();
    start(static_cast<std::int64_t>(ranges.size()));
    for (const Range& r : ranges) {
      lo_.push_back(r.lo);
      hi_.push_back(r.hi);
    }
  }

  Each each_;
  std::vector<float> lo_, hi_;  // batch after batch, one per scale
  std::int64_t scales_ = 0, non_finite_ = 0;
};

}  // namespace stet
