#pragma once
// TensorFlow's fake_quant_with_min_max_args, _vars and _vars_per_channel: forward and gradients.

#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/rounding.hpp>
#include <stet/quant/range.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace stet {

/// Grid of TensorFlow's operators: 0 .. 2^bits - 1, from 1 on if narrow.
struct MinMaxOptions {
  int bits = 8;
  bool narrow_range = false;
};

/// Gradients of the two ends of a range.
struct RangeGradient {
  float lo = 0, hi = 0;
};

namespace detail {

/// A range moved so that 0 is a code, and what the loops need; lo > hi in none, lo = hi = 0 for the zero range.
struct Nudged {
  float lo = 0, hi = 0;          // ends of the moved range
  float scale = 0, inverse = 0;  // both zero for the zero range
  float zero = 0;                // steps from lo to 0
  float steps = 0;               // p - n
};

inline Nudged nudge(const char* op, const Range& range, const MinMaxOptions& options) {
  require(options.bits >= 2 && options.bits <= 16, Errc::range, "{}: bits must be 2 to 16, got {}", op, options.bits);
  const bool nothing = range.lo == 0.0f && range.hi == 0.0f;
  require(range.finite() && (range.lo < range.hi || nothing), Errc::range,
          "{}: the range {}..{} must be finite and min < max (or both 0)", op, range.lo, range.hi);
  const float n = options.narrow_range ? 1.0f : 0.0f;
  const float p = static_cast<float>((1 << options.bits) - 1);
  if (nothing) return {};
  const float width = range.hi - range.lo;
  Nudged r{.scale = width / (p - n), .inverse = (p - n) / width, .steps = p - n};
  require(std::isfinite(width) && std::isnormal(r.scale) && std::isfinite(r.inverse), Errc::range,
          "{}: the width of range {}..{} is too large or too small for float", op, range.lo, range.hi);
  const float exact = n - range.lo / r.scale;
  const float zero_point = exact < n ? n : exact > p ? p : round_half_away(exact);
  r.lo = (n - zero_point) * r.scale;
  r.hi = (p - zero_point) * r.scale;
  r.zero = std::floor(rounded_product(-r.lo, r.inverse) + 0.5f);
  return r;
}

// Largest integer not above x, for |x| <= 2^22; without a call at every instruction set. NaN stays NaN.
[[gnu::always_inline]] inline float floor_small(float x) {
  const float nearest = round_half_even_small(x);
  const std::uint32_t above = 0u - static_cast<std::uint32_t>(nearest > x);
  return nearest - std::bit_cast<float>(above & std::bit_cast<std::uint32_t>(1.0f));  // a select would become a branch
}

// One value through the grid; NaN stays NaN. The second clamp changes no value: it stands between product and
// difference, so that they are not contracted.
template <bool divide>
[[gnu::always_inline]] inline float through_nudged(float x, float lo, float hi, float scale, float inverse, float zero,
                                                   float steps) {
  float c = x < lo ? lo : x;
  c = c > hi ? hi : c;
  float t = divide ? (c - lo) / scale : (c - lo) * inverse;
  t = t > steps + 1.0f ? steps + 1.0f : t;
  return floor_small((t - zero) + 0.5f) * scale;
}

[[gnu::always_inline]] inline float pass_nudged(float x, float dy, float lo, float hi) {
  const bool inside = static_cast<bool>(static_cast<int>(x >= lo) & static_cast<int>(x <= hi));
  return inside ? dy : 0.0f;
}

template <bool divide>
void fake_quant(const Nudged& r, std::span<const float> x, std::span<float> y) {
  const float* from = x.data();
  float* to = y.data();
  parallel_chunks(static_cast<std::int64_t>(x.size()), 1, [=](Chunk c) {
    const float* in = from + c.first;
    float* out = to + c.first;
    if (r.scale == 0.0f) {
      lanes(c.size(), [=](std::int64_t i) { out[i] = 0.0f; });
    } else {
      lanes(c.size(), [=](std::int64_t i) {
        out[i] = through_nudged<divide>(in[i], r.lo, r.hi, r.scale, r.inverse, r.zero, r.steps);
      });
    }
  });
}

inline void fake_quant_backward(const Nudged& r, std::span<const float> x, std::span<const float> dy,
                                std::span<float> dx) {
  const float* from = x.data();
  const float* gradient = dy.data();
  float* to = dx.data();
  parallel_chunks(static_cast<std::int64_t>(x.size()), 1, [=](Chunk c) {
    const float* in = from + c.first;
    const float* g = gradient + c.first;
    float* out = to + c.first;
    if (r.scale == 0.0f) {
      lanes(c.size(), [=](std::int64_t i) { out[i] = g[i]; });
    } else {
      lanes(c.size(), [=](std::int64_t i) { out[i] = pass_nudged(in[i], g[i], r.lo, r.hi); });
    }
  });
}

// Sums of dy below and above the range, in double; partial sums are added in the order of chunks.
inline RangeGradient range_gradient(const Nudged& r, std::span<const float> x, std::span<const float> dy) {
  if (r.scale == 0.0f || x.empty()) return {};
  const auto n = static_cast<std::int64_t>(x.size());
  const std::int64_t chunks = chunk_count(n, 1);
  std::vector<double> below(static_cast<std::size_t>(chunks)), above(static_cast<std::size_t>(chunks));
  parallel(chunks, [&](std::int64_t k) {
    const Chunk c = chunk_of(n, chunks, k);
    const float* in = x.data() + c.first;
    const float* g = dy.data() + c.first;
    const auto sum = [](double a, double b) { return a + b; };
    below[static_cast<std::size_t>(k)] = lanes_reduce(
        c.size(), 0.0, [=](std::int64_t i) { return static_cast<double>(in[i] < r.lo ? g[i] : 0.0f); }, sum);
    above[static_cast<std::size_t>(k)] = lanes_reduce(
        c.size(), 0.0, [=](std::int64_t i) { return static_cast<double>(in[i] > r.hi ? g[i] : 0.0f); }, sum);
  });
  double lo = 0, hi = 0;
  for (std::size_t k = 0; k < below.size(); ++k) {
    lo += below[k];
    hi += above[k];
  }
  return {static_cast<float>(lo), static_cast<float>(hi)};
}

inline void check_sizes(const char* op, std::size_t x, std::size_t y) {
  require(x == y, Errc::shape, "{}: x has {} elements, the other span {}", op, x, y);
}

/// Nudged ranges of neighbouring elements, repeated until a row is long enough for lanes.
class NudgedRow {
 public:
  NudgedRow(const char* op, std::size_t elements, std::span<const Range> ranges, const MinMaxOptions& options) {
    require(!ranges.empty() && elements % ranges.size() == 0, Errc::shape,
            "{}: the last dimension must have {} channels, one per range; x has {} elements", op, ranges.size(),
            elements);
    for (const Range& r : ranges) channels_.push_back(nudge(op, r, options));
    const std::size_t rows = elements / ranges.size();
    std::size_t repeat = 1;
    while (repeat * ranges.size() < 4 * static_cast<std::size_t>(lane_count) && repeat < rows) ++repeat;
    for (std::size_t k = 0; k < repeat; ++k) {
      for (const Nudged& r : channels_) {
        lo_.push_back(r.lo);
        hi_.push_back(r.hi);
        scale_.push_back(r.scale);
        inverse_.push_back(r.inverse);
        zero_.push_back(r.zero);
        steps_.push_back(r.steps);
        none_.push_back(r.scale == 0.0f ? 1.0f : 0.0f);
      }
    }
  }
  [[nodiscard]] std::int64_t length() const { return static_cast<std::int64_t>(lo_.size()); }
  [[nodiscard]] const std::vector<Nudged>& channels() const { return channels_; }

  void forward(const float* x, std::int64_t n, float* y) const {
    const float *lo = lo_.data(), *hi = hi_.data(), *scale = scale_.data(), *inverse = inverse_.data();
    const float *zero = zero_.data(), *steps = steps_.data(), *none = none_.data();
    lanes(n, [=](std::int64_t i) {
      const float value = through_nudged<false>(x[i], lo[i], hi[i], scale[i], inverse[i], zero[i], steps[i]);
      y[i] = none[i] != 0.0f ? 0.0f : value;
    });
  }
  void backward(const float* x, const float* dy, std::int64_t n, float* dx) const {
    const float *lo = lo_.data(), *hi = hi_.data(), *none = none_.data();
    lanes(n, [=](std::int64_t i) {
      const float g = dy[i];
      const float passed = pass_nudged(x[i], g, lo[i], hi[i]);
      dx[i] = none[i] != 0.0f ? g : passed;
    });
  }

 private:
  std::vector<Nudged> channels_;
  std::vector<float> lo_, hi_, scale_, inverse_, zero_, steps_, none_;
};

template <class Body>
void over_rows(const NudgedRow& row, std::size_t elements, Body body) {
  const auto n = static_cast<std::int64_t>(elements);
  parallel_chunks((n + row.length() - 1) / row.length(), row.length(), [&](Chunk c) {
    for (std::int64_t k = c.first; k < c.last; ++k) {
      const std::int64_t first = k * row.length();
      body(first, n - first < row.length() ? n - first : row.length());
    }
  });
}

}  // namespace detail

/// Rounds real numbers to TensorFlow's grid, with a range that is a constant.
/// Formula:   math.md 73, 74 with t = fl32((c - lo') * inverse); NaN stays NaN
/// Shapes:    x, y any, of one size
/// Units:     x, y, range real
/// Rounding:  half up, decided on the distance from the range's lower end
/// Errors:    Errc::range if min >= max (as TensorFlow; the range 0..0 too), an end is NaN or infinite (TensorFlow
///            gives NaN), the scale is subnormal (TensorFlow flushes it), or the bits are not 2 to 16; Errc::shape if
///            sizes differ
/// Source:    TensorFlow 2.21, tensorflow/core/kernels/fake_quant_ops_functor.h (golden set tf_fake_quant)
inline void fake_quant_with_min_max_args(std::span<const float> x, const Range& range, const MinMaxOptions& options,
                                         std::span<float> y) {
  constexpr auto op = "fake_quant_with_min_max_args";
  require(range.lo < range.hi, Errc::range, "{}: min {} must be less than max {}", op, range.lo, range.hi);
  detail::check_sizes(op, x.size(), y.size());
  detail::fake_quant<false>(detail::nudge(op, range, options), x, y);
}

/// Gradient of it.
/// Gradient:  dx = dy where lo' <= x <= hi', else 0; not the derivative (STE). Decided on x, not on its code
/// Errors:    as forward
/// Source:    as forward
inline void fake_quant_with_min_max_args_backward(std::span<const float> x, std::span<const float> dy,
                                                  const Range& range, const MinMaxOptions& options,
                                                  std::span<float> dx) {
  constexpr auto op = "fake_quant_with_min_max_args_backward";
  require(range.lo < range.hi, Errc::range, "{}: min {} must be less than max {}", op, range.lo, range.hi);
  detail::check_sizes(op, x.size(), dy.size());
  detail::check_sizes(op, x.size(), dx.size());
  detail::fake_quant_backward(detail::nudge(op, range, options), x, dy, dx);
}

/// Rounds real numbers to TensorFlow's grid, with a range that is trained.
/// Formula:   math.md 73, 74 with t = fl32((c - lo') / s): a division, so not the same bits as _args. The range 0..0
///            gives y = 0; NaN stays NaN otherwise
/// Shapes:    x, y any, of one size
/// Rounding:  half up, decided on the distance from the range's lower end
/// Errors:    Errc::range if min > max or min = max other than 0 (TensorFlow computes on, with NaN for min = max), an
///            end is NaN or infinite, the scale is subnormal, or the bits are not 2 to 16; Errc::shape if sizes differ
/// Source:    TensorFlow 2.21, tensorflow/core/kernels/fake_quant_ops_functor.h (golden set tf_fake_quant)
inline void fake_quant_with_min_max_vars(std::span<const float> x, const Range& range, const MinMaxOptions& options,
                                         std::span<float> y) {
  constexpr auto op = "fake_quant_with_min_max_vars";
  detail::check_sizes(op, x.size(), y.size());
  detail::fake_quant<true>(detail::nudge(op, range, options), x, y);
}

/// Gradient of it; returns that of the range.
/// Gradient:  dx = dy where lo' <= x <= hi', else 0; dmin = sum of dy where x < lo', dmax where x > hi'; not the
///            derivative (STE). For the range 0..0: dx = dy, dmin = dmax = 0
/// Errors:    as forward
/// Source:    as forward
inline RangeGradient fake_quant_with_min_max_vars_backward(std::span<const float> x, std::span<const float> dy,
                                                           const Range& range, const MinMaxOptions& options,
                                                           std::span<float> dx) {
  constexpr auto op = "fake_quant_with_min_max_vars_backward";
  detail::check_sizes(op, x.size(), dy.size());
  detail::check_sizes(op, x.size(), dx.size());
  const detail::Nudged r = detail::nudge(op, range, options);
  const RangeGradient gradient = detail::range_gradient(r, x, dy);  // before dx, which may be dy
  detail::fake_quant_backward(r, x, dy, dx);
  return gradient;
}

/// The same with one range per channel of the last dimension.
/// Formula:   as fake_quant_with_min_max_vars, but t = fl32((c - lo') * inverse), as _args
/// Shapes:    x, y [.., C] with C ranges
/// Rounding:  half up
/// Errors:    as fake_quant_with_min_max_vars; Errc::shape if C does not divide the number of elements
/// Source:    TensorFlow 2.21, tensorflow/core/kernels/fake_quant_ops_functor.h (golden set tf_fake_quant)
inline void fake_quant_with_min_max_vars_per_channel(std::span<const float> x, std::span<const Range> ranges,
                                                     const MinMaxOptions& options, std::span<float> y) {
  constexpr auto op = "fake_quant_with_min_max_vars_per_channel";
  detail::check_sizes(op, x.size(), y.size());
  const detail::NudgedRow row(op, x.size(), ranges, options);
  detail::over_rows(row, x.size(), [&](std::int64_t first, std::int64_t n) {
    row.forward(x.data() + first, n, y.data() + first);
  });
}

/// Gradient of it.
/// Gradient:  as fake_quant_with_min_max_vars_backward, per channel
/// Shapes:    x, dy, dx [.., C] -> one RangeGradient per channel
/// Errors:    as forward
/// Source:    as forward
inline std::vector<RangeGradient> fake_quant_with_min_max_vars_per_channel_backward(std::span<const float> x,
                                                                                    std::span<const float> dy,
                                                                                    std::span<const Range> ranges,
                                                                                    const MinMaxOptions& options,
                                                                                    std::span<float> dx) {
  constexpr auto op = "fake_quant_with_min_max_vars_per_channel_backward";
  detail::check_sizes(op, x.size(), dy.size());
  detail::check_sizes(op, x.size(), dx.size());
  const detail::NudgedRow row(op, x.size(), ranges, options);
  const std::size_t channels = ranges.size();
  std::vector<double> lo(channels), hi(channels);
  for (std::size_t i = 0; i < x.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) {
      const detail::Nudged& r = row.channels()[c];
      if (r.scale == 0.0f) continue;
      if (x[i + c] < r.lo) lo[c] += static_cast<double>(dy[i + c]);
      if (x[i + c] > r.hi) hi[c] += static_cast<double>(dy[i + c]);
    }
  }
  detail::over_rows(row, x.size(), [&](std::int64_t first, std::int64_t n) {
    row.backward(x.data() + first, dy.data() + first, n, dx.data() + first);
  });
  std::vector<RangeGradient> gradients(channels);
  for (std::size_t c = 0; c < channels; ++c) gradients[c] = {static_cast<float>(lo[c]), static_cast<float>(hi[c])};
  return gradients;
}

}  // namespace stet
