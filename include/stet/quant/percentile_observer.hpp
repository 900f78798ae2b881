#pragma once
// PercentileObserver: the range between two quantiles of all values.

#include <stet/quant/value_observer.hpp>

#include <cmath>

namespace stet {

namespace detail {

// The value below which this many of the counted values lie, spread evenly over their bins.
inline float quantile(const HistogramView& h, double rank) {
  double below = 0;
  for (std::int64_t i = 0; i < h.bins; ++i) {
    const auto count = static_cast<double>(h.count(i));
    if (count > 0 && below + count >= rank) {
      const double part = rank > below ? (rank - below) / count : 0.0;
      const double x = h.lower(i) + (h.upper(i) - h.lower(i)) * part;
      return std::fmin(std::fmax(static_cast<float>(x), h.range.lo), h.range.hi);
    }
    below += count;
  }
  return h.range.hi;
}

}  // namespace detail

/// Range that leaves out the same share of the values at either end. Usual percentiles are 99.999 (Brevitas, the default
/// here) and 99.99 (NVIDIA's calibrator, which takes it of absolute values). Exact to the width of a bin.
/// Formula:   (89)
/// Errors:    Errc::range if the percentile is not in (50, 100] or the number of bins is not a power of two from 16 to
///            65536
/// Source:    Brevitas, core/stats; NVIDIA pytorch-quantization, calib/histogram
class PercentileObserver : public ValueObserver<PercentileObserver> {
 public:
  static constexpr const char* name = "PercentileObserver";
  PercentileObserver() : PercentileObserver(Granularity::per_tensor()) {}
  explicit PercentileObserver(const Granularity& granularity, double percentile = 99.999,
                              int bins = Histogram::default_bins)
      : ValueObserver(granularity, bins), percentile_(percentile) {
    require(percentile > 50.0 && percentile <= 100.0, Errc::range, "{}: percentile {} must be in (50, 100]", name,
            percentile);
  }
  [[nodiscard]] double percentile() const { return percentile_; }

 private:
  friend class ValueObserver<PercentileObserver>;
  [[nodiscard]] Range choose(const HistogramView& h) const {
    const auto total = static_cast<double>(h.total());
    const double left_out = total * (1.0 - percentile_ / 100.0);
    return {detail::quantile(h, left_out), detail::quantile(h, total - left_out)};
  }

  double percentile_;
};

}  // namespace stet
