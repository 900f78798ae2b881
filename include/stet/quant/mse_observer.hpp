#pragma once
// MseObserver: the range of the smallest mean squared error over all batches.

#include <stet/quant/mse_search.hpp>
#include <stet/quant/value_observer.hpp>

namespace stet {

/// Range whose grid has the smallest mean squared error on everything seen, clipping included. Which grid that is,
/// set_grid says; it may be changed at any time. The error is that of the histogram's bins: the values in a bin count as
/// spread evenly over it, zeros as exact.
/// Formula:   (86)–(88)
/// Errors:    Errc::range if the number of bins is not a power of two from 16 to 65536
/// Source:    Krishnamoorthi 2018, arXiv 1806.08342; Nagel et al. 2022, arXiv 2203.11086
class MseObserver : public ValueObserver<MseObserver> {
 public:
  static constexpr const char* name = "MseObserver";
  MseObserver() : MseObserver(Granularity::per_tensor()) {}
  explicit MseObserver(const Granularity& granularity, const Grid& grid = Grid::int8(), bool symmetric = false,
                       int bins = Histogram::default_bins)
      : ValueObserver(granularity, bins), grid_(grid), symmetric_(symmetric) {}

  /// Says for which codes the range is chosen, and whether the zero point is fixed.
  void set_grid(const Grid& grid, bool symmetric) {
    grid_ = grid;
    symmetric_ = symmetric;
  }
  [[nodiscard]] const Grid& grid() const { return grid_; }
  [[nodiscard]] bool symmetric() const { return symmetric_; }

 private:
  friend class ValueObserver<MseObserver>;
  [[nodiscard]] Range choose(const HistogramView& h) const {
    return search_mse_range(HistogramMoments(h), grid_, symmetric_);
  }

  Grid grid_;
  bool symmetric_;
};

}  // namespace stet
