#pragma once
// Per-channel coefficients laid out so that a flat loop over [rows, channels] in blocks of lane_count can use them.

#include <stet/core/lanes.hpp>

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace stet {

/// Channel counts seldom divide the lane count. Over `period` = lcm(channels, lane_count) elements the channel of
/// element i repeats, so a coefficient vector of that length (plus one block, for starts inside a period) turns a
/// per-channel loop into a flat one.
class ChannelPattern {
 public:
  explicit ChannelPattern(std::int64_t channels)
      : channels_(channels), period_(std::lcm(channels, std::int64_t{lane_count})) {}

  [[nodiscard]] std::int64_t channels() const { return channels_; }
  [[nodiscard]] std::int64_t period() const { return period_; }
  /// Entries of an expanded vector.
  [[nodiscard]] std::int64_t size() const { return period_ + lane_count; }

  /// One value per channel -> one per element of the period.
  template <class T>
  [[nodiscard]] std::vector<T> expand(std::span<const T> values) const {
    std::vector<T> out(static_cast<std::size_t>(size()));
    for (std::int64_t i = 0; i < size(); ++i) out[static_cast<std::size_t>(i)] = values[static_cast<std::size_t>(i % channels_)];
    return out;
  }
  template <class T>
  [[nodiscard]] std::vector<T> expand(const std::vector<T>& values) const {
    return expand(std::span<const T>(values));
  }
  /// Combines the entries of an expanded vector back to one per channel, in order.
  template <class T, class U, class Combine>
  void collect(const std::vector<T>& expanded, std::vector<U>& channels, Combine combine) const {
    for (std::int64_t i = 0; i < size(); ++i) {
      U& to = channels[static_cast<std::size_t>(i % channels_)];
      to = combine(to, expanded[static_cast<std::size_t>(i)]);
    }
  }
  /// Calls block(first element, pattern offset, count) for blocks of at most lane_count elements of [first, last).
  template <class F>
  [[gnu::always_inline]] inline void blocks(std::int64_t first, std::int64_t last, F&& block) const {
    std::int64_t offset = first % period_;
    for (std::int64_t i = first; i < last; i += lane_count) {
      block(i, offset, last - i < lane_count ? last - i : std::int64_t{lane_count});
      offset += lane_count;
      if (offset >= period_) offset -= period_;
    }
  }

 private:
  std::int64_t channels_, period_;
};

/// Calls f(j) for j in [0, count), with a constant trip count when the block is full.
template <class F>
[[gnu::always_inline]] inline void block_lanes(std::int64_t count, F&& f) {
  if (count == lane_count) [[likely]] {
#if defined(__clang__)
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#endif
    for (int j = 0; j < lane_count; ++j) f(j);
  } else {
    for (int j = 0; j < static_cast<int>(count); ++j) f(j);
  }
}

}  // namespace stet
