#pragma once
// Statistics of integer accumulators per channel: what live batch norm and the observers need, without a float copy.

#include <stet/autograd/batch_parts.hpp>
#include <stet/core/channel_pattern.hpp>
#include <stet/core/tensor.hpp>
#include <stet/core/vectorized.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

namespace stet {

/// Sums over all rows of int32 accumulators [rows, channels], one entry per channel.
struct AccumulatorStatistics {
  std::int64_t rows = 0;
  std::vector<std::int64_t> sum;
  std::vector<double> squares;
  std::vector<std::int32_t> lowest, highest;

  explicit AccumulatorStatistics(std::int64_t channels)
      : sum(static_cast<std::size_t>(channels), 0),
        squares(static_cast<std::size_t>(channels), 0.0),
        lowest(static_cast<std::size_t>(channels), std::numeric_limits<std::int32_t>::max()),
        highest(static_cast<std::size_t>(channels), std::numeric_limits<std::int32_t>::lowest()) {}

  [[nodiscard]] double mean(std::size_t c) const { return static_cast<double>(sum[c]) / static_cast<double>(rows); }
  /// Biased variance; never negative.
  [[nodiscard]] double variance(std::size_t c) const {
    const double m = mean(c);
    return std::max(squares[c] / static_cast<double>(rows) - m * m, 0.0);
  }
  /// Makes them those of all parts of a batch.
  void combine(BatchParts& parts) {
    const std::size_t channels = sum.size();
    std::vector<double> sums(2 * channels + 1), ends(2 * channels);
    for (std::size_t c = 0; c < channels; ++c) {
      sums[c] = static_cast<double>(sum[c]);
      sums[channels + c] = squares[c];
      ends[c] = -static_cast<double>(lowest[c]);
      ends[channels + c] = static_cast<double>(highest[c]);
    }
    sums.back() = static_cast<double>(rows);
    parts.combine(sums, ends);
    for (std::size_t c = 0; c < channels; ++c) {
      sum[c] = static_cast<std::int64_t>(sums[c]);
      squares[c] = sums[channels + c];
      lowest[c] = static_cast<std::int32_t>(-ends[c]);
      highest[c] = static_cast<std::int32_t>(ends[channels + c]);
    }
    rows = static_cast<std::int64_t>(sums.back());
  }
};

/// Collects tiles that arrive in any order from any thread; the result does not depend on that order, because sums are
/// integers and the squares of a tile are added in the order of its first row.
class AccumulatorCollector {
 public:
  explicit AccumulatorCollector(std::int64_t channels) : pattern_(channels) {}

  /// Takes rows of accumulators, `stride` apart, the first of which is first_row.
  void add(std::int64_t first_row, std::int64_t rows, const std::int32_t* acc, std::int64_t stride) {
    const std::int64_t channels = pattern_.channels();
    if (stride != channels) {
      Tensor<std::int32_t> dense(Shape{rows, channels});
      std::int32_t* to = dense.edit().data();
      for (std::int64_t r = 0; r < rows; ++r) std::copy_n(acc + r * stride, channels, to + r * channels);
      add(first_row, rows, dense.data(), channels);
      return;
    }
    const auto size = static_cast<std::size_t>(pattern_.size());
    std::vector<std::int64_t> sum(size, 0);
    std::vector<double> squares(size, 0.0);
    std::vector<std::int32_t> lowest(size, std::numeric_limits<std::int32_t>::max());
    std::vector<std::int32_t> highest(size, std::numeric_limits<std::int32_t>::lowest());
    vectorized([&] { pattern_.blocks(0, rows * channels, [&](std::int64_t i, std::int64_t o, std::int64_t count) STET_ALWAYS_INLINE {
      const std::int32_t* a = acc + i;
      std::int64_t* s = sum.data() + o;
      double* q = squares.data() + o;
      std::int32_t* lo = lowest.data() + o;
      std::int32_t* hi = highest.data() + o;
      block_lanes(count, [&](int j) { s[j] += a[j]; });
      block_lanes(count, [&](int j) {
        const double v = a[j];
        q[j] += v * v;
      });
      block_lanes(count, [&](int j) { lo[j] = a[j] < lo[j] ? a[j] : lo[j]; });
      block_lanes(count, [&](int j) { hi[j] = a[j] > hi[j] ? a[j] : hi[j]; });
    }); });
    AccumulatorStatistics tile(channels);
    tile.rows = rows;
    pattern_.collect(sum, tile.sum, [](std::int64_t x, std::int64_t y) { return x + y; });
    pattern_.collect(squares, tile.squares, [](double x, double y) { return x + y; });
    pattern_.collect(lowest, tile.lowest, [](std::int32_t x, std::int32_t y) { return std::min(x, y); });
    pattern_.collect(highest, tile.highest, [](std::int32_t x, std::int32_t y) { return std::max(x, y); });
    const std::lock_guard lock(mutex_);
    tiles_.emplace_back(first_row, std::move(tile));
  }

  [[nodiscard]] AccumulatorStatistics finish() {
    std::sort(tiles_.begin(), tiles_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    AccumulatorStatistics all(pattern_.channels());
    for (const auto& [first, tile] : tiles_) {
      all.rows += tile.rows;
      for (std::size_t c = 0; c < all.sum.size(); ++c) {
        all.sum[c] += tile.sum[c];
        all.squares[c] += tile.squares[c];
        all.lowest[c] = std::min(all.lowest[c], tile.lowest[c]);
        all.highest[c] = std::max(all.highest[c], tile.highest[c]);
      }
    }
    return all;
  }

 private:
  ChannelPattern pattern_;
  std::mutex mutex_;
  std::vector<std::pair<std::int64_t, AccumulatorStatistics>> tiles_;
};

}  // namespace stet
