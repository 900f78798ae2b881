#pragma once
// Batches: which images make up which step of an epoch, or of a pass that only looks at the data.

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
  std::int64_t images = 0; ///< no more than so many, the first of the order: shuffled, a sample of the whole set; 0: all
  bool even = false;       ///< steps whose sizes differ by one at most, so that all weigh alike; nothing is left out
};

/// Numbers 0 .. n-1 in the order of one epoch: depends on n, seed and epoch alone, not on earlier epochs.
inline std::vector<std::int64_t> shuffled_order(std::int64_t n, std::uint64_t seed, std::uint64_t epoch) {
  require(n >= 0, Errc::range, "shuffled_order: n is {}, must not be negative", n);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  Rng(seed).split(epoch).shuffle(std::span<std::int64_t>(order));
  return order;
}

/// Number of steps of one epoch of a data set of so many samples.
/// Errors:    Errc::range if there are no samples, the batch size is below 1, the number of images is negative, or
///            drop_last leaves nothing
inline std::int64_t steps_per_epoch(std::int64_t samples, const BatchOptions& options) {
  require(samples >= 1, Errc::range, "Batches: {} samples, need at least 1", samples);
  require(options.size >= 1, Errc::range, "Batches: batch size is {}, must be at least 1", options.size);
  require(options.images >= 0, Errc::range, "Batches: {} images, must not be negative; 0 is all", options.images);
  const std::int64_t used = options.images > 0 && options.images < samples ? options.images : samples;
  const bool drop = options.drop_last && !options.even;
  require(!drop || used >= options.size, Errc::range,
          "Batches: {} samples do not fill one batch of {}, and drop_last is set; take smaller batches", used,
          options.size);
  return drop ? used / options.size : (used - 1) / options.size + 1;
}

/// The steps of one epoch, each a list of positions in the data set.
class Batches {
 public:
  /// Errors:    as steps_per_epoch
  Batches(std::int64_t samples, const BatchOptions& options, std::uint64_t epoch)
      : size_(options.size), count_(steps_per_epoch(samples, options)), even_(options.even) {
    if (options.shuffle) {
      order_ = shuffled_order(samples, options.seed, epoch);
    } else {
      order_.resize(static_cast<std::size_t>(samples));
      std::iota(order_.begin(), order_.end(), std::int64_t{0});
    }
    if (options.images > 0 && options.images < samples) order_.resize(static_cast<std::size_t>(options.images));
  }

  /// Number of steps.
  [[nodiscard]] std::int64_t size() const { return count_; }
  /// Number of images in use; the last of them may be in no step with drop_last.
  [[nodiscard]] std::int64_t images() const { return static_cast<std::int64_t>(order_.size()); }
  /// Positions of step i.
  [[nodiscard]] std::span<const std::int64_t> operator[](std::int64_t i) const {
    require(i >= 0 && i < count_, Errc::range, "Batches: step {} of {} does not exist", i, count_);
    const std::int64_t first = start(i), last = start(i + 1);
    return std::span(order_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first));
  }

 private:
  // Where step i begins; the longer ones of even steps come first.
  [[nodiscard]] std::int64_t start(std::int64_t i) const {
    if (!even_) return i * size_ < images() ? i * size_ : images();
    const std::int64_t longer = images() % count_;
    return i * (images() / count_) + (i < longer ? i : longer);
  }

  std::vector<std::int64_t> order_;
  std::int64_t size_ = 1, count_ = 0;
  bool even_ = false;
};

}  // namespace stet
