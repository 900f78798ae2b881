#pragma once
// Requantization: int32 accumulators and biases to int8 codes, as the target does it.

#include <stet/core/bits.hpp>
#include <stet/core/tensor.hpp>
#include <stet/integer/kernel/block_set.hpp>
#include <stet/integer/kernel/blocks.hpp>
#include <stet/integer/requantizer.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace stet::integer {

namespace loops {

using kernel::Block32;
using kernel::block_elements;

// Each rule as a function of a block of sums and its first channel entry: codes minus the zero point, right wherever
// they lie within the bounds and outside them otherwise.
template <class Set>
auto float_half_even(Set set, const Requantizer& r) {
  const auto below = static_cast<float>(r.bounds.lo - r.zero_point - 1);
  const auto above = static_cast<float>(r.bounds.hi - r.zero_point + 1);
  return [=, scale = r.scale.data()](const Block32& sum, std::int64_t entry, Block32& v) {
    kernel::float_half_even(set, sum, scale + entry, below, above, v);
  };
}
template <class Set>
auto double_rounding(Set set, const Requantizer& r) {
  return [set, m = r.multiplier.data(), e = r.shift.data()](const Block32& sum, std::int64_t entry, Block32& v) {
    kernel::double_rounding(set, sum, m + entry, e + entry, v);
  };
}
template <class Set>
auto half_away_double(Set, const Requantizer& r) {
  const auto below = static_cast<double>(r.bounds.lo - r.zero_point - 1);
  const auto above = static_cast<double>(r.bounds.hi - r.zero_point + 1);
  return [=, factor = r.factor.data()](const Block32& sum, std::int64_t entry, Block32& v) {
    kernel::double_half_away(sum, factor + entry, below, above, v);
  };
}

// Whole blocks of rows without a seam, the first of which begins at an entry: element i uses entry (entry + i) % period.
// What the loop needs is copied: codes that are written may not change it.
template <class Set, class Rule>
void requantize_blocks(Set set, const std::int32_t* acc, std::int64_t n, const Requantizer& r, const Rule rule,
                       std::int64_t entry, std::int8_t* out, std::uint32_t* pass) {
  const std::int32_t* bias = r.bias.data();
  const std::int32_t z = r.zero_point;
  const auto period = static_cast<std::int64_t>(r.bias.size());
  const std::int32_t lo = r.bounds.lo - z;
  const std::int32_t hi = r.bounds.hi - z;
  const std::int32_t least = r.relu ? 1 : std::numeric_limits<std::int32_t>::min();
  Block32 sum, v;
  for (std::int64_t i = 0; i < n; i += block_elements) {
    kernel::biased(set, acc + i, bias + entry, sum);
    rule(sum, entry, v);
    if (pass != nullptr) *pass++ = kernel::within(set, v, sum, lo, hi, least);
    kernel::store_codes(set, v, lo, hi, z, out + i);
    entry += block_elements;
    if (entry == period) entry = 0;
  }
}
// The same by the commonest rule, where nobody asks which gradients pass.
template <class Set>
void requantize_half_even(Set set, const std::int32_t* acc, std::int64_t n, const Requantizer& r, std::int64_t entry, std::int8_t* out) {
  const auto below = static_cast<float>(r.bounds.lo - r.zero_point), above = static_cast<float>(r.bounds.hi - r.zero_point);
  const std::int32_t* bias = r.bias.data();
  const float* scale = r.scale.data();
  const std::int32_t z = r.zero_point;
  const auto period = static_cast<std::int64_t>(r.bias.size());
  for (std::int64_t i = 0; i < n; i += block_elements) {
    kernel::codes_half_even(set, acc + i, bias + entry, scale + entry, below, above, z, out + i);
    entry += block_elements;
    if (entry == period) entry = 0;
  }
}
inline void requantize_blocks(const std::int32_t* acc, std::int64_t n, const Requantizer& r, std::int64_t entry,
                              std::int8_t* out, std::uint32_t* pass) {
  kernel::with_block_set([=, &r](auto set) {
    if (pass == nullptr && r.rule == Requantization::float_half_even) return requantize_half_even(set, acc, n, r, entry, out);
    switch (r.rule) {
      case Requantization::float_half_even:
        return requantize_blocks(set, acc, n, r, float_half_even(set, r), entry, out, pass);
      case Requantization::double_rounding:
        return requantize_blocks(set, acc, n, r, double_rounding(set, r), entry, out, pass);
      case Requantization::half_away_double:
        return requantize_blocks(set, acc, n, r, half_away_double(set, r), entry, out, pass);
    }
  });
}

inline void requantize_dense(const std::int32_t* acc, std::int64_t n, const Requantizer& r, std::int8_t* out,
                             std::uint32_t* pass) {
  const std::int64_t rest = n % block_elements;
  const std::int64_t end = n - rest;
  requantize_blocks(acc, end, r, 0, out, pass);
  if (rest == 0) return;
  Block32 sums{};
  std::int8_t codes[block_elements];
  std::copy_n(acc + end, rest, sums.value);
  std::uint32_t* word = pass != nullptr ? pass + end / 32 : nullptr;
  requantize_blocks(sums.value, block_elements, r, end % static_cast<std::int64_t>(r.bias.size()), codes, word);
  std::copy_n(codes, rest, out + end);
  if (word != nullptr) *word &= (1u << rest) - 1u;
}

}  // namespace loops

/// Makes codes of accumulators, and says for each element whether a gradient passes if that is wanted.
/// Formula:   code = clamp(round(m[c] * (acc + bias[c])) + z, lo, hi)
///            pass = (not relu or acc + bias[c] > 0) and lo <= round(m[c] * (acc + bias[c])) + z <= hi
/// Shapes:    acc [rows, stride >= channels] -> out [rows, channels], pass [ceil(rows*channels/32)] words if wanted;
///            element i of out is bit i%32 of word i/32, unused bits of the last word are 0
/// Rounding:  as the requantizer's rule
/// Errors:    Errc::shape if the number of channels differs or the stride is smaller
inline void requantize_rows(const std::int32_t* acc, std::int64_t stride, std::int64_t rows, std::int64_t channels,
                            const Requantizer& r, std::int8_t* out, std::uint32_t* pass = nullptr) {
  require(channels == r.channels && stride >= channels, Errc::shape,
          "requantize_rows: {} channels in rows of {}, requantization has {}", channels, stride, r.channels);
  if (stride == channels || rows <= 1) return loops::requantize_dense(acc, rows * channels, r, out, pass);
  Tensor<std::int32_t> dense(Shape{rows, channels});
  std::int32_t* to = dense.edit().data();
  for (std::int64_t row = 0; row < rows; ++row) std::copy_n(acc + row * stride, channels, to + row * channels);
  loops::requantize_dense(to, rows * channels, r, out, pass);
}

/// A sink of accumulators that makes codes of them. It refers to its requantizer.
/// Shapes:    out [all rows, r.channels]
struct CodesSink {
  const Requantizer& r;
  std::int8_t* out;
  void operator()(std::int64_t first_row, std::int64_t rows, const std::int32_t* acc, std::int64_t stride) const {
    requantize_rows(acc, stride, rows, r.channels, r, out + first_row * r.channels);
  }
};

}  // namespace stet::integer
