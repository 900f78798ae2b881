#pragma once
// Batches: which images make up which step of an epoch.

#include <stet/core/error.hpp>
#include <stet/core/random.hpp>

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace stet {

/// How an epoch is cut into steps.
struct BatchOptions {
  std::int64_t size = 128;
  bool shuffle = true;
  bool drop_last = false;  ///< leave out a last batch that is not full
  std::uint64_t seed = 1;  ///< of the order
};

/// Numbers 0 .. n-1 in the order of one epoch: depends on n, seed and epoch alone, not on earlier epochs.
inline std::vector<std::int64_t> shuffled_order(std::int64_t n, std::uint64_t seed, std::uint64_t epoch) {
  require(n >= 0, Errc::range, "shuffled_order: n is {}, must not be negative", n);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  Rng(seed).split(epoch).shuffle(std::span<std::int64_t>(order));
  return order;
}

/// The steps of one epoch, each a list of positions in the data set.
class Batches {
 public:
  /// Errors:    Errc::range if there are no samples, the batch size is below 1, or drop_last leaves nothing
  Batches(std::int64_t samples, const BatchOptions& options, std::uint64_t epoch) : batch_(options.size) {
    require(samples >= 1, Errc::range, "Batches: {} samples, need at least 1", samples);
    require(batch_ >= 1, Errc::range, "Batches: batch size is {}, must be at least 1", batch_);
    require(!options.drop_last || samples >= batch_, Errc::range,
            "Batches: {} samples do not fill one batch of {}, and drop_last is set", samples, batch_);
    if (options.shuffle) {
      order_ = shuffled_order(samples, options.seed, epoch);
    } else {
      order_.resize(static_cast<std::size_t>(samples));
      std::iota(order_.begin(), order_.end(), std::int64_t{0});
    }
    count_ = options.drop_last ? samples / batch_ : (samples + batch_ - 1) / batch_;
  }

  /// Number of steps.
  [[nodiscard]] std::int64_t size() const { return count_; }
  /// Positions of step i.
  [[nodiscard]] std::span<const std::int64_t> operator[](std::int64_t i) const {
    require(i >= 0 && i < count_, Errc::range, "Batches: step {} of {} does not exist", i, count_);
    const std::int64_t first = i * batch_;
    const auto samples = static_cast<std::int64_t>(order_.size());
    const std::int64_t last = first + batch_ < samples ? first + batch_ : samples;
    return std::span(order_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first));
  }

 private:
  std::vector<std::int64_t> order_;
  std::int64_t batch_ = 1, count_ = 0;
};

}  // namespace stet
