#pragma once
// PercentileObserver: the range between two quantiles of all values.

#include <stet/quant/value_observer.hpp>

#include <algorithm>
#include <cstdint>

namespace stet {

namespace detail {

// The k-th smallest of the counted values, k from 1, when those of a bin are spread evenly over it.
inline float kth_smallest(const HistogramView& h, std::int64_t k, std::int64_t total) {
  if (k <= 1) return h.range.lo;
  if (k >= total) return h.range.hi;
  std::int64_t i = 0;
  std::int64_t below = 0;
  for (; below + h.count(i) < k; ++i) below += h.count(i);
  const double part = (static_cast<double>(k - below) - 0.5) / static_cast<double>(h.count(i));
  const auto x = static_cast<float>(h.lower(i) + (h.upper(i) - h.lower(i)) * part);
  return std::clamp(x, h.range.lo, h.range.hi);
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
  [[nodiscard]] std::string describe() const {
    return formatted("{}, percentile {}", ValueObserver::describe(), percentile_);
  }

 private:
  friend class ValueObserver<PercentileObserver>;
  [[nodiscard]] Range choose(const HistogramView& h) const {
    const std::int64_t total = h.total();
    const auto rank = [&](double percent) {
      return static_cast<std::int64_t>(percent / 100.0 * static_cast<double>(total) + 0.5);
    };
    return {detail::kth_smallest(h, rank(100.0 - percentile_), total), detail::kth_smallest(h, rank(percentile_), total)};
  }

  double percentile_;
};

}  // namespace stet
