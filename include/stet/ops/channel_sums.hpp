#pragma once
// Sums over the rows of a [rows, channels] matrix, the gradient of a bias.

#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>

#include <cstdint>

namespace stet {

/// Adds up all rows, channel by channel, in double, chunk by chunk in order.
/// Formula:   sums[c] = sum over rows r of x[r, c]
/// Shapes:    x [..., C] -> sums [C]
template <class T>
Tensor<T> channel_sums(const Tensor<T>& x) {
  const std::int64_t channels = x.shape().back();
  const std::int64_t rows = channels > 0 ? x.size() / channels : 0;
  const std::int64_t chunks = chunk_count(rows, channels);
  Tensor<double> partial = Tensor<double>::zeros({chunks, channels});
  double* sums = partial.edit().data();
  parallel(chunks, [&](std::int64_t i) {
    const Chunk chunk = chunk_of(rows, chunks, i);
    double* __restrict to = sums + i * channels;
    for (std::int64_t r = chunk.first; r < chunk.last; ++r) {
      const T* from = x.data() + r * channels;
      for (std::int64_t c = 0; c < channels; ++c) to[c] += static_cast<double>(from[c]);
    }
  });
  Tensor<T> result(Shape{channels});
  T* out = result.edit().data();
  for (std::int64_t c = 0; c < channels; ++c) {
    double total = 0;
    for (std::int64_t i = 0; i < chunks; ++i) total += sums[i * channels + c];
    out[c] = static_cast<T>(total);
  }
  return result;
}

}  // namespace stet
