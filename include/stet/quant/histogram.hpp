#pragma once
// Histogram: how often values fall into bins whose width is a power of two, so that growing and merging lose nothing.

#include <stet/quant/range.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace stet {

/// The counts of one scale of a Histogram, lowest bin first. Valid while the histogram is unchanged.
struct HistogramView {
  std::span<const std::int64_t> cyclic;  ///< bin of index i lies at i modulo the number of bins
  Range range;                           ///< smallest and largest finite value
  double width = 0;                      ///< of a bin, a power of two
  std::int64_t first = 0;                ///< index of the lowest bin in use: it begins at first * width
  std::int64_t bins = 0;                 ///< bins in use
  std::int64_t zeros = 0;                ///< values that are exactly 0; they are in their bin as well

  [[nodiscard]] std::int64_t count(std::int64_t i) const {
    return cyclic[static_cast<std::size_t>(first + i) & (cyclic.size() - 1)];
  }
  /// Lower and upper edge of a bin in use; the outermost ones end at the range.
  [[nodiscard]] double lower(std::int64_t i) const {
    return i <= 0 ? static_cast<double>(range.lo) : static_cast<double>(first + i) * width;
  }
  [[nodiscard]] double upper(std::int64_t i) const {
    return i >= bins - 1 ? static_cast<double>(range.hi) : static_cast<double>(first + i + 1) * width;
  }
  [[nodiscard]] std::int64_t total() const {
    std::int64_t sum = 0;
    for (const std::int64_t n : cyclic) sum += n;
    return sum;
  }
};

/// Counts of the values of all batches, one histogram per scale, in memory that does not grow with the batches.
/// Bins have the width 2^e and edges at its multiples; e is the smallest exponent with which the range seen so far needs
/// no more than the given number of bins (at least half of them are then in use, unless the values are as close to each
/// other as floats can be). It depends on the range alone, and a wider range only joins neighbours. Therefore the
/// histogram is the same for any order of batches and any number of threads, and merging equals having seen both, exactly.
/// Values that are NaN or infinite are counted apart.
/// Formula:   (85)
/// Errors:    Errc::range if the number of bins is not a power of two from 16 to 65536
class Histogram {
 public:
  static constexpr int default_bins = 2048;

  Histogram() : Histogram(Granularity::per_tensor()) {}
  explicit Histogram(const Granularity& granularity, int bins = default_bins) : granularity_(granularity), bins_(bins) {
    require(bins >= 16 && bins <= 65536 && (bins & (bins - 1)) == 0, Errc::range,
            "Histogram: {} bins: must be a power of two from 16 to 65536", bins);
  }

  [[nodiscard]] const Granularity& granularity() const { return granularity_; }
  [[nodiscard]] std::int64_t bins() const { return bins_; }
  /// How many histograms there are: 0 before the first batch.
  [[nodiscard]] std::int64_t scales() const { return static_cast<std::int64_t>(lo_.size()); }
  /// How many values were NaN or infinite, of all scales or of one.
  [[nodiscard]] std::int64_t non_finite() const {
    std::int64_t sum = 0;
    for (const std::int64_t n : non_finite_) sum += n;
    return sum;
  }
  [[nodiscard]] std::int64_t non_finite(std::int64_t scale) const { return non_finite_[at(scale)]; }
  /// Whether some scale has no finite value yet.
  [[nodiscard]] bool empty() const {
    for (std::size_t k = 0; k < lo_.size(); ++k) {
      if (lo_[k] > hi_[k]) return true;
    }
    return lo_.empty();
  }

  /// Counts the values of one batch.
  /// Errors:    Errc::shape if the number of channels or groups changes, or the shape does not fit the granularity
  void observe(std::span<const float> x, const Shape& shape) {
    if (x.empty()) return;
    check_state();
    const std::vector<RangeScan> scans = scan_ranges(x, shape, granularity_);
    start(scans.size());
    for (std::size_t k = 0; k < scans.size(); ++k) {
      grow(k, scans[k].range);
      non_finite_[k] += scans[k].non_finite;
    }
    const ScaleMap map = scale_map(granularity_, shape);
    const std::int64_t period = map.inner * map.count;
    if (map.count == 1) return count_tensor(x, scans[0].non_finite == 0);
    std::vector<int> exponents(scans.size());
    for (std::size_t k = 0; k < scans.size(); ++k) {
      if (lo_[k] <= hi_[k]) exponents[k] = exponent(range(k));
    }
    parallel_chunks(map.count, shape.elements() / map.count, [&](Chunk c) {
      const auto take = [&](std::int64_t k, const float* from, std::int64_t n) {
        const auto scale = static_cast<std::size_t>(k);
        zeros_[scale] += add(from, n, exponents[scale], scans[scale].non_finite == 0, counts(scale));
      };
      std::array<float, lane_count> column;
      for (std::int64_t k = c.first; k < c.last; ++k) {
        const float* from = x.data() + k * map.inner;
        std::int64_t filled = 0;
        for (std::int64_t row = 0; row < shape.elements(); row += period) {
          if (map.inner > 1) {
            take(k, from + row, map.inner);
            continue;
          }
          column[static_cast<std::size_t>(filled++)] = from[row];
          if (filled == lane_count || row + period >= shape.elements()) {
            take(k, column.data(), filled);
            filled = 0;
          }
        }
      }
    });
  }

  /// What was counted for one scale.
  /// Errors:    Errc::state if that scale has no finite value
  [[nodiscard]] HistogramView view(std::int64_t scale) const {
    check_state();
    const std::size_t k = at(scale);
    require(k < lo_.size() && lo_[k] <= hi_[k], Errc::state, "Histogram: no value was observed for scale {}", scale);
    const int e = exponent(range(k));
    const std::int64_t first = index(lo_[k], e);
    const std::span<const std::int64_t> all(counts_);
    return {all.subspan(k * static_cast<std::size_t>(bins_), static_cast<std::size_t>(bins_)),
            range(k),
            std::ldexp(1.0, e),
            first,
            index(hi_[k], e) - first + 1,
            zeros_[k]};
  }

  void reset() { *this = Histogram(granularity_, static_cast<int>(bins_)); }

  /// Adds what another histogram has counted, exactly.
  /// Errors:    Errc::state if granularities or numbers of bins differ; Errc::shape if the numbers of scales do
  void merge(const Histogram& other) {
    require(granularity_ == other.granularity_ && bins_ == other.bins_, Errc::state,
            "Histogram: merge needs the same granularity and number of bins");
    check_state();
    other.check_state();
    if (other.lo_.empty()) return;
    start(other.lo_.size());
    for (std::size_t k = 0; k < lo_.size(); ++k) {
      non_finite_[k] += other.non_finite_[k];
      if (other.lo_[k] > other.hi_[k]) continue;
      grow(k, other.range(k));
      zeros_[k] += other.zeros_[k];
      const HistogramView theirs = other.view(static_cast<std::int64_t>(k));
      const int shift = exponent(range(k)) - exponent(other.range(k));
      std::int64_t* mine = counts(k);
      for (std::int64_t i = 0; i < theirs.bins; ++i) mine[place((theirs.first + i) >> std::min(shift, 62))] += theirs.count(i);
    }
  }

  /// Visits names and references of the state, from which (85) makes the bins.
  template <class F>
  void fields(F&& f) {
    f(std::string_view("lo"), lo_);
    f(std::string_view("hi"), hi_);
    f(std::string_view("counts"), counts_);
    f(std::string_view("zeros"), zeros_);
    f(std::string_view("non_finite"), non_finite_);
  }

 private:
  static std::size_t at(std::int64_t scale) { return static_cast<std::size_t>(scale); }
  // The bin of a value. Exact: the product with a power of two is, and indices are smaller than 2^25.
  static std::int64_t index(float x, int e) {
    return static_cast<std::int64_t>(std::floor(std::ldexp(static_cast<double>(x), -e)));
  }
  // Exponent of the bins of a range. Never below a unit in the last place of its largest value: closer floats are rare
  // at that size, and indices stay small.
  [[nodiscard]] int exponent(const Range& r) const {
    const float magnitude = std::max(std::fabs(r.lo), std::fabs(r.hi));
    int e = magnitude > 0.0f ? std::max(std::ilogb(magnitude) - 23, -149) : -149;
    while (index(r.hi, e) - index(r.lo, e) >= bins_) ++e;
    return e;
  }
  [[nodiscard]] Range range(std::size_t k) const { return {lo_[k], hi_[k]}; }
  [[nodiscard]] std::size_t place(std::int64_t i) const { return static_cast<std::size_t>(i & (bins_ - 1)); }
  [[nodiscard]] std::int64_t* counts(std::size_t k) { return counts_.data() + k * static_cast<std::size_t>(bins_); }

  void check_state() const {
    const std::size_t n = lo_.size();
    require(hi_.size() == n && counts_.size() == n * static_cast<std::size_t>(bins_) && zeros_.size() == n &&
                non_finite_.size() == n,
            Errc::state, "Histogram: {} counts do not belong to {} scales of {} bins; was the state loaded from another?",
            counts_.size(), n, bins_);
  }
  void start(std::size_t scales) {
    if (lo_.empty()) {
      lo_.assign(scales, RangeScan{}.range.lo);
      hi_.assign(scales, RangeScan{}.range.hi);
      counts_.assign(scales * static_cast<std::size_t>(bins_), 0);
      zeros_.assign(scales, 0);
      non_finite_.assign(scales, 0);
    }
    require(lo_.size() == scales, Errc::shape, "Histogram: has {} scales, got {}", lo_.size(), scales);
  }
  // Widens the range of a scale and joins its bins as the new width demands.
  void grow(std::size_t k, const Range& more) {
    if (more.lo > more.hi) return;
    const Range old = range(k);
    const Range now = unite(old, more);
    lo_[k] = now.lo;
    hi_[k] = now.hi;
    if (old.lo > old.hi) return;
    const int before = exponent(old);
    const int shift = exponent(now) - before;
    if (shift == 0) return;
    std::vector<std::int64_t> joined(static_cast<std::size_t>(bins_));
    std::int64_t* mine = counts(k);
    const std::int64_t last = index(old.hi, before);
    for (std::int64_t i = index(old.lo, before); i <= last; ++i) joined[place(i >> std::min(shift, 62))] += mine[place(i)];
    std::copy(joined.begin(), joined.end(), mine);
  }
  void count_tensor(std::span<const float> x, bool finite) {
    if (lo_[0] > hi_[0]) return;
    const auto n = static_cast<std::int64_t>(x.size());
    const std::int64_t chunks = chunk_count(n, 1);
    const int e = exponent(range(0));
    std::vector<std::int64_t> parts(static_cast<std::size_t>(chunks * bins_));
    std::vector<std::int64_t> zeros(static_cast<std::size_t>(chunks));
    parallel(chunks, [&](std::int64_t i) {
      const Chunk c = chunk_of(n, chunks, i);
      zeros[static_cast<std::size_t>(i)] = add(x.data() + c.first, c.size(), e, finite, parts.data() + i * bins_);
    });
    for (std::int64_t i = 0; i < chunks; ++i) {
      zeros_[0] += zeros[static_cast<std::size_t>(i)];
      const std::int64_t* part = parts.data() + i * bins_;
      std::int64_t* mine = counts(0);
      lanes(bins_, [=](std::int64_t b) { mine[b] += part[b]; });
    }
  }
  // Counts x[0..n) and returns how many were zero. In float where the reciprocal of the width is one.
  [[nodiscard]] std::int64_t add(const float* x, std::int64_t n, int e, bool finite, std::int64_t* to) const {
    if (e < -126 || !finite) return add_as<double>(x, n, e, finite, to);
    return add_as<float>(x, n, e, finite, to);
  }
  template <class T>
  [[nodiscard]] std::int64_t add_as(const float* x, std::int64_t n, int e, bool finite, std::int64_t* to) const {
    const T per_bin = std::ldexp(T{1}, -e);
    const T width = std::ldexp(T{1}, e);
    const auto mask = static_cast<std::int32_t>(bins_ - 1);
    std::int64_t zeros = 0;
    std::array<std::int32_t, lane_count> bin, zero;
    for (std::int64_t i = 0; i < n; i += lane_count) {
      const auto size = std::min<std::int64_t>(n - i, lane_count);
      const float* block = x + i;
      const auto place_all = [&](std::int64_t j) {
        // Truncation is one too high below zero, unless it was exact. Tiny values may have become 0 in the product, so the
        // bin's edge is compared with the value itself.
        const T v = static_cast<T>(block[j]);
        const auto whole = static_cast<std::int32_t>(v * per_bin);
        bin[static_cast<std::size_t>(j)] = (whole - (static_cast<T>(whole) * width > v ? 1 : 0)) & mask;
        zero[static_cast<std::size_t>(j)] = v == T{0} ? 1 : 0;
      };
      if (finite) {
        lanes(size, place_all);
        for (std::int64_t j = 0; j < size; ++j) ++to[bin[static_cast<std::size_t>(j)]];
        std::int32_t sum = 0;
        for (std::int64_t j = 0; j < size; ++j) sum += zero[static_cast<std::size_t>(j)];
        zeros += sum;
      } else {
        for (std::int64_t j = 0; j < size; ++j) {
          if (!detail::is_finite_bits(block[j])) continue;
          place_all(j);
          ++to[bin[static_cast<std::size_t>(j)]];
          zeros += zero[static_cast<std::size_t>(j)];
        }
      }
    }
    return zeros;
  }

  Granularity granularity_;
  std::int64_t bins_;
  std::vector<float> lo_, hi_;
  std::vector<std::int64_t> counts_, zeros_, non_finite_;
};

}  // namespace stet
