#pragma once
// EntropyObserver: the range whose quantized distribution diverges least from the observed one.

#include <stet/quant/grid.hpp>
#include <stet/quant/value_observer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace stet {

namespace detail {

// Counts of absolute values in at most `bins` bins that begin at 0. Edges of a Histogram are symmetric about 0, so
// folding it moves no value to another bin.
struct MagnitudeCounts {
  std::vector<double> count;
  double width;
};
inline MagnitudeCounts fold_magnitudes(const HistogramView& h, std::int64_t bins) {
  const auto magnitude = [&](std::int64_t i) { return h.first + i >= 0 ? h.first + i : -(h.first + i) - 1; };
  const std::int64_t largest = std::max(magnitude(0), magnitude(h.bins - 1));
  int shift = 0;
  while (largest >> shift >= bins) ++shift;
  MagnitudeCounts m{std::vector<double>(static_cast<std::size_t>((largest >> shift) + 1)), std::ldexp(h.width, shift)};
  for (std::int64_t i = 0; i < h.bins; ++i) {
    m.count[static_cast<std::size_t>(magnitude(i) >> shift)] += static_cast<double>(h.count(i));
  }
  return m;
}

// The number of bins, at least `start`, where clipping makes the quantized distribution closest to the observed one; the
// largest of them if several are. All bins if there are not so many, or nothing to compare.
inline std::size_t least_divergence(std::vector<double> count, std::size_t levels, std::size_t start) {
  const std::size_t n = count.size();
  if (n <= start) return n;
  count[0] = count[1];  // so that many zeros do not decide
  std::vector<double> below(n + 1), used(n + 1), entropy(n + 1);  // sums over the bins before
  for (std::size_t i = 0; i < n; ++i) {
    below[i + 1] = below[i] + count[i];
    used[i + 1] = used[i] + (count[i] > 0 ? 1 : 0);
    entropy[i + 1] = entropy[i] + (count[i] > 0 ? count[i] * std::log(count[i]) : 0.0);
  }
  const double total = below[n];
  std::size_t best = n;
  double least = HUGE_VAL;
  for (std::size_t i = start; i <= n; ++i) {
    // P: the first i bins, the last of them with all that is clipped; Q: each level's counts spread over its bins in use.
    const double clipped = total - below[i];
    const double last = count[i - 1] + clipped;
    if (count[i - 1] == 0 && clipped > 0) continue;  // Q is 0 where P is not: infinitely far apart
    double divergence = entropy[i - 1] + (last > 0 ? last * std::log(last) : 0.0) - total * std::log(total / below[i]);
    std::size_t first = 0;
    for (std::size_t level = 0; level < levels && first < i; ++level) {
      const std::size_t end = ((level + 1) * i + levels - 1) / levels;
      const double sum = below[end] - below[first];
      if (sum > 0) {
        divergence -= (sum + (end == i ? clipped : 0.0)) * std::log(sum / (used[end] - used[first]));
      }
      first = end;
    }
    if (divergence <= least) {
      least = divergence;
      best = i;
    }
  }
  return best;
}

}  // namespace detail

/// Range of absolute values with the smallest Kullback–Leibler divergence between what was observed, clipped, and what the
/// grid makes of it. Made for 8 bits and distributions like those of activations; with fewer bits it clips far too much
/// (docs/observers.md). The range reaches no further than the values seen.
/// Formula:   (90)
/// Errors:    Errc::range if the number of bins is not a power of two from 16 to 65536
/// Source:    Migacz 2017, 8-bit inference with TensorRT; NVIDIA pytorch-quantization, calib/histogram
class EntropyObserver : public ValueObserver<EntropyObserver> {
 public:
  static constexpr const char* name = "EntropyObserver";
  static constexpr std::int64_t magnitude_bins = 2048;  ///< of absolute values
  static constexpr std::size_t first_candidate = 128;   ///< the narrowest range, in these bins

  EntropyObserver() : EntropyObserver(Granularity::per_tensor()) {}
  explicit EntropyObserver(const Granularity& granularity, const Grid& grid = Grid::int8(), bool symmetric = false,
                           int bins = 2 * magnitude_bins)
      : ValueObserver(granularity, bins), grid_(grid), symmetric_(symmetric) {}

  /// Says for which codes the range is chosen, and whether the zero point is fixed.
  void set_grid(const Grid& grid, bool symmetric) {
    grid_ = grid;
    symmetric_ = symmetric;
  }

 private:
  friend class ValueObserver<EntropyObserver>;
  [[nodiscard]] Range choose(const HistogramView& h) const {
    const detail::MagnitudeCounts m = detail::fold_magnitudes(h, magnitude_bins);
    // One-sided values have all codes for their magnitudes, others half of them.
    const bool one_sided = !symmetric_ && (h.range.lo >= 0.0f || h.range.hi <= 0.0f);
    const std::int32_t levels = one_sided ? grid_.levels() : (grid_.levels() + 1) / 2;
    const std::size_t bins = detail::least_divergence(m.count, static_cast<std::size_t>(levels), first_candidate);
    const auto most = static_cast<float>(static_cast<double>(bins) * m.width);
    return {std::clamp(-most, h.range.lo, h.range.hi), std::clamp(most, h.range.lo, h.range.hi)};
  }

  Grid grid_;
  bool symmetric_;
};

}  // namespace stet
