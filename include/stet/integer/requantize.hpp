#pragma once
// Requantization: int32 accumulators and biases to int8 codes, as the target does it.

#include <stet/core/rounding.hpp>
#include <stet/core/tensor.hpp>
#include <stet/integer/kernel/isa.hpp>
#include <stet/integer/pass_bits.hpp>
#include <stet/integer/requantizer.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace stet::integer {

inline namespace STET_INTEGER_ISA {

namespace loops {

// acc + bias modulo 2^32: exact under check_accumulators, and defined for any input.
inline std::int32_t biased(std::int32_t acc, std::int32_t bias) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(acc) + static_cast<std::uint32_t>(bias));
}

// Each rule as a function of element and channel entry: the code minus the zero point, cut one step outside the bounds.
struct FloatHalfEven {
  const float* scale;
  float below, above;
  explicit FloatHalfEven(const Requantizer& r)
      : scale(r.scale.data()),
        below(static_cast<float>(r.bounds.lo - r.zero_point - 1)),
        above(static_cast<float>(r.bounds.hi - r.zero_point + 1)) {}
  std::int32_t operator()(std::int32_t sum, std::int64_t entry) const {
    float v = static_cast<float>(sum) * scale[entry];
    v = v < below ? below : v;
    v = v > above ? above : v;
    return static_cast<std::int32_t>(round_half_even_small(v));
  }
};

struct DoubleRounding {
  const std::int32_t* multiplier;
  const std::int32_t* shift;
  std::int32_t below, above;
  explicit DoubleRounding(const Requantizer& r)
      : multiplier(r.multiplier.data()),
        shift(r.shift.data()),
        below(r.bounds.lo - r.zero_point - 1),
        above(r.bounds.hi - r.zero_point + 1) {}
  std::int32_t operator()(std::int32_t sum, std::int64_t entry) const {
    const std::int32_t e = shift[entry];
    const std::int32_t left = e > 0 ? e : 0;
    const std::int32_t right = left - e;
    const auto x = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum) << left);
    const auto h =
        static_cast<std::int32_t>((static_cast<std::int64_t>(x) * multiplier[entry] + (std::int64_t{1} << 30)) >> 31);
    const auto mask = static_cast<std::int32_t>((1u << right) - 1u);
    const std::int32_t up = (h & mask) > (mask >> 1) + (h < 0 ? 1 : 0) ? 1 : 0;
    const std::int32_t v = (h >> right) + up;
    return v < below ? below : v > above ? above : v;
  }
};

struct HalfAwayDouble {
  const double* factor;
  std::int32_t below, above;
  explicit HalfAwayDouble(const Requantizer& r)
      : factor(r.factor.data()),
        below(r.bounds.lo - r.zero_point - 1),
        above(r.bounds.hi - r.zero_point + 1) {}
  std::int32_t operator()(std::int32_t sum, std::int64_t entry) const {
    return std::clamp(half_away_double(sum, factor[entry]), below, above);
  }
};

// Rows without a seam: element i uses entry i % period; 32 elements at a time.
template <bool with_pass, class Rule>
void requantize_flat(const std::int32_t* __restrict acc, std::int64_t n, const Requantizer& r, const Rule& rule,
                     std::int8_t* __restrict out, std::uint32_t* pass) {
  const auto period = static_cast<std::int64_t>(r.bias.size());
  const std::int32_t* __restrict bias = r.bias.data();
  const std::int32_t z = r.zero_point;
  const std::int32_t lo = r.bounds.lo - z;
  const std::int32_t hi = r.bounds.hi - z;
  const std::int32_t least = r.relu ? 1 : std::numeric_limits<std::int32_t>::min();
  std::int64_t entry = 0;
  const auto one = [&](std::int64_t i, std::int64_t e, std::uint8_t& flag) {
    const std::int32_t sum = biased(acc[i], bias[e]);
    const std::int32_t v = rule(sum, e);
    if constexpr (with_pass) {
      flag = static_cast<std::uint8_t>(static_cast<int>(v >= lo) & static_cast<int>(v <= hi) &
                                       static_cast<int>(sum >= least));
    }
    const std::int32_t cut = v < lo ? lo : v > hi ? hi : v;
    out[i] = static_cast<std::int8_t>(cut + z);
  };
  std::array<std::uint8_t, 32> flags{};
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (int j = 0; j < 32; ++j) one(i + j, entry + j, flags[static_cast<std::size_t>(j)]);
    if constexpr (with_pass) pass[i / 32] = detail::pack_flags(flags);
    entry += 32;
    if (entry == period) entry = 0;
  }
  if (i < n) {
    flags.fill(0);
    for (int j = 0; i + j < n; ++j) one(i + j, entry + j, flags[static_cast<std::size_t>(j)]);
    if constexpr (with_pass) pass[i / 32] = detail::pack_flags(flags);
  }
}

template <bool with_pass>
void requantize_dense(const std::int32_t* acc, std::int64_t n, const Requantizer& r, std::int8_t* out,
                      std::uint32_t* pass) {
  switch (r.rule) {
    case Requantization::float_half_even: return requantize_flat<with_pass>(acc, n, r, FloatHalfEven(r), out, pass);
    case Requantization::double_rounding: return requantize_flat<with_pass>(acc, n, r, DoubleRounding(r), out, pass);
    case Requantization::half_away_double: return requantize_flat<with_pass>(acc, n, r, HalfAwayDouble(r), out, pass);
  }
}

template <bool with_pass>
void requantize_strided(const std::int32_t* acc, std::int64_t stride, std::int64_t rows, const Requantizer& r,
                        std::int8_t* out, std::uint32_t* pass) {
  if (stride == r.channels || rows <= 1) {
    requantize_dense<with_pass>(acc, rows * r.channels, r, out, pass);
    return;
  }
  Tensor<std::int32_t> dense(Shape{rows, r.channels});
  std::int32_t* to = dense.edit().data();
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(acc + row * stride, r.channels, to + row * r.channels);
  }
  requantize_dense<with_pass>(to, rows * r.channels, r, out, pass);
}

}  // namespace loops

/// Makes codes of accumulators.
/// Formula:   code = clamp(round(m[c] * (acc + bias[c])) + z, lo, hi)
/// Shapes:    acc [rows, stride >= channels] -> out [rows, channels]
/// Rounding:  as the requantizer's rule
/// Errors:    Errc::shape if the number of channels differs or the stride is smaller
inline void requantize_rows(const std::int32_t* acc, std::int64_t stride, std::int64_t rows, std::int64_t channels,
                            const Requantizer& r, std::int8_t* out) {
  require(channels == r.channels && stride >= channels, Errc::shape,
          "requantize_rows: {} channels in rows of {}, requantization has {}", channels, stride, r.channels);
  loops::requantize_strided<false>(acc, stride, rows, r, out, nullptr);
}

/// Makes codes of accumulators and says for each element whether a gradient passes.
/// Formula:   pass = (not relu or acc + bias[c] > 0) and lo <= round(m[c] * (acc + bias[c])) + z <= hi
/// Shapes:    acc [rows, stride >= channels] -> out [rows, channels], pass [ceil(rows*channels/32)] words; element i of
///            out is bit i%32 of word i/32, unused bits of the last word are 0
/// Rounding:  as the requantizer's rule
/// Errors:    Errc::shape if the number of channels differs or the stride is smaller
inline void requantize_rows(const std::int32_t* acc, std::int64_t stride, std::int64_t rows, std::int64_t channels,
                            const Requantizer& r, std::int8_t* out, std::uint32_t* pass) {
  require(channels == r.channels && stride >= channels, Errc::shape,
          "requantize_rows: {} channels in rows of {}, requantization has {}", channels, stride, r.channels);
  loops::requantize_strided<true>(acc, stride, rows, r, out, pass);
}

}  // namespace STET_INTEGER_ISA

}  // namespace stet::integer
