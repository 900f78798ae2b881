#pragma once
// MeanSigmaObserver: mean and standard deviation of all values; the range is some deviations to either side.

#include <stet/core/lanes.hpp>
#include <stet/quant/range.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

/// Range mean - k*sigma .. mean + k*sigma, no further than the values seen. Four numbers per scale; sigma divides by the
/// number of values less one. Merged parts equal the whole up to rounding in double.
/// Formula:   (91)
/// Errors:    Errc::range if k is not positive and finite
/// Source:    MQBench, ClipStdObserver (k = 2.6); merging: Chan, Golub and LeVeque 1983
class MeanSigmaObserver {
 public:
  static constexpr const char* name = "MeanSigmaObserver";
  /// The range of a batch is not enough: observe() wants its values.
  static constexpr bool needs_values = true;

  MeanSigmaObserver() : MeanSigmaObserver(Granularity::per_tensor()) {}
  explicit MeanSigmaObserver(const Granularity& granularity, double k = 2.6) : granularity_(granularity), k_(k) {
    require(k > 0.0 && std::isfinite(k), Errc::range, "{}: k = {} must be positive and finite", name, k);
  }
  [[nodiscard]] double k() const { return k_; }
  [[nodiscard]] std::string describe() const {
    return formatted("{} {}, k {}", name, stet::describe(granularity_), k_);
  }

  /// Takes the values of one batch. Values that are NaN or infinite are counted, and ignored otherwise.
  /// Errors:    Errc::shape if the number of channels or groups changes, or the shape does not fit the granularity
  void observe(std::span<const float> x, const Shape& shape) {
    if (x.empty()) return;
    const std::vector<RangeScan> scans = scan_ranges(x, shape, granularity_);
    start(scans.size());
    const ScaleMap map = scale_map(granularity_, shape);
    parallel_chunks(map.count, shape.elements() / map.count, [&](Chunk c) {
      for (std::int64_t k = c.first; k < c.last; ++k) {
        const auto scale = static_cast<std::size_t>(k);
        if (scans[scale].empty()) continue;
        join(scale, statistics(x.data(), shape.elements(), map, k, scans[scale]));
      }
    });
    for (const RangeScan& scan : scans) non_finite_ += scan.non_finite;
  }
  void observe(const Tensor<float>& x) { observe(x.span(), x.shape()); }
  void observe(std::span<const float> x) { observe(x, Shape{static_cast<std::int64_t>(x.size())}); }

  /// Whether some scale has no value yet.
  [[nodiscard]] bool empty() const {
    return count_.empty() || std::find(count_.begin(), count_.end(), 0) != count_.end();
  }
  /// One range per scale.
  /// Errors:    Errc::state if empty
  [[nodiscard]] std::vector<Range> ranges() const {
    require(!empty(), Errc::state, "{}: nothing was observed{}; run calibration data through it first", name,
            count_.empty() ? "" : " for some channels");
    check_state();
    std::vector<Range> result(count_.size());
    for (std::size_t i = 0; i < result.size(); ++i) {
      const double reach = k_ * sigma(i);
      result[i] = {std::clamp(static_cast<float>(mean_[i] - reach), lo_[i], hi_[i]),
                   std::clamp(static_cast<float>(mean_[i] + reach), lo_[i], hi_[i])};
    }
    return result;
  }
  [[nodiscard]] double mean(std::size_t scale) const { return mean_[scale]; }
  [[nodiscard]] double sigma(std::size_t scale) const {
    return count_[scale] > 1 ? std::sqrt(squares_[scale] / static_cast<double>(count_[scale] - 1)) : 0.0;
  }
  [[nodiscard]] const Granularity& granularity() const { return granularity_; }
  /// How many values were NaN or infinite.
  [[nodiscard]] std::int64_t non_finite() const { return non_finite_; }

  /// Forgets everything but the options.
  void reset() { *this = MeanSigmaObserver(granularity_, k_); }
  /// Takes over what another observer of the same kind has seen.
  /// Errors:    Errc::state if the granularities differ; Errc::shape if the numbers of scales do
  void merge(const MeanSigmaObserver& other) {
    require(granularity_ == other.granularity_, Errc::state, "{}: merge needs the same granularity", name);
    other.check_state();
    if (!other.count_.empty()) {
      start(other.count_.size());
      for (std::size_t i = 0; i < count_.size(); ++i) {
        if (other.count_[i] > 0) join(i, {other.count_[i], other.mean_[i], other.squares_[i], {other.lo_[i], other.hi_[i]}});
      }
    }
    non_finite_ += other.non_finite_;
  }

  /// Visits names and references of the state.
  template <class F>
  void fields(F&& f) {
    f(std::string_view("count"), count_);
    f(std::string_view("mean"), mean_);
    f(std::string_view("squares"), squares_);
    f(std::string_view("lo"), lo_);
    f(std::string_view("hi"), hi_);
    f(std::string_view("non_finite"), non_finite_);
  }

 private:
  struct Statistics {
    std::int64_t count;
    double mean, squares;  // squares: sum of squared distances from the mean
    Range range;
  };

  void check_state() const {
    const std::size_t n = count_.size();
    require(mean_.size() == n && squares_.size() == n && lo_.size() == n && hi_.size() == n, Errc::state,
            "{}: {} means, {} squares and {} ranges do not belong to {} scales; was the state loaded from another?", name,
            mean_.size(), squares_.size(), lo_.size(), n);
  }
  void start(std::size_t scales) {
    check_state();
    if (count_.empty()) {
      count_.assign(scales, 0);
      mean_.assign(scales, 0.0);
      squares_.assign(scales, 0.0);
      lo_.assign(scales, RangeScan{}.range.lo);
      hi_.assign(scales, RangeScan{}.range.hi);
    }
    require(count_.size() == scales, Errc::shape, "{}: has {} scales, got {}", name, count_.size(), scales);
  }
  // Sum of f over the finite values of one scale; in chunks that depend on the shape alone, added in order.
  template <class F>
  static double sum(const float* x, std::int64_t elements, const ScaleMap& map, std::int64_t scale, F f) {
    const std::int64_t period = map.inner * map.count;
    const auto serial = [&](const float* from, std::int64_t n) {
      return lanes_reduce<double>(
          n, 0.0, [&](std::int64_t i) { return detail::is_finite_bits(from[i]) ? f(static_cast<double>(from[i])) : 0.0; },
          [](double a, double b) { return a + b; });
    };
    if (map.count == 1) {
      const std::int64_t chunks = chunk_count(elements, 1);
      std::vector<double> parts(static_cast<std::size_t>(chunks));
      parallel(chunks, [&](std::int64_t i) {
        const Chunk c = chunk_of(elements, chunks, i);
        parts[static_cast<std::size_t>(i)] = serial(x + c.first, c.size());
      });
      double total = 0;
      for (const double part : parts) total += part;
      return total;
    }
    double total = 0;
    for (std::int64_t row = scale * map.inner; row < elements; row += period) total += serial(x + row, map.inner);
    return total;
  }
  static Statistics statistics(const float* x, std::int64_t elements, const ScaleMap& map, std::int64_t scale,
                               const RangeScan& scan) {
    const std::int64_t count = elements / map.count - scan.non_finite;
    const double mean = sum(x, elements, map, scale, [](double v) { return v; }) / static_cast<double>(count);
    const double squares = sum(x, elements, map, scale, [=](double v) { return (v - mean) * (v - mean); });
    return {count, mean, squares, scan.range};
  }
  void join(std::size_t i, const Statistics& more) {
    const auto mine = static_cast<double>(count_[i]);
    const auto theirs = static_cast<double>(more.count);
    const double distance = more.mean - mean_[i];
    mean_[i] = count_[i] == 0 ? more.mean : mean_[i] + distance * (theirs / (mine + theirs));
    squares_[i] += more.squares + distance * distance * (mine * theirs / (mine + theirs));
    count_[i] += more.count;
    const Range now = unite({lo_[i], hi_[i]}, more.range);
    lo_[i] = now.lo;
    hi_[i] = now.hi;
  }

  Granularity granularity_;
  double k_;
  std::vector<std::int64_t> count_;
  std::vector<double> mean_, squares_;
  std::vector<float> lo_, hi_;
  std::int64_t non_finite_ = 0;
};

}  // namespace stet
