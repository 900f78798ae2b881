#pragma once
// Per-channel arithmetic on whole [rows, channels] tensors, in parallel: parameters are repeated until their count is a
// multiple of the lane count, so that flat loops vectorize for any number of channels. (core/channel_pattern.hpp serves
// loops that start anywhere in such a tensor.)

#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/core/vectorized.hpp>

#include <cstdint>
#include <numeric>

namespace stet::detail {

/// Cuts the elements of a [rows, channels] tensor into periods; element e belongs to channel e % channels and to
/// position e % period of the pattern.
struct ChannelPeriods {
  std::int64_t channels, size, period;

  ChannelPeriods(std::int64_t channel_count, std::int64_t element_count)
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
      vectorized([&] {
        for (std::int64_t p = chunk.first; p < chunk.last; ++p) {
          const std::int64_t first = p * period;
          f(first, size - first < period ? size - first : period);
        }
      });
    });
  }

  /// Two sums per channel in double: value(element, position) and its product with factor(element, position). Chunk by
  /// chunk in order, so that the result depends on the shape alone.
  template <class T, class Value, class Factor>
  void sums(Value&& value, Factor&& factor, double* sum, double* product) const {
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
      vectorized([&] { for (; position + lane_count <= period; position += lane_count) {
        double s[lane_count] = {}, t[lane_count] = {};
        for (std::int64_t e = begin + position; e < whole; e += period) {
          // Three loops: one of them with a condition and a conversion of width does not vectorize.
          T v[lane_count], f[lane_count];
          lanes(lane_count, [&](std::int64_t j) { v[j] = value(e + j, position + j); });
          lanes(lane_count, [&](std::int64_t j) { f[j] = factor(e + j, position + j); });
          lanes(lane_count, [&](std::int64_t j) {
            const auto term = static_cast<double>(v[j]);
            s[j] += term;
            t[j] += term * static_cast<double>(f[j]);
          });
        }
        for (int j = 0; j < lane_count; ++j) {
          a[position + j] = s[j];
          b[position + j] = t[j];
        }
      } });
      const auto add = [&](std::int64_t e, std::int64_t p) {
        const auto term = static_cast<double>(value(e, p));
        a[p] += term;
        b[p] += term * static_cast<double>(factor(e, p));
      };
      for (; position < period; ++position) {
        for (std::int64_t e = begin + position; e < whole; e += period) add(e, position);
      }
      for (std::int64_t e = whole; e < end; ++e) add(e, e - whole);
    });
    for (std::int64_t c = 0; c < channels; ++c) sum[c] = product[c] = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t p = 0; p < period; ++p) {
        sum[p % channels] += partial[i * 2 * period + p];
        product[p % channels] += partial[(i * 2 + 1) * period + p];
      }
    }
  }
};

}  // namespace stet::detail
