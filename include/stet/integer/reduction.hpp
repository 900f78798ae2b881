#pragma once
// Mean of codes over height and width: the global average pool.

#include <stet/core/rounding.hpp>
#include <stet/core/vectorized.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/integer/codes.hpp>
#include <stet/integer/multiplier.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/affine.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace stet::integer {

/// Everything that takes a mean, resolved. Made by make_mean.
struct MeanParameters {
  MeanRule rule = MeanRule::integer;
  std::int64_t count = 0;  ///< elements of one mean
  std::int32_t z_in = 0, z_out = 0;
  Bounds bounds{};
  QuantizedMultiplier m{};  ///< of integer
  float scale = 0.0f;       ///< of both float rules
  float offset = 0.0f;      ///< of float_half_even
};

/// Resolves a mean of `count` codes, as MEAN with keep_dims = false.
/// Formula:   integer: (M, e) of (double)s_in/s_out, h = min(floor(log2 n), 32, 31 + e), M' = floor(M*2^h / n),
///            e' = e - h;
///            float_half_even: m = (s_in/s_out)*(1/n), z' = z_out - float(n*z_in)*m, each operation rounded to float;
///            float_centred: m = s_in/(s_out*n), each operation rounded to float
/// Errors:    Errc::range if a scale or zero point is none or the count is not in [1, 2^23); Errc::unsupported if
///            s_in/s_out >= 256
/// Source:    LiteRT reference/reduce.h; XNNPACK operators/reduce-nd.c; ONNX Runtime core/mlas/lib/qlgavgpool.cpp
inline MeanParameters make_mean(const Target& target, const Affine& in, const Affine& out, std::int64_t count) {
  const float s_in = in.scale, s_out = out.scale;
  const std::int32_t z_in = in.zero_point, z_out = out.zero_point;
  for (const float s : {s_in, s_out}) {
    require(std::isfinite(s) && s > 0.0f, Errc::range, "mean: scale {} must be positive and finite", s);
  }
  for (const std::int32_t z : {z_in, z_out}) {
    require(z >= -128 && z <= 127, Errc::range, "mean: zero point {} lies outside int8", z);
  }
  require(count >= 1 && count < (std::int64_t{1} << 23), Errc::range, "mean: {} elements; must be 1 to 2^23 - 1",
          count);
  const double ratio = static_cast<double>(s_in) / static_cast<double>(s_out);
  require(ratio < 256.0, Errc::unsupported, "mean: input scale {} is {} times the output scale; must be below 256",
          s_in, ratio);
  MeanParameters p;
  p.rule = target.mean;
  p.count = count;
  p.z_in = z_in;
  p.z_out = z_out;
  p.bounds = clamp_bounds(ClampRule::half_away, Activation::none, s_out, z_out, out.grid);
  if (target.mean == MeanRule::integer) {
    const QuantizedMultiplier m = quantize_multiplier(ratio);
    const int log2 = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(count))) - 1;
    const int shift = std::min({log2, 32, 31 + m.shift});
    p.m.multiplier = static_cast<std::int32_t>((std::int64_t{m.multiplier} << shift) / count);
    p.m.shift = m.shift - shift;
  } else if (target.mean == MeanRule::float_centred) {
    p.scale = s_in / rounded_product(s_out, static_cast<float>(count));
  } else {
    const float inverse = 1.0f / static_cast<float>(count);
    p.scale = rounded_product(s_in / s_out, inverse);
    p.offset = static_cast<float>(z_out) - rounded_product(static_cast<float>(count * z_in), p.scale);
  }
  return p;
}

/// Takes the mean of each channel.
/// Formula:   integer: clamp(double_rounding(sum - n*z_in, M', e') + z_out);
///            float_half_even: clamp(round(float(sum)*m + z')); float_centred: clamp(round(float(sum - n*z_in)*m) + z_out)
/// Shapes:    x [N,H,W,C] -> out [N,C]
/// Rounding:  integer: twice, half up then half away; float: product and sum each to float, then half to even
/// Errors:    Errc::shape if x is not [N,H,W,C] with H*W the resolved count or out has another size
inline void mean(const Codes& x, const MeanParameters& p, std::span<std::int8_t> out) {
  const Shape& s = x.shape();
  require(s.rank() == 4 && s[1] * s[2] == p.count, Errc::shape, "mean: expected [N,H,W,C] with H*W = {}, got {}",
          p.count, s);
  const std::int64_t channels = s[3];
  detail::require_size("mean", {s[0], channels}, out.size());
  parallel_chunks(s[0], p.count * channels, [&](Chunk images) {
    std::vector<std::int32_t> sums(static_cast<std::size_t>(channels));
    for (std::int64_t n = images.first; n < images.last; ++n) {
      std::fill(sums.begin(), sums.end(), 0);
      const std::int8_t* from = x.data() + n * p.count * channels;
      constexpr int width = 16;
      vectorized([&] {
        for (std::int64_t i = 0; i < p.count; ++i, from += channels) {
          std::int32_t* __restrict to = sums.data();
          std::int64_t c = 0;
          for (; c + width <= channels; c += width) {
            for (int j = 0; j < width; ++j) to[c + j] += from[c + j];
          }
          for (; c < channels; ++c) to[c] += from[c];
        }
      });
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int32_t sum = sums[static_cast<std::size_t>(c)];
        std::int32_t code = 0;
        const auto centred = static_cast<std::int32_t>(sum - p.count * p.z_in);
        if (p.rule == MeanRule::integer) {
          code = std::clamp(double_rounding(centred, p.m), -1024, 1024) + p.z_out;
        } else if (p.rule == MeanRule::float_centred) {
          const float real = std::clamp(static_cast<float>(centred) * p.scale, -1024.0f, 1024.0f);
          code = static_cast<std::int32_t>(round_half_even(real)) + p.z_out;
        } else {
          const float real = rounded_product(static_cast<float>(sum), p.scale) + p.offset;
          code = static_cast<std::int32_t>(round_half_even(std::clamp(real, -1024.0f, 1024.0f)));
        }
        out[static_cast<std::size_t>(n * channels + c)] =
            static_cast<std::int8_t>(std::clamp(code, p.bounds.lo, p.bounds.hi));
      }
    }
  });
}

}  // namespace stet::integer
