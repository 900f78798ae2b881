#pragma once
// Pooling of codes: maximum and average over windows; scale and zero point stay.

#include <stet/core/rounding.hpp>
#include <stet/core/vectorized.hpp>
#include <stet/core/window.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/integer/codes.hpp>
#include <stet/integer/target.hpp>
#include <stet/quant/affine.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace stet::integer {

/// Bounds of a max pool.
/// Rounding:  as the target, which may depend on whether the stride is larger than the window
inline Bounds max_pool_bounds(const Target& target, Activation activation, const Affine& y, const Window& w) {
  const bool sparse = w.h.stride > w.h.kernel || w.w.stride > w.w.kernel;
  return clamp_bounds(sparse ? target.max_pool_sparse_clamp : target.max_pool_clamp, activation, y.scale, y.zero_point,
                      y.grid);
}

/// Everything that averages windows, resolved. Made by make_average_pool.
struct AveragePoolParameters {
  AveragePoolRule rule = AveragePoolRule::codes_half_away;
  float scale = 1.0f;
  std::int32_t zero_point = 0;
  Bounds bounds{};
};

/// Resolves an average pool, whose input and output share scale and zero point.
/// Errors:    Errc::range as clamp_bounds
inline AveragePoolParameters make_average_pool(const Target& target, Activation activation, const Affine& y) {
  return {target.average_pool, y.scale, y.zero_point,
          clamp_bounds(target.average_pool_clamp, activation, y.scale, y.zero_point, y.grid)};
}

namespace detail {

// Taps [first, last) of a window axis that lie inside the image at output position `out`.
struct Taps {
  std::int64_t first, last;
};
inline Taps inside(const WindowAxis& a, std::int64_t out) {
  const std::int64_t origin = out * a.stride - a.before;
  const std::int64_t first = origin >= 0 ? 0 : (-origin + a.dilation - 1) / a.dilation;
  const std::int64_t last = origin >= a.in ? 0 : (a.in - origin + a.dilation - 1) / a.dilation;
  return {std::min(first, a.kernel), std::clamp<std::int64_t>(last, std::min(first, a.kernel), a.kernel)};
}

// Checks a pool and calls body(first tap of the window in the image, taps inside in y, in x, element of the result) for
// every output pixel, in parallel.
template <class Body>
void for_each_window(const char* op, const Codes& x, const Window& w, std::size_t results, Body&& body) {
  const Shape& s = x.shape();
  require(s.rank() == 4 && s[1] == w.h.in && s[2] == w.w.in, Errc::shape, "{}: window over {}x{} does not fit input {}",
          op, w.h.in, w.w.in, s);
  require_size(op, {s[0], w.h.out, w.w.out, s[3]}, results);
  std::vector<Taps> vertical, horizontal;
  for (std::int64_t i = 0; i < w.h.out; ++i) vertical.push_back(inside(w.h, i));
  for (std::int64_t i = 0; i < w.w.out; ++i) horizontal.push_back(inside(w.w, i));
  for (const auto* taps : {&vertical, &horizontal}) {
    for (std::size_t i = 0; i < taps->size(); ++i) {
      require((*taps)[i].first < (*taps)[i].last, Errc::shape, "{}: window {} of input {} lies in the padding only", op,
              i, s);
    }
  }
  parallel_chunks(s[0] * w.h.out, w.w.out * s[3] * w.taps(), [&](Chunk lines) { vectorized([&] {
    for (std::int64_t line = lines.first; line < lines.last; ++line) {
      const std::int64_t y = line % w.h.out;
      const std::int64_t origin = (line / w.h.out * s[1] + y * w.h.stride - w.h.before) * s[2] - w.w.before;
      for (std::int64_t column = 0; column < w.w.out; ++column) {
        body(x.data() + (origin + column * w.w.stride) * s[3], vertical[static_cast<std::size_t>(y)],
             horizontal[static_cast<std::size_t>(column)], (line * w.w.out + column) * s[3]);
      }
    }
  }); });
}

// Sixteen codes or bytes as one vector; an extension of g++ and clang that needs no instruction set.
using Codes16 [[gnu::vector_size(16)]] = std::int8_t;
using Bytes16 [[gnu::vector_size(16)]] = std::uint8_t;

// Loads and stores up to sixteen bytes.
template <class Vector, class T>
Vector load(const T* from, std::int64_t n) {
  Vector v{};
  if (n >= 16) {
    std::memcpy(&v, from, 16);
  } else {
    std::memcpy(&v, from, static_cast<std::size_t>(n));
  }
  return v;
}
template <class Vector, class T>
void store(const Vector& v, T* to, std::int64_t n) {
  if (n >= 16) {
    std::memcpy(to, &v, 16);
  } else {
    std::memcpy(to, &v, static_cast<std::size_t>(n));
  }
}

// Maxima without their positions. The choice of a larger code is one instruction on bytes where a set has it, and compilers
// find it in a plain loop only.
inline void max_pool_codes(const Codes& x, const Window& w, Bounds bounds, std::span<std::int8_t> out) {
  constexpr int block = 16;
  const std::int64_t channels = x.shape().back();
  const std::int64_t line = w.h.dilation * w.w.in * channels, step = w.w.dilation * channels;
  const auto lo = static_cast<std::int8_t>(bounds.lo), hi = static_cast<std::int8_t>(bounds.hi);
  for_each_window("max_pool", x, w, out.size(), [&](const std::int8_t* corner, Taps ys, Taps xs, std::int64_t element) STET_ALWAYS_INLINE {
    std::int8_t* to = out.data() + element;
    std::int64_t c = 0;
    for (; c + block <= channels; c += block) {
      std::int8_t best[block];
      for (int j = 0; j < block; ++j) best[j] = lo;
      for (std::int64_t ky = ys.first; ky < ys.last; ++ky) {
        for (std::int64_t kx = xs.first; kx < xs.last; ++kx) {
          const std::int8_t* from = corner + ky * line + kx * step + c;
          for (int j = 0; j < block; ++j) best[j] = from[j] > best[j] ? from[j] : best[j];
        }
      }
      for (int j = 0; j < block; ++j) best[j] = best[j] < hi ? best[j] : hi;
      std::memcpy(to + c, best, block);
    }
    for (; c < channels; ++c) {
      std::int8_t best = lo;
      for (std::int64_t ky = ys.first; ky < ys.last; ++ky) {
        for (std::int64_t kx = xs.first; kx < xs.last; ++kx) best = std::max(best, corner[ky * line + kx * step + c]);
      }
      to[c] = std::min(best, hi);
    }
  });
}

}  // namespace detail

/// Takes the maximum code of each window.
/// Formula:   y = clamp(max over taps inside the image of q, lo, hi); argmax = ky*kw + kx of the first maximal code
/// Shapes:    x [N,H,W,C] -> out and, if wanted, argmax [N,H',W',C]
/// Errors:    Errc::shape if the window does not fit x, a window lies in the padding only, or a result has another
///            size; Errc::unsupported if an argmax is wanted of more than 256 taps
inline void max_pool(const Codes& x, const Window& w, Bounds bounds, std::span<std::int8_t> out,
                     std::span<std::uint8_t> argmax = {}) {
  const std::int64_t channels = x.shape().back();
  if (!argmax.empty()) {
    require(argmax.size() == out.size(), Errc::shape, "max_pool: argmax has {} elements, the result {}", argmax.size(),
            out.size());
    require(w.taps() <= 256, Errc::unsupported, "max_pool: argmax of {} taps does not fit 8 bits", w.taps());
  }
  if (argmax.empty()) return detail::max_pool_codes(x, w, bounds, out);
  const auto lo = detail::Codes16{} + static_cast<std::int8_t>(bounds.lo);
  const auto hi = detail::Codes16{} + static_cast<std::int8_t>(bounds.hi);
  detail::for_each_window("max_pool", x, w, out.size(),
                          [&](const std::int8_t* corner, detail::Taps ys, detail::Taps xs, std::int64_t element) {
                            for (std::int64_t c = 0; c < channels; c += 16) {
                              const std::int64_t n = channels - c;
                              auto best = detail::Codes16{} + std::int8_t{-128};
                              auto where =
                                  detail::Bytes16{} + static_cast<std::uint8_t>(ys.first * w.w.kernel + xs.first);
                              for (std::int64_t ky = ys.first; ky < ys.last; ++ky) {
                                for (std::int64_t kx = xs.first; kx < xs.last; ++kx) {
                                  const auto q = detail::load<detail::Codes16>(
                                      corner + (ky * w.h.dilation * w.w.in + kx * w.w.dilation) * channels + c, n);
                                  const auto tap = detail::Bytes16{} + static_cast<std::uint8_t>(ky * w.w.kernel + kx);
                                  where = q > best ? tap : where;
                                  best = q > best ? q : best;
                                }
                              }
                              best = best < lo ? lo : best;
                              best = best > hi ? hi : best;
                              detail::store(best, out.data() + element + c, n);
                              detail::store(where, argmax.data() + element + c, n);
                            }
                          });
}

namespace detail {

// The mean of n reals summed in tap order, as the code that DequantizeLinear, AveragePool and QuantizeLinear make of it.
inline std::int32_t requantized_mean(float sum, std::int32_t count, const AveragePoolParameters& p) {
  const float steps = std::clamp(sum / static_cast<float>(count) / p.scale, -1024.0f, 1024.0f);
  return static_cast<std::int32_t>(round_half_even(steps + static_cast<float>(p.zero_point + 128))) - 128;
}

}  // namespace detail

/// Averages the codes of each window.
/// Formula:   codes_half_away: y = clamp(round(sum of q / count), lo, hi) over the taps inside the image;
///            dequantized: y = clamp(round(sum of s*(q-z) / count / s + (z+128)) - 128), each operation rounded to float
/// Shapes:    x [N,H,W,C] -> out [N,H',W',C]
/// Rounding:  codes_half_away: half away from zero, on raw codes; dequantized: half to even, the sum in tap order
/// Errors:    Errc::shape if the window does not fit x, a window lies in the padding only, or out has another size
/// Source:    LiteRT reference/integer_ops/pooling.h; ONNX Runtime contrib_ops/cpu/quantization/qlinear_pool.cc
inline void average_pool(const Codes& x, const Window& w, const AveragePoolParameters& p, std::span<std::int8_t> out) {
  const std::int64_t channels = x.shape().back();
  require(w.taps() < (std::int64_t{1} << 23), Errc::range, "average_pool: {} taps can overflow int32", w.taps());
  std::array<float, 256> real{};
  for (int q = -128; q < 128; ++q) {
    real[static_cast<std::size_t>(q + 128)] = rounded_product(p.scale, static_cast<float>(q - p.zero_point));
  }
  constexpr int width = 16;
  detail::for_each_window(
      "average_pool", x, w, out.size(),
      [&](const std::int8_t* corner, detail::Taps ys, detail::Taps xs, std::int64_t element) {
        const auto count = static_cast<std::int32_t>((ys.last - ys.first) * (xs.last - xs.first));
        const auto sum_taps = [&](std::int64_t c, auto n, auto* sum, auto&& term) {
          for (int j = 0; j < n; ++j) sum[j] = 0;
          for (std::int64_t ky = ys.first; ky < ys.last; ++ky) {
            for (std::int64_t kx = xs.first; kx < xs.last; ++kx) {
              const std::int8_t* from = corner + (ky * w.h.dilation * w.w.in + kx * w.w.dilation) * channels + c;
              for (int j = 0; j < n; ++j) sum[j] += term(from[j]);
            }
          }
        };
        const auto some = [&](std::int64_t c, auto n) {
          std::int8_t* to = out.data() + element + c;
          std::int32_t mean[width];
          if (p.rule == AveragePoolRule::codes_half_away) {
            std::int32_t sum[width];
            sum_taps(c, n, sum, [](std::int8_t q) { return std::int32_t{q}; });
            for (int j = 0; j < n; ++j) {
              mean[j] = sum[j] > 0 ? (sum[j] + count / 2) / count : (sum[j] - count / 2) / count;
            }
          } else {
            float sum[width];
            sum_taps(c, n, sum, [&](std::int8_t q) { return real[static_cast<std::size_t>(q + 128)]; });
            for (int j = 0; j < n; ++j) mean[j] = detail::requantized_mean(sum[j], count, p);
          }
          for (int j = 0; j < n; ++j) to[j] = static_cast<std::int8_t>(std::clamp(mean[j], p.bounds.lo, p.bounds.hi));
        };
        std::int64_t c = 0;
        for (; c + width <= channels; c += width) some(c, std::integral_constant<int, width>());
        if (c < channels) some(c, static_cast<int>(channels - c));
      });
}

}  // namespace stet::integer
