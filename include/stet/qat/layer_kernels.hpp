#pragma once
// The element loops of a quantized layer: accumulators to codes with clip bits, and gradients back through them. All
// run over dense [rows, channels] in chunks that are multiples of the channel pattern, so a clip word never straddles.

#include <stet/autograd/batch_parts.hpp>
#include <stet/core/bits.hpp>
#include <stet/core/channel_pattern.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/core/vectorized.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace stet {

/// Bounds and meaning of a layer's output codes.
struct OutputCodes {
  float scale = 1.0f;
  std::int32_t zero_point = 0;
  std::int32_t lo = -128, hi = 127;  ///< clamp range: the grid, narrowed by the activation
  bool relu = false;                 ///< gradient passes only where the real value is positive
};

namespace detail {

// Cuts [0, elements) at multiples of the period (at least 8k elements a chunk, at most 64 chunks); from the shape alone.
struct PeriodChunks {
  std::int64_t elements, length, count;
  PeriodChunks(std::int64_t n, std::int64_t period) : elements(n), length(period), count(0) {
    const std::int64_t target = std::max<std::int64_t>((n + 63) / 64, 8192);
    length = (target + period - 1) / period * period;
    count = n > 0 ? (n + length - 1) / length : 0;
  }
  [[nodiscard]] Chunk operator[](std::int64_t i) const { return {i * length, std::min(elements, (i + 1) * length)}; }
};

}  // namespace detail

namespace detail {

// v where element j of a block passes, else 0. A table instead of a shift by j, which SSE2 has not for vectors, and bits
// instead of a choice, which compilers turn into a branch.
[[gnu::always_inline]] inline float where(std::uint32_t word, int j, float v) {
  const std::uint32_t keep = (word & bit_table[static_cast<std::size_t>(j)]) != 0 ? 0xffffffffu : 0u;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(v) & keep);
}

}  // namespace detail

/// Codes of the same values on a finer grid of eight bits.
struct FinerOutput {
  float factor;  ///< finer steps per output step
  std::int32_t zero_point;
  std::span<std::int8_t> codes;
};

/// Codes of a layer whose normalization is float.
/// Formula:   t = slope[c]*(acc - centre[c]) + offset[c]  (output steps); code = clamp(rne(t) + z, lo, hi);
///            pass = (not relu or t > 0) and lo <= rne(t) + z <= hi; finer code = clamp(rne(factor*t) + z', -128, 127)
/// Shapes:    acc [rows*C] -> codes [rows*C], pass one bit per element; finer (may be null) as codes
/// Rounding:  half to even
inline void affine_to_codes(std::span<const std::int32_t> acc, const ChannelPattern& pattern,
                            const std::vector<std::int32_t>& centre, const std::vector<float>& slope,
                            const std::vector<float>& offset, const OutputCodes& out, std::span<std::int8_t> codes,
                            std::span<std::uint32_t> pass, const FinerOutput* finer = nullptr) {
  const detail::PeriodChunks chunks(static_cast<std::int64_t>(acc.size()), pattern.period());
  const std::vector<std::int32_t> centres = pattern.expand(centre);
  const std::vector<float> slopes = pattern.expand(slope);
  const std::vector<float> offsets = pattern.expand(offset);
  const auto z = static_cast<float>(out.zero_point);
  const float lo = static_cast<float>(out.lo) - z;
  const float hi = static_cast<float>(out.hi) - z;
  const float floor_pass = out.relu ? 0.0f : -3.4e38f;
  const float finer_factor = finer != nullptr ? finer->factor : 0.0f;
  const auto finer_z = static_cast<float>(finer != nullptr ? finer->zero_point : 0);
  // Of values that lie at most one step outside of lo..hi, so that the sum with 1.5 * 2^23 rounds to a whole number.
  const auto rounded = [](float t, float least, float most) {
    t = t > least - 1.0f ? t : least - 1.0f;
    t = t < most + 1.0f ? t : most + 1.0f;
    return (t + 12582912.0f) - 12582912.0f;
  };
  const auto clamped = [](float r, float least, float most) {
    r = r > least ? r : least;
    return r < most ? r : most;
  };
  parallel(chunks.count, [&](std::int64_t index) {
    const Chunk chunk = chunks[index];
    vectorized([&] { pattern.blocks(chunk.first, chunk.last, [&](std::int64_t i, std::int64_t o, std::int64_t count) STET_ALWAYS_INLINE {
      std::uint8_t flags[lane_count] = {};
      const std::int32_t* a = acc.data() + i;
      std::int8_t* q = codes.data() + i;
      const std::int32_t* m = centres.data() + o;
      const float* k = slopes.data() + o;
      const float* b = offsets.data() + o;
      block_lanes(count, [&](int j) {
        const float t = k[j] * static_cast<float>(a[j] - m[j]) + b[j];
        const float r = rounded(t, lo, hi);
        flags[j] = static_cast<std::uint8_t>((t > floor_pass) & (r >= lo) & (r <= hi));
        q[j] = static_cast<std::int8_t>(static_cast<std::int32_t>(clamped(r, lo, hi) + z));
      });
      if (finer != nullptr) {
        std::int8_t* f = finer->codes.data() + i;
        block_lanes(count, [&](int j) {
          const float t = k[j] * static_cast<float>(a[j] - m[j]) + b[j];
          const float r = rounded(finer_factor * t, -128.0f - finer_z, 127.0f - finer_z);
          f[j] = static_cast<std::int8_t>(
              static_cast<std::int32_t>(clamped(r, -128.0f - finer_z, 127.0f - finer_z) + finer_z));
        });
      }
      pass[static_cast<std::size_t>(i / lane_count)] = pack_bits(flags);
    }); });
  });
}

/// Sums per channel of the gradient that passes the clip, alone and times the centred accumulator.
struct ClippedSums {
  std::vector<double> gradient;     ///< sum of g
  std::vector<double> product;      ///< sum of g*(acc - centre)

  /// Those of all parts of a batch.
  [[nodiscard]] ClippedSums combined(BatchParts& parts) const {
    std::vector<double> both = gradient;
    both.insert(both.end(), product.begin(), product.end());
    parts.combine(both, {});
    const auto middle = both.begin() + static_cast<std::ptrdiff_t>(gradient.size());
    return {std::vector<double>(both.begin(), middle), std::vector<double>(middle, both.end())};
  }
};

/// Formula:   g = dy where pass, else 0
inline ClippedSums clipped_sums(std::span<const float> dy, std::span<const std::uint32_t> pass,
                                std::span<const std::int32_t> acc, const std::vector<std::int32_t>& centre,
                                const ChannelPattern& pattern) {
  const detail::PeriodChunks chunks(static_cast<std::int64_t>(dy.size()), pattern.period());
  const auto channels = static_cast<std::size_t>(pattern.channels());
  const bool with_acc = !acc.empty();
  const std::vector<std::int32_t> centres =
      with_acc ? pattern.expand(centre) : std::vector<std::int32_t>(static_cast<std::size_t>(pattern.size()), 0);
  std::vector<ClippedSums> parts(static_cast<std::size_t>(chunks.count));
  parallel(chunks.count, [&](std::int64_t index) {
    const Chunk chunk = chunks[index];
    const auto size = static_cast<std::size_t>(pattern.size());
    std::vector<float> plain(size, 0.0f);
    std::vector<float> weighted(size, 0.0f);
    vectorized([&] { pattern.blocks(chunk.first, chunk.last, [&](std::int64_t i, std::int64_t o, std::int64_t count) STET_ALWAYS_INLINE {
      const std::uint32_t word = pass[static_cast<std::size_t>(i / lane_count)];
      const float* g = dy.data() + i;
      float* s = plain.data() + o;
      if (with_acc) {
        float* p = weighted.data() + o;
        const std::int32_t* a = acc.data() + i;
        const std::int32_t* m = centres.data() + o;
        block_lanes(count, [&](int j) {
          const float v = detail::where(word, j, g[j]);
          s[j] += v;
          p[j] += v * static_cast<float>(a[j] - m[j]);
        });
      } else {
        block_lanes(count, [&](int j) { s[j] += detail::where(word, j, g[j]); });
      }
    }); });
    ClippedSums& part = parts[static_cast<std::size_t>(index)];
    part.gradient.assign(channels, 0.0);
    part.product.assign(channels, 0.0);
    pattern.collect(plain, part.gradient, [](double x, float y) { return x + static_cast<double>(y); });
    pattern.collect(weighted, part.product, [](double x, float y) { return x + static_cast<double>(y); });
  });
  ClippedSums total{std::vector<double>(channels, 0.0), std::vector<double>(channels, 0.0)};
  for (const ClippedSums& part : parts) {
    for (std::size_t c = 0; c < channels; ++c) {
      total.gradient[c] += part.gradient[c];
      total.product[c] += part.product[c];
    }
  }
  return total;
}

/// Gradient of the accumulators.
/// Formula:   out = slope[c]*g + curve[c]*(acc - centre[c]) + offset[c], g = dy where pass, else 0;
///            without accumulators out = slope[c]*g
inline Tensor<float> accumulator_gradient(const Tensor<float>& dy, std::span<const std::uint32_t> pass,
                                          std::span<const std::int32_t> acc, const std::vector<std::int32_t>& centre,
                                          const std::vector<float>& slope, const std::vector<float>& curve,
                                          const std::vector<float>& offset, const ChannelPattern& pattern) {
  const detail::PeriodChunks chunks(dy.size(), pattern.period());
  const bool with_acc = !acc.empty();
  const std::vector<float> slopes = pattern.expand(slope);
  const std::vector<std::int32_t> centres = with_acc ? pattern.expand(centre) : std::vector<std::int32_t>{};
  const std::vector<float> curves = with_acc ? pattern.expand(curve) : std::vector<float>{};
  const std::vector<float> offsets = with_acc ? pattern.expand(offset) : std::vector<float>{};
  Tensor<float> result(dy.shape());
  const std::span<float> to = result.edit();
  parallel(chunks.count, [&](std::int64_t index) {
    const Chunk chunk = chunks[index];
    vectorized([&] { pattern.blocks(chunk.first, chunk.last, [&](std::int64_t i, std::int64_t o, std::int64_t count) STET_ALWAYS_INLINE {
      const std::uint32_t word = pass[static_cast<std::size_t>(i / lane_count)];
      const float* g = dy.data() + i;
      float* r = to.data() + i;
      const float* k = slopes.data() + o;
      if (with_acc) {
        const std::int32_t* a = acc.data() + i;
        const std::int32_t* m = centres.data() + o;
        const float* q = curves.data() + o;
        const float* b = offsets.data() + o;
        block_lanes(count, [&](int j) {
          const float v = detail::where(word, j, g[j]);
          r[j] = k[j] * v + q[j] * static_cast<float>(a[j] - m[j]) + b[j];
        });
      } else {
        block_lanes(count, [&](int j) { r[j] = detail::where(word, j, k[j] * g[j]); });
      }
    }); });
  });
  return result;
}

}  // namespace stet
