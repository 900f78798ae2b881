#pragma once
// Per-channel arithmetic on [rows, channels] as flat loops: parameters are repeated until their count is a multiple of
// the lane count, so that the loops vectorize for any number of channels.

#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>

#include <cstdint>
#include <numeric>

namespace stet::detail {

/// Cuts the elements of a [rows, channels] tensor into periods; element e belongs to channel e % channels and to
/// position e % period of the pattern.
struct ChannelPattern {
  std::int64_t channels, size, period;

  ChannelPattern(std::int64_t channel_count, std::int64_t element_count)
      : channels(channel_count), size(element_count), period(std::lcm(channel_count, std::int64_t{lane_count})) {
    if (period > 4096) period = channels;
  }

  /// Chunks of whole periods (the last one may be cut short), from the shape alone.
  [[nodiscard]] std::int64_t periods() const { return (size + period - 1) / period; }
  [[nodiscard]] std::int64_t chunks() const { return chunk_count(periods(), period); }

  /// values[c] repeated over one period.
  template <class T, class U>
  Tensor<T> repeat(const U* values) const {
    Tensor<T> pattern(Shape{period});
    T* to = pattern.edit().data();
    for (std::int64_t i = 0; i < period; ++i) to[i] = static_cast<T>(values[i % channels]);
    return pattern;
  }

  /// Calls f(element, position, count) for runs of elements within one period each, in parallel.
  template <class F>
  void for_each(F&& f) const {
    const std::int64_t count = chunks();
    parallel(count, [&](std::int64_t i) {
      const Chunk chunk = chunk_of(periods(), count, i);
      for (std::int64_t p = chunk.first; p < chunk.last; ++p) {
        const std::int64_t first = p * period;
        f(first, size - first < period ? size - first : period);
      }
    });
  }

  /// Two sums per channel in double: term(element, position) returns a pair-like {first, second}. Chunk by chunk in
  /// order, so that the result depends on the shape alone.
  template <class F>
  void sums(F&& term, double* first, double* second) const {
    const std::int64_t count = chunks();
    Tensor<double> partials = Tensor<double>::zeros({count, 2, period});
    double* partial = partials.edit().data();
    parallel(count, [&](std::int64_t i) {
      const Chunk chunk = chunk_of(periods(), count, i);
      double* a = partial + i * 2 * period;
      double* b = a + period;
      const std::int64_t begin = chunk.first * period;
      const std::int64_t end = chunk.last * period < size ? chunk.last * period : size;
      const std::int64_t whole = begin + (end - begin) / period * period;
      std::int64_t position = 0;
      for (; position + lane_count <= period; position += lane_count) {
        double s[lane_count] = {}, t[lane_count] = {};
        for (std::int64_t e = begin + position; e < whole; e += period) {
#if defined(__clang__)
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#endif
          for (int j = 0; j < lane_count; ++j) {
            const auto value = term(e + j, position + j);
            s[j] += value.first;
            t[j] += value.second;
          }
        }
        for (int j = 0; j < lane_count; ++j) {
          a[position + j] = s[j];
          b[position + j] = t[j];
        }
      }
      for (; position < period; ++position) {
        for (std::int64_t e = begin + position; e < whole; e += period) {
          const auto value = term(e, position);
          a[position] += value.first;
          b[position] += value.second;
        }
      }
      for (std::int64_t e = whole; e < end; ++e) {
        const auto value = term(e, e - whole);
        a[e - whole] += value.first;
        b[e - whole] += value.second;
      }
    });
    for (std::int64_t c = 0; c < channels; ++c) first[c] = second[c] = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t p = 0; p < period; ++p) {
        first[p % channels] += partial[i * 2 * period + p];
        second[p % channels] += partial[(i * 2 + 1) * period + p];
      }
    }
  }
};

/// The two terms that ChannelPattern::sums adds up.
struct Terms {
  double first, second;
};

}  // namespace stet::detail
