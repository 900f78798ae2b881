#pragma once
// Requantization: int32 accumulators and biases to int8 codes, as the target does it.

#include <stet/core/bits.hpp>
#include <stet/core/tensor.hpp>
#include <stet/integer/kernel/blocks.hpp>
#include <stet/integer/kernel/isa.hpp>
#include <stet/integer/requantizer.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace stet::integer {

inline namespace STET_INTEGER_ISA {

namespace loops {

using kernel::Block32;
using kernel::block_elements;

// Each rule as a function of a block of sums and its first channel entry: codes minus the zero point, right wherever
// they lie within the bounds and outside them otherwise.
inline auto requantization(const Requantizer& r,
                           std::integral_constant<Requantization, Requantization::float_half_even>) {
  const auto below = static_cast<float>(r.bounds.lo - r.zero_point - 1);
  const auto above = static_cast<float>(r.bounds.hi - r.zero_point + 1);
  return [=, scale = r.scale.data()](const Block32& sum, std::int64_t entry, Block32& v) {
    kernel::float_half_even(sum, scale + entry, below, above, v);
  };
}
inline auto requantization(const Requantizer& r,
                           std::integral_constant<Requantization, Requantization::double_rounding>) {
  return [m = r.multiplier.data(), e = r.shift.data()](const Block32& sum, std::int64_t entry, Block32& v) {
    kernel::double_rounding(sum, m + entry, e + entry, v);
  };
}
inline auto requantization(const Requantizer& r,
                           std::integral_constant<Requantization, Requantization::half_away_double>) {
  const auto below = static_cast<double>(r.bounds.lo - r.zero_point - 1);
  const auto above = static_cast<double>(r.bounds.hi - r.zero_point + 1);
  return [=, factor = r.factor.data()](const Block32& sum, std::int64_t entry, Block32& v) {
    kernel::double_half_away(sum, factor + entry, below, above, v);
  };
}

// Rows without a seam: element i uses entry i % period.
template <bool with_pass, Requantization which>
void requantize_flat(const std::int32_t* acc, std::int64_t n, const Requantizer& r, std::int8_t* out,
                     std::uint32_t* pass) {
  const auto rule = requantization(r, std::integral_constant<Requantization, which>());
  const auto period = static_cast<std::int64_t>(r.bias.size());
  const std::int32_t lo = r.bounds.lo - r.zero_point;
  const std::int32_t hi = r.bounds.hi - r.zero_point;
  const std::int32_t least = r.relu ? 1 : std::numeric_limits<std::int32_t>::min();
  Block32 sum, v;
  std::int64_t entry = 0;
  std::int64_t i = 0;
  for (; i + block_elements <= n; i += block_elements) {
    kernel::biased(acc + i, r.bias.data() + entry, sum);
    rule(sum, entry, v);
    if constexpr (with_pass) pass[i / 32] = kernel::within(v, sum, lo, hi, least);
    kernel::store_codes(v, lo, hi, r.zero_point, out + i);
    entry += block_elements;
    if (entry == period) entry = 0;
  }
  if (i < n) {
    Block32 rest{};
    std::copy_n(acc + i, n - i, rest.value);
    kernel::biased(rest.value, r.bias.data() + entry, sum);
    rule(sum, entry, v);
    if constexpr (with_pass) pass[i / 32] = kernel::within(v, sum, lo, hi, least) & ((1u << (n - i)) - 1u);
    std::int8_t codes[block_elements];
    kernel::store_codes(v, lo, hi, r.zero_point, codes);
    std::copy_n(codes, n - i, out + i);
  }
}

template <bool with_pass>
void requantize_dense(const std::int32_t* acc, std::int64_t n, const Requantizer& r, std::int8_t* out,
                      std::uint32_t* pass) {
  switch (r.rule) {
    case Requantization::float_half_even:
      return requantize_flat<with_pass, Requantization::float_half_even>(acc, n, r, out, pass);
    case Requantization::double_rounding:
      return requantize_flat<with_pass, Requantization::double_rounding>(acc, n, r, out, pass);
    case Requantization::half_away_double:
      return requantize_flat<with_pass, Requantization::half_away_double>(acc, n, r, out, pass);
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
