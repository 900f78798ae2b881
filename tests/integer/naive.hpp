// Straight-from-the-text integer arithmetic for the tests: scalar, __int128 products, no shared code with the library.
#pragma once

#include <stet/core/random.hpp>
#include <stet/core/tensor.hpp>
#include <stet/core/window.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace naive {

using wide = __int128;
using stet::Tensor;

inline stet::Tensor<std::int8_t> random_codes(stet::Rng& rng, const stet::Shape& shape, int lo = -128, int hi = 127) {
  stet::Tensor<std::int8_t> t(shape);
  for (auto& q : t.edit())
    q = static_cast<std::int8_t>(lo + static_cast<int>(rng.below(static_cast<std::uint64_t>(hi - lo + 1))));
  return t;
}

inline wide floor_divide(wide a, wide b) {
  wide q = a / b;
  if (a % b != 0 && (a < 0) != (b < 0)) --q;
  return q;
}
inline wide power_of_two(int e) { return static_cast<wide>(1) << e; }
/// a/b, ties toward plus infinity; b > 0.
inline wide divide_half_up(wide a, wide b) { return floor_divide(2 * a + b, 2 * b); }
/// a/b, ties away from zero; b > 0.
inline wide divide_half_away(wide a, wide b) { return a >= 0 ? divide_half_up(a, b) : -divide_half_up(-a, b); }
/// a/b, ties to even; b > 0.
inline wide divide_half_even(wide a, wide b) {
  const wide q = floor_divide(a, b);
  const wide twice = 2 * (a - q * b);
  if (twice > b || (twice == b && q % 2 != 0)) return q + 1;
  return q;
}

struct Multiplier {
  std::int64_t m = 0;
  int e = 0;
};

/// formats 3.1
inline Multiplier multiplier(double real) {
  if (real == 0) return {};
  int e = 0;
  while (real >= 1.0) real /= 2, ++e;
  while (real < 0.5) real *= 2, --e;
  double scaled = real * 2147483648.0;  // exact
  auto m = static_cast<std::int64_t>(std::floor(scaled));
  if (scaled - static_cast<double>(m) >= 0.5) ++m;
  if (m == std::int64_t{1} << 31) m >>= 1, ++e;
  if (e < -31) return {};
  return {m, e};
}

/// formats 3.2, double rounding: nearest with ties up, then nearest with ties away.
inline wide double_rounding(wide x, Multiplier m) {
  const int left = m.e > 0 ? m.e : 0;
  const int right = m.e > 0 ? 0 : -m.e;
  const wide h = divide_half_up(x * power_of_two(left) * m.m, power_of_two(31));
  return divide_half_away(h, power_of_two(right));
}
inline wide double_half_up(wide x, Multiplier m) {
  const int left = m.e > 0 ? m.e : 0;
  const int right = m.e > 0 ? 0 : -m.e;
  const wide h = divide_half_up(x * power_of_two(left) * m.m, power_of_two(31));
  return divide_half_up(h, power_of_two(right));
}
inline wide single_rounding(wide x, Multiplier m) { return divide_half_up(x * m.m, power_of_two(31 - m.e)); }

inline std::int32_t clamp(wide v, std::int32_t lo, std::int32_t hi) {
  return v < lo ? lo : v > hi ? hi : static_cast<std::int32_t>(v);
}

/// Half to even without the library's or the machine's rounding mode.
inline double half_even(double v) {
  const double lower = std::floor(v);
  const double part = v - lower;
  if (part > 0.5 || (part == 0.5 && std::fmod(lower, 2.0) != 0.0)) return lower + 1;
  return lower;
}
inline double half_away(double v) {
  const double size = std::floor(std::fabs(v));
  const double rounded = std::fabs(v) - size >= 0.5 ? size + 1 : size;
  return v < 0 ? -rounded : rounded;
}

struct Scaled {
  wide m = 0;
  int e = 0;
};
/// v as an integer times a power of two.
inline Scaled scaled(float v) {
  int e = 0;
  const float f = std::frexp(v, &e);
  return {static_cast<wide>(static_cast<std::int64_t>(std::ldexp(static_cast<double>(f), 24))), e - 24};
}
/// m * 2^e rounded to 24 significant bits, half to even; no overflow, no subnormal numbers.
inline float to_float(Scaled v) {
  while (v.m >= power_of_two(25) || v.m <= -power_of_two(25)) {
    int drop = 1;
    while (v.m / power_of_two(drop) >= power_of_two(24) || v.m / power_of_two(drop) <= -power_of_two(24)) ++drop;
    v = {divide_half_even(v.m, power_of_two(drop)), v.e + drop};
  }
  if (v.m >= power_of_two(24) || v.m <= -power_of_two(24)) v = {divide_half_even(v.m, 2), v.e + 1};
  return static_cast<float>(std::ldexp(static_cast<double>(static_cast<std::int64_t>(v.m)), v.e));
}
/// a*b + c rounded once, from integers; a must be a small integer or a scale, exponents at most 60 apart.
inline float fused(float a, float b, float c) {
  const Scaled x = scaled(a), y = scaled(b), z = scaled(c);
  if (x.m * y.m == 0) return c;
  if (z.m == 0) return to_float({x.m * y.m, x.e + y.e});
  const int e = std::min(x.e + y.e, z.e);
  return to_float({x.m * y.m * power_of_two(x.e + y.e - e) + z.m * power_of_two(z.e - e), e});
}

/// Accumulators of a convolution; codes [O,kh,kw,I/g], x [N,H,W,I].
inline std::vector<std::int64_t> convolution(const Tensor<std::int8_t>& x, int z, const Tensor<std::int8_t>& codes,
                                             std::int64_t groups, const stet::Window& w) {
  const auto& s = x.shape();
  const std::int64_t outputs = codes.shape()[0];
  const std::int64_t inputs = codes.shape()[3];
  std::vector<std::int64_t> acc;
  for (std::int64_t n = 0; n < s[0]; ++n)
    for (std::int64_t y = 0; y < w.h.out; ++y)
      for (std::int64_t c = 0; c < w.w.out; ++c)
        for (std::int64_t o = 0; o < outputs; ++o) {
          const std::int64_t g = o / (outputs / groups);
          std::int64_t sum = 0;
          for (std::int64_t ky = 0; ky < w.h.kernel; ++ky)
            for (std::int64_t kx = 0; kx < w.w.kernel; ++kx) {
              const std::int64_t iy = y * w.h.stride + ky * w.h.dilation - w.h.before;
              const std::int64_t ix = c * w.w.stride + kx * w.w.dilation - w.w.before;
              if (iy < 0 || iy >= s[1] || ix < 0 || ix >= s[2]) continue;
              for (std::int64_t i = 0; i < inputs; ++i)
                sum += (x[((n * s[1] + iy) * s[2] + ix) * s[3] + g * inputs + i] - z) *
                       codes[((o * w.h.kernel + ky) * w.w.kernel + kx) * inputs + i];
            }
          acc.push_back(sum);
        }
  return acc;
}

/// Accumulators of a depthwise convolution; codes [1,kh,kw,C*m], x [N,H,W,C].
inline std::vector<std::int64_t> depthwise(const Tensor<std::int8_t>& x, int z, const Tensor<std::int8_t>& codes,
                                           const stet::Window& w) {
  const auto& s = x.shape();
  const std::int64_t outputs = codes.shape()[3];
  const std::int64_t multiplier = outputs / s[3];
  std::vector<std::int64_t> acc;
  for (std::int64_t n = 0; n < s[0]; ++n)
    for (std::int64_t y = 0; y < w.h.out; ++y)
      for (std::int64_t c = 0; c < w.w.out; ++c)
        for (std::int64_t o = 0; o < outputs; ++o) {
          std::int64_t sum = 0;
          for (std::int64_t ky = 0; ky < w.h.kernel; ++ky)
            for (std::int64_t kx = 0; kx < w.w.kernel; ++kx) {
              const std::int64_t iy = y * w.h.stride + ky * w.h.dilation - w.h.before;
              const std::int64_t ix = c * w.w.stride + kx * w.w.dilation - w.w.before;
              if (iy < 0 || iy >= s[1] || ix < 0 || ix >= s[2]) continue;
              sum += (x[((n * s[1] + iy) * s[2] + ix) * s[3] + o / multiplier] - z) *
                     codes[(ky * w.w.kernel + kx) * outputs + o];
            }
          acc.push_back(sum);
        }
  return acc;
}

}  // namespace naive
