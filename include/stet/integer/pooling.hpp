#pragma once
// Pooling of codes: maximum and average over windows; scale and zero point stay.

#include <stet/core/window.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/integer/codes.hpp>
#include <stet/integer/target.hpp>

#include <algorithm>
#include <cstdint>
#include <span>

namespace stet::integer {

/// Bounds of a max pool.
/// Rounding:  as the target, which may depend on whether the stride is larger than the window
inline Bounds max_pool_bounds(const Target& target, Activation activation, float scale, std::int32_t zero_point,
                              const Window& w, Grid grid = Grid::int8()) {
  const bool sparse = w.h.stride > w.h.kernel || w.w.stride > w.w.kernel;
  return clamp_bounds(sparse ? target.max_pool_sparse_clamp : target.max_pool_clamp, activation, scale, zero_point,
                      grid);
}

/// Bounds of an average pool.
inline Bounds average_pool_bounds(const Target& target, Activation activation, float scale, std::int32_t zero_point,
                                  Grid grid = Grid::int8()) {
  return clamp_bounds(target.average_pool_clamp, activation, scale, zero_point, grid);
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

// Checks a pool and calls body(image, y, x, row of the output) for every output pixel, in parallel.
template <class Body>
void for_each_window(const char* op, const Codes& x, const Window& w, std::size_t results, Body&& body) {
  const Shape& s = x.shape();
  require(s.rank() == 4 && s[1] == w.h.in && s[2] == w.w.in, Errc::shape,
          "{}: window over {}x{} does not fit input {}", op, w.h.in, w.w.in, s);
  require_size(op, {s[0], w.h.out, w.w.out, s[3]}, results);
  for (const WindowAxis& a : {w.h, w.w}) {
    for (std::int64_t i = 0; i < a.out; ++i) {
      const Taps t = inside(a, i);
      require(t.first < t.last, Errc::shape, "{}: window {} of input {} lies in the padding only", op, i, s);
    }
  }
  parallel_chunks(s[0] * w.h.out, w.w.out * s[3] * w.taps(), [&](Chunk lines) {
    for (std::int64_t line = lines.first; line < lines.last; ++line) {
      const std::int64_t y = line % w.h.out;
      const std::int8_t* image = x.data() + line / w.h.out * s[1] * s[2] * s[3];
      for (std::int64_t column = 0; column < w.w.out; ++column) body(image, y, column, line * w.w.out + column);
    }
  });
}

}  // namespace detail

/// Takes the maximum code of each window.
/// Formula:   y = clamp(max over taps inside the image of q, lo, hi); argmax = ky*kw + kx of the first maximal code
/// Shapes:    x [N,H,W,C] -> out and, if wanted, argmax [N,H',W',C]
/// Errors:    Errc::shape if the window does not fit x, a window lies in the padding only, or a result has another size;
///            Errc::unsupported if an argmax is wanted of more than 256 taps
inline void max_pool(const Codes& x, const Window& w, Bounds bounds, std::span<std::int8_t> out,
                     std::span<std::uint8_t> argmax = {}) {
  const std::int64_t channels = x.shape().back();
  if (!argmax.empty()) {
    require(argmax.size() == out.size(), Errc::shape, "max_pool: argmax has {} elements, the result {}", argmax.size(),
            out.size());
    require(w.taps() <= 256, Errc::unsupported, "max_pool: argmax of {} taps does not fit 8 bits", w.taps());
  }
  const auto lo = static_cast<std::int8_t>(bounds.lo);
  const auto hi = static_cast<std::int8_t>(bounds.hi);
  constexpr int width = 16;
  detail::for_each_window("max_pool", x, w, out.size(), [&](const std::int8_t* image, std::int64_t y, std::int64_t column,
                                                            std::int64_t row) {
    const auto ys = detail::inside(w.h, y);
    const auto xs = detail::inside(w.w, column);
    const std::int8_t* corner = image + ((y * w.h.stride - w.h.before) * w.w.in + column * w.w.stride - w.w.before) * channels;
    // Channels [c, c + n) of one window; n is a constant where it can be, so that the loops vectorize.
    const auto some = [&](std::int64_t c, auto n) {
      std::int8_t best[width];
      std::uint8_t where[width];
      for (int j = 0; j < n; ++j) best[j] = -128;
      for (int j = 0; j < n; ++j) where[j] = static_cast<std::uint8_t>(ys.first * w.w.kernel + xs.first);
      for (std::int64_t ky = ys.first; ky < ys.last; ++ky) {
        for (std::int64_t kx = xs.first; kx < xs.last; ++kx) {
          const std::int8_t* from = corner + (ky * w.h.dilation * w.w.in + kx * w.w.dilation) * channels + c;
          const auto tap = static_cast<std::uint8_t>(ky * w.w.kernel + kx);
          for (int j = 0; j < n; ++j) {
            where[j] = from[j] > best[j] ? tap : where[j];
            best[j] = from[j] > best[j] ? from[j] : best[j];
          }
        }
      }
      std::int8_t* to = out.data() + row * channels + c;
      for (int j = 0; j < n; ++j) to[j] = best[j] < lo ? lo : best[j] > hi ? hi : best[j];
      if (!argmax.empty()) std::copy_n(where, static_cast<int>(n), argmax.data() + row * channels + c);
    };
    std::int64_t c = 0;
    for (; c + width <= channels; c += width) some(c, std::integral_constant<int, width>());
    if (c < channels) some(c, static_cast<int>(channels - c));
  });
}

/// Averages the codes of each window.
/// Formula:   y = clamp(round(sum of q / count), lo, hi) over the taps inside the image
/// Shapes:    x [N,H,W,C] -> out [N,H',W',C]
/// Rounding:  half away from zero, on raw codes
/// Errors:    Errc::shape if the window does not fit x, a window lies in the padding only, or out has another size
/// Source:    LiteRT reference/integer_ops/pooling.h
inline void average_pool(const Codes& x, const Window& w, Bounds bounds, std::span<std::int8_t> out) {
  const std::int64_t channels = x.shape().back();
  require(w.taps() < (std::int64_t{1} << 23), Errc::range, "average_pool: {} taps can overflow int32", w.taps());
  constexpr int width = 16;
  detail::for_each_window("average_pool", x, w, out.size(), [&](const std::int8_t* image, std::int64_t y,
                                                                std::int64_t column, std::int64_t row) {
    const auto ys = detail::inside(w.h, y);
    const auto xs = detail::inside(w.w, column);
    const std::int8_t* corner = image + ((y * w.h.stride - w.h.before) * w.w.in + column * w.w.stride - w.w.before) * channels;
    const auto count = static_cast<std::int32_t>((ys.last - ys.first) * (xs.last - xs.first));
    const auto some = [&](std::int64_t c, auto n) {
      std::int32_t sum[width];
      for (int j = 0; j < n; ++j) sum[j] = 0;
      for (std::int64_t ky = ys.first; ky < ys.last; ++ky) {
        for (std::int64_t kx = xs.first; kx < xs.last; ++kx) {
          const std::int8_t* from = corner + (ky * w.h.dilation * w.w.in + kx * w.w.dilation) * channels + c;
          for (int j = 0; j < n; ++j) sum[j] += from[j];
        }
      }
      std::int8_t* to = out.data() + row * channels + c;
      for (int j = 0; j < n; ++j) {
        const std::int32_t mean = sum[j] > 0 ? (sum[j] + count / 2) / count : (sum[j] - count / 2) / count;
        to[j] = static_cast<std::int8_t>(std::clamp(mean, bounds.lo, bounds.hi));
      }
    };
    std::int64_t c = 0;
    for (; c + width <= channels; c += width) some(c, std::integral_constant<int, width>());
    if (c < channels) some(c, static_cast<int>(channels - c));
  });
}

}  // namespace stet::integer
