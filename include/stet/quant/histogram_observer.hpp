#pragma once
// HistogramObserver: PyTorch's observer of that name. Its bins follow the range, and its search is greedy.

#include <stet/quant/grid.hpp>
#include <stet/quant/range.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stet {

namespace detail {

// Error of a grid over the bins first..last, as PyTorch estimates it: values are spread evenly over their bin, and all cells
// inside a bin cost the same. The grid is not moved to contain zero.
inline double histogram_error(std::span<const double> counts, double width, std::int64_t first, std::int64_t last,
                              std::int64_t levels) {
  const double cell = width * static_cast<double>(last - first + 1) / static_cast<double>(levels);
  const auto cube = [](double from, double to) { return (to * to * to - from * from * from) / 3.0; };
  const auto cell_of = [&](double x) { return std::clamp(std::floor(x / cell), 0.0, static_cast<double>(levels - 1)); };
  double sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    const double from = (static_cast<double>(i) - static_cast<double>(first)) * width;
    const double to = from + width;
    const double begin = cell_of(from);
    const double end = cell_of(to);
    const double error = cube(from - (begin + 0.5) * cell, cell / 2) + (end - begin - 1.0) * cube(-cell / 2, cell / 2) +
                         cube(-cell / 2, to - (end + 0.5) * cell);
    sum += counts[i] / width * error;
  }
  return sum;
}

// Drops bins from the side that loses more of them per 1e-5 of the values, until the error grows.
inline Range greedy_range(std::span<const double> counts, const Range& seen, std::int64_t levels) {
  const auto bins = static_cast<std::int64_t>(counts.size());
  const double width = (static_cast<double>(seen.hi) - static_cast<double>(seen.lo)) / static_cast<double>(bins);
  if (width <= 0) return seen;
  std::vector<double> cumulated(counts.size());
  std::partial_sum(counts.begin(), counts.end(), cumulated.begin());
  const double total = cumulated.back();
  const auto below = [&](std::int64_t i) { return cumulated[static_cast<std::size_t>(i)]; };
  const double step = 1e-5;
  double alpha = 0, beta = 1, least = HUGE_VAL;
  std::int64_t first = 0, last = bins - 1;
  while (alpha < beta) {
    std::int64_t left = first, right = last;
    while (left < last && below(left) < (alpha + step) * total) ++left;
    while (right > first && below(right) > (beta - step) * total) --right;
    const bool move_left = left - first > last - right;
    (move_left ? alpha : beta) += move_left ? step : -step;
    const std::int64_t next_first = move_left ? left : first;
    const std::int64_t next_last = move_left ? last : right;
    if (next_first == first && next_last == last) continue;
    const double error = histogram_error(counts, width, next_first, next_last, levels);
    if (error > least) break;
    least = error;
    first = next_first;
    last = next_last;
  }
  const auto edge = [&](std::int64_t i) {
    return std::clamp(static_cast<float>(static_cast<double>(seen.lo) + width * static_cast<double>(i)), seen.lo, seen.hi);
  };
  return {edge(first), edge(last + 1)};
}

}  // namespace detail

/// Histogram of equal bins between the smallest and largest value seen; when the range grows, counts are spread over the new
/// bins. The range is found by a greedy search for the least error. The search uses as many levels as the grid has (set_grid);
/// PyTorch always uses those of its container type, 256 for 8 bits. Kept for comparison: MseObserver finds the minimum.
/// Merging spreads counts as growing does: it keeps their sum and moves none by more than the widths of its old and its new bin.
/// Formula:   (92), (93)
/// Errors:    Errc::range if the number of bins is not 2 to 65536
/// Source:    PyTorch 2.13, torch/ao/quantization/observer.py, HistogramObserver (golden set histogram)
class HistogramObserver {
 public:
  static constexpr const char* name = "HistogramObserver";
  /// The range of a batch is not enough: observe() wants its values.
  static constexpr bool needs_values = true;
  static constexpr std::int64_t upsampling = 16;  ///< parts of a bin whose counts stay together

  HistogramObserver() : HistogramObserver(Granularity::per_tensor()) {}
  explicit HistogramObserver(const Granularity& granularity, const Grid& grid = Grid::int8(), int bins = 2048)
      : granularity_(granularity), grid_(grid), bins_(bins) {
    require(bins >= 2 && bins <= 65536, Errc::range, "{}: {} bins: must be 2 to 65536", name, bins);
  }
  /// Says how many levels the search counts with. It does not ask where zero lies.
  void set_grid(const Grid& grid, bool) { grid_ = grid; }

  /// Counts the values of one batch. Values that are NaN or infinite are counted apart, and ignored otherwise.
  /// Errors:    Errc::shape if the number of channels or groups changes, or the shape does not fit the granularity
  void observe(std::span<const float> x, const Shape& shape) {
    if (x.empty()) return;
    const std::vector<RangeScan> scans = scan_ranges(x, shape, granularity_);
    start(scans.size());
    for (std::size_t k = 0; k < scans.size(); ++k) {
      if (!scans[k].empty()) widen(k, scans[k].range);
      non_finite_ += scans[k].non_finite;
    }
    const ScaleMap map = scale_map(granularity_, shape);
    if (map.count == 1) return count_tensor(x);
    const std::int64_t period = map.inner * map.count;
    parallel_chunks(map.count, shape.elements() / map.count, [&](Chunk c) {
      for (std::int64_t row = 0; row < shape.elements(); row += period) {
        for (std::int64_t k = c.first; k < c.last; ++k) {
          add(x.data() + row + k * map.inner, map.inner, range(static_cast<std::size_t>(k)), counts(k).data());
        }
      }
    });
  }
  void observe(const Tensor<float>& x) { observe(x.span(), x.shape()); }
  void observe(std::span<const float> x) { observe(x, Shape{static_cast<std::int64_t>(x.size())}); }

  /// Whether some scale has no value yet.
  [[nodiscard]] bool empty() const {
    for (std::size_t k = 0; k < lo_.size(); ++k) {
      if (lo_[k] > hi_[k]) return true;
    }
    return lo_.empty();
  }
  /// The chosen ranges, one per scale.
  /// Errors:    Errc::state if empty
  [[nodiscard]] std::vector<Range> ranges() const {
    require(!empty(), Errc::state, "{}: nothing was observed{}; run calibration data through it first", name,
            lo_.empty() ? "" : " for some channels");
    check_state();
    std::vector<Range> result(lo_.size());
    parallel_chunks(static_cast<std::int64_t>(lo_.size()), bins_ * 16, [&](Chunk c) {
      for (std::int64_t k = c.first; k < c.last; ++k) {
        const auto i = static_cast<std::size_t>(k);
        result[i] = detail::greedy_range(histogram(k), range(i), grid_.levels());
      }
    });
    return result;
  }
  /// The counts of one scale; after the range has grown they need not be whole.
  [[nodiscard]] std::span<const double> histogram(std::int64_t scale) const {
    return std::span<const double>(counts_).subspan(static_cast<std::size_t>(scale * bins_), static_cast<std::size_t>(bins_));
  }
  [[nodiscard]] const Granularity& granularity() const { return granularity_; }
  [[nodiscard]] std::string describe() const {
    return formatted("{} {}, {} bins", name, stet::describe(granularity_), bins_);
  }
  /// How many values were NaN or infinite.
  [[nodiscard]] std::int64_t non_finite() const { return non_finite_; }

  /// Forgets everything but the options.
  void reset() { *this = HistogramObserver(granularity_, grid_, static_cast<int>(bins_)); }
  /// Takes over what another observer of the same kind has seen.
  /// Errors:    Errc::state if granularities or numbers of bins differ; Errc::shape if the numbers of scales do
  void merge(const HistogramObserver& other) {
    require(granularity_ == other.granularity_ && bins_ == other.bins_, Errc::state,
            "{}: merge needs the same granularity and number of bins", name);
    check_state();
    other.check_state();
    non_finite_ += other.non_finite_;
    if (other.lo_.empty()) return;
    start(other.lo_.size());
    for (std::size_t k = 0; k < lo_.size(); ++k) {
      if (other.lo_[k] > other.hi_[k]) continue;
      widen(k, other.range(k));
      const auto scale = static_cast<std::int64_t>(k);
      const std::vector<double> theirs = spread(other.histogram(scale), other.range(k), range(k));
      const std::span<double> mine = counts(scale);
      for (std::size_t i = 0; i < theirs.size(); ++i) mine[i] += theirs[i];
    }
  }

  /// Visits names and references of the state.
  template <class F>
  void fields(F&& f) {
    f(std::string_view("lo"), lo_);
    f(std::string_view("hi"), hi_);
    f(std::string_view("counts"), counts_);
    f(std::string_view("non_finite"), non_finite_);
  }

 private:
  [[nodiscard]] Range range(std::size_t k) const { return {lo_[k], hi_[k]}; }
  std::span<double> counts(std::int64_t scale) {
    return std::span<double>(counts_).subspan(static_cast<std::size_t>(scale * bins_), static_cast<std::size_t>(bins_));
  }
  void check_state() const {
    require(hi_.size() == lo_.size() && counts_.size() == lo_.size() * static_cast<std::size_t>(bins_), Errc::state,
            "{}: {} counts do not belong to {} scales of {} bins; was the state loaded from another?", name,
            counts_.size(), lo_.size(), bins_);
  }
  void start(std::size_t scales) {
    if (lo_.empty()) {
      lo_.assign(scales, RangeScan{}.range.lo);
      hi_.assign(scales, RangeScan{}.range.hi);
      counts_.assign(scales * static_cast<std::size_t>(bins_), 0.0);
    }
    require(lo_.size() == scales, Errc::shape, "{}: has {} scales, got {}", name, lo_.size(), scales);
    check_state();
  }
  // The bin of a value inside a range; the last one includes its upper edge. All values of a point lie in the middle.
  [[nodiscard]] std::int64_t bin(double x, const Range& r) const {
    const double lo = static_cast<double>(r.lo);
    const double hi = static_cast<double>(r.hi);
    if (lo == hi) return bins_ / 2;
    const double at = std::floor((x - lo) * static_cast<double>(bins_) / (hi - lo));
    return static_cast<std::int64_t>(std::clamp(at, 0.0, static_cast<double>(bins_ - 1)));
  }
  // Counts over one range as counts over a wider one: each part of a bin goes where its middle lies.
  [[nodiscard]] std::vector<double> spread(std::span<const double> from, const Range& old, const Range& wider) const {
    if (old == wider) return {from.begin(), from.end()};
    std::vector<double> to(from.size(), 0.0);
    const double lo = static_cast<double>(old.lo);
    const double part = (static_cast<double>(old.hi) - lo) / static_cast<double>(bins_ * upsampling);
    for (std::int64_t i = 0; i < bins_; ++i) {
      const double count = from[static_cast<std::size_t>(i)] / static_cast<double>(upsampling);
      if (count == 0) continue;
      for (std::int64_t j = 0; j < upsampling; ++j) {
        const double middle = lo + (static_cast<double>(i * upsampling + j) + 0.5) * part;
        to[static_cast<std::size_t>(bin(middle, wider))] += count;
      }
    }
    return to;
  }
  void widen(std::size_t k, const Range& more) {
    const Range old = range(k);
    const Range now = unite(old, more);
    lo_[k] = now.lo;
    hi_[k] = now.hi;
    if (old.lo > old.hi || old == now) return;
    const std::span<double> mine = counts(static_cast<std::int64_t>(k));
    const std::vector<double> wider = spread(mine, old, now);
    std::copy(wider.begin(), wider.end(), mine.begin());
  }
  void count_tensor(std::span<const float> x) {
    const auto n = static_cast<std::int64_t>(x.size());
    const std::int64_t chunks = chunk_count(n, 1);
    std::vector<double> parts(static_cast<std::size_t>(chunks * bins_));
    parallel(chunks, [&](std::int64_t i) {
      const Chunk c = chunk_of(n, chunks, i);
      add(x.data() + c.first, c.size(), range(0), parts.data() + i * bins_);
    });
    double* mine = counts_.data();
    for (std::int64_t i = 0; i < chunks; ++i) {
      const double* part = parts.data() + i * bins_;
      lanes(bins_, [=](std::int64_t b) { mine[b] += part[b]; });
    }
  }
  void add(const float* x, std::int64_t n, const Range& r, double* to) const {
    for (std::int64_t i = 0; i < n; ++i) {
      if (detail::is_finite_bits(x[i])) to[bin(static_cast<double>(x[i]), r)] += 1.0;
    }
  }

  Granularity granularity_;
  Grid grid_;
  std::int64_t bins_;
  std::vector<float> lo_, hi_;
  std::vector<double> counts_;
  std::int64_t non_finite_ = 0;
};

}  // namespace stet
