#pragma once
// The scale and zero point with the smallest mean squared error, over any source of partial sums of the values.

#include <stet/quant/choose_qparams.hpp>
#include <stet/quant/histogram.hpp>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace stet {

/// Sums over the values below a limit: how many there are, their sum, their sum of squares.
struct PowerSums {
  double count = 0, sum = 0, squares = 0;
};

/// PowerSums of sorted values, exact up to rounding.
class SortedMoments {
 public:
  /// Errors:    Errc::range if a value is NaN or infinite; Errc::state if there is none
  explicit SortedMoments(std::span<const float> values) : values_(values.begin(), values.end()) {
    range_ = min_max(values);
    std::sort(values_.begin(), values_.end());
    below_.resize(values_.size() + 1);
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const auto v = static_cast<double>(values_[i]);
      below_[i + 1] = {below_[i].count + 1, below_[i].sum + v, below_[i].squares + v * v};
    }
  }
  [[nodiscard]] const Range& range() const { return range_; }
  [[nodiscard]] PowerSums below(double limit) const {
    const auto end = std::lower_bound(values_.begin(), values_.end(), limit,
                                      [](float v, double t) { return static_cast<double>(v) < t; });
    return below_[static_cast<std::size_t>(end - values_.begin())];
  }

 private:
  std::vector<float> values_;
  std::vector<PowerSums> below_;
  Range range_;
};

/// PowerSums of a histogram whose values are spread evenly over their bins; those that are exactly 0 are left out, they
/// are codes of every grid.
/// Formula:   (86)
class HistogramMoments {
 public:
  explicit HistogramMoments(const HistogramView& h) : h_(h) {
    below_.resize(static_cast<std::size_t>(h.bins) + 1);
    for (std::int64_t i = 0; i < h.bins; ++i) {
      const PowerSums bin = part(i, h.upper(i));
      const PowerSums& m = below_[static_cast<std::size_t>(i)];
      below_[static_cast<std::size_t>(i) + 1] = {m.count + bin.count, m.sum + bin.sum, m.squares + bin.squares};
    }
  }
  [[nodiscard]] const Range& range() const { return h_.range; }
  [[nodiscard]] PowerSums below(double limit) const {
    if (limit <= static_cast<double>(h_.range.lo)) return {};
    if (limit > static_cast<double>(h_.range.hi)) return below_.back();
    const std::int64_t i = static_cast<std::int64_t>(std::floor(limit / h_.width)) - h_.first;
    const PowerSums bin = part(i, limit);
    const PowerSums& m = below_[static_cast<std::size_t>(i)];
    return {m.count + bin.count, m.sum + bin.sum, m.squares + bin.squares};
  }

 private:
  // What bin i has below a limit inside it.
  [[nodiscard]] PowerSums part(std::int64_t i, double limit) const {
    const double a = h_.lower(i);
    const double b = h_.upper(i);
    const bool holds_zeros = h_.first + i == 0;
    const auto n = static_cast<double>(h_.count(i) - (holds_zeros ? h_.zeros : 0));
    const double count = b > a ? n * (limit - a) / (b - a) : n;
    return {count, count * (a + limit) / 2.0, count * (a * a + a * limit + limit * limit) / 3.0};
  }

  HistogramView h_;
  std::vector<PowerSums> below_;
};

namespace detail {

// Squared error of the values between two limits when all become `centre`.
inline double squared_error(const PowerSums& from, const PowerSums& to, double centre) {
  const double count = to.count - from.count;
  const double sum = to.sum - from.sum;
  const double error = (to.squares - from.squares) - centre * (2.0 * sum - centre * count);
  return error > 0.0 ? error : 0.0;  // rounding may leave a little less than nothing
}

// Finds, for one scale, the zero point of the smallest error, unless one is given. With the scale fixed all grids share
// their cells: moving the zero point moves only where values begin to be clipped, so one pass over the cells serves all.
class ZeroPointSearch {
 public:
  struct Best {
    double error;             ///< sum of squares
    std::int32_t zero_point;  ///< that gives it
    double clipped;           ///< the least that any zero point loses to clipping; more still with a finer scale
  };
  ZeroPointSearch(const Grid& grid, std::optional<std::int32_t> given) : grid_(grid), given_(given) {}

  template <class Source>
  Best at(const Source& source, double scale) {
    // Cells in use, counted from the cell around zero; none beyond what a grid with zero on it can reach.
    const std::int64_t steps = grid_.hi - grid_.lo;
    const auto cell = [&](float x, double least, double most) {
      return static_cast<std::int64_t>(std::clamp(round_half_even(static_cast<double>(x) / scale), least, most));
    };
    const std::int64_t lowest = given_ ? grid_.lo - *given_ : -steps;
    const std::int64_t highest = given_ ? grid_.hi - *given_ : steps;
    const std::int64_t low = cell(source.range().lo, static_cast<double>(lowest), 0.0);
    const std::int64_t high = cell(source.range().hi, 0.0, static_cast<double>(highest));
    const auto cells = static_cast<std::size_t>(high - low + 1);
    edges_.resize(cells + 1);  // edges_[c]: below cell c
    inner_.resize(cells + 1);  // errors of the cells below c, none clipped
    const PowerSums all = source.below(HUGE_VAL);
    const auto centre = [&](std::size_t c) { return scale * static_cast<double>(low + static_cast<std::int64_t>(c)); };
    inner_[0] = 0.0;
    for (std::size_t c = 0; c <= cells; ++c) {
      edges_[c] = source.below(scale * (static_cast<double>(low + static_cast<std::int64_t>(c)) - 0.5));
      if (c > 0) inner_[c] = inner_[c - 1] + squared_error(edges_[c - 1], edges_[c], centre(c - 1));
    }
    // Error when the grid covers the cells first..last: the outer two take all values beyond them.
    const auto error = [&](std::size_t first, std::size_t last) {
      if (first == last) return squared_error({}, all, centre(first));
      return squared_error({}, edges_[first + 1], centre(first)) + (inner_[last] - inner_[first + 1]) +
             squared_error(edges_[last], all, centre(last));
    };
    const auto clipped = [&](std::size_t first, std::size_t last) {
      return squared_error({}, edges_[first], centre(first)) + squared_error(edges_[last + 1], all, centre(last));
    };
    if (given_ || high - low <= steps) {
      return {error(0, cells - 1), given_.value_or(static_cast<std::int32_t>(grid_.lo - low)), clipped(0, cells - 1)};
    }
    Best best{HUGE_VAL, grid_.lo, HUGE_VAL};
    for (std::int64_t first = low; first <= 0 && first + steps <= high; ++first) {
      const auto begin = static_cast<std::size_t>(first - low);
      const auto end = begin + static_cast<std::size_t>(steps);
      const double e = error(begin, end);
      best.clipped = std::min(best.clipped, clipped(begin, end));
      if (e < best.error) {
        best.error = e;
        best.zero_point = static_cast<std::int32_t>(grid_.lo - first);
      }
    }
    return best;
  }

 private:
  Grid grid_;
  std::optional<std::int32_t> given_;
  std::vector<PowerSums> edges_;
  std::vector<double> inner_;
};

}  // namespace detail

/// A scale and a zero point.
struct MseGrid {
  double scale;
  std::int32_t zero_point;
};

/// Searches the scale, and the zero point unless one is given, of the smallest mean squared error. Values on one side of
/// zero need a search over the scale only; for others every zero point is tried with every scale. Scales are tried in
/// equal steps of their logarithm, from twice the one that clips nothing down to where clipping alone costs more than the
/// best so far; then around the best in rounds, each eight times finer.
/// For values that are finely spread over the grid the error is a smooth function of the scale and the result its
/// minimum; for few values it has many minima, of which the lowest is found as far as the steps show it.
/// Formula:   (87), (88); scale 1 if all values are 0, or are on a side of zero on which the grid has no codes
/// Errors:    Errc::range if per_octave is not positive or the zero point lies outside the grid
/// Source:    Krishnamoorthi 2018, arXiv 1806.08342; search over range and skew: Nagel et al. 2022, arXiv 2203.11086
/// @param source      SortedMoments, HistogramMoments or another type with range() and below(limit)
/// @param per_octave  scales tried in each factor of two
/// @param smallest    least scale that is tried
template <class Source>
MseGrid search_mse_grid(const Source& source, const Grid& grid, std::optional<std::int32_t> zero_point, int per_octave,
                        double smallest) {
  require(per_octave > 0, Errc::range, "search_mse_grid: {} scales per octave: must be positive", per_octave);
  require(!zero_point || grid.contains(*zero_point), Errc::range, "search_mse_grid: zero point {} outside the grid {}..{}",
          zero_point.value_or(0), grid.lo, grid.hi);
  const Range seen = unite(source.range(), Range{0.0f, 0.0f});
  const double below = -static_cast<double>(seen.lo), above = static_cast<double>(seen.hi);
  const double steps = grid.hi - grid.lo;
  // The coarsest scale at which some zero point clips nothing.
  double full = 0;
  if (zero_point) {
    if (*zero_point > grid.lo) full = below / (*zero_point - grid.lo);
    if (*zero_point < grid.hi) full = std::max(full, above / (grid.hi - *zero_point));
  } else {
    const bool one_sided = below == 0.0 || above == 0.0;
    full = (above + below) / (one_sided || steps < 2 ? steps : steps - 1);
  }
  if (full == 0.0) return {1.0, zero_point.value_or(grid.lo)};
  const double limit = 0.999 * static_cast<double>(FLT_MAX) / steps;  // the width of the range is a float
  full = std::clamp(full, smallest, limit);
  detail::ZeroPointSearch search(grid, zero_point);
  double best_scale = full;
  detail::ZeroPointSearch::Best best = search.at(source, full);
  const auto attempt = [&](double scale) {
    if (scale < smallest || scale > limit) return true;
    const detail::ZeroPointSearch::Best found = search.at(source, scale);
    if (found.error < best.error) {
      best = found;
      best_scale = scale;
    }
    return found.clipped <= best.error;
  };
  const auto at_step = [&](int i) { return full * std::exp2(-static_cast<double>(i) / per_octave); };
  for (int i = -per_octave; at_step(i) >= smallest && attempt(at_step(i)); ++i) {
  }
  for (double octaves = 0.125 / per_octave; octaves > 1e-4; octaves /= 8) {
    const double middle = best_scale;
    for (int i = -7; i <= 7; ++i) {
      if (i != 0) attempt(middle * std::exp2(i * octaves));
    }
  }
  return {best_scale, best.zero_point};
}

/// The same as a range, from which choose_qparams with the same grid makes that scale and zero point.
/// Formula:   n and p the ends of the grid: (n - z)s ... (p - z)s; symmetric: ± s(p - n)/2; 0 ... 0 if all values are 0
/// Errors:    Errc::range if per_octave is not positive
template <class Source>
Range search_mse_range(const Source& source, const Grid& grid, bool symmetric, int per_octave = 8) {
  if (unite(source.range(), Range{0.0f, 0.0f}).absmax() == 0.0f) return {0.0f, 0.0f};
  const auto given = symmetric ? std::optional(symmetric_zero_point(grid)) : std::nullopt;
  const MseGrid best =
      search_mse_grid(source, grid, given, per_octave, static_cast<double>(QParamsOptions{}.eps));
  const auto scale = static_cast<float>(best.scale);
  if (symmetric) {
    const float half = scale * (static_cast<float>(grid.hi - grid.lo) / 2.0f);
    return {-half, half};
  }
  return {static_cast<float>(grid.lo - best.zero_point) * scale, static_cast<float>(grid.hi - best.zero_point) * scale};
}

}  // namespace stet
