#pragma once
// quantize: real numbers to codes; dequantize: codes to real numbers.

#include <stet/quant/code_loop.hpp>
#include <stet/quant/qtensor.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

namespace stet {

/// Where a code is rounded. They differ on ties with an odd zero point, and on near-ties because adding the zero point
/// drops low bits.
/// Source:    shift_then_round, fused: PyTorch 2.13, quantize_per_channel / quantize_per_tensor (golden set quantize)
enum class CodeRounding {
  round_then_shift,       ///< z + rne(x * (1/s)): the rule of stet, the same as in fake_quantize
  shift_then_round,       ///< rne(x * (1/s) + z): PyTorch's quantize_per_channel, and per tensor with 32 bits
  fused_shift_then_round  ///< rne(fma(x, 1/s, z)): PyTorch's quantize_per_tensor with 8 bits
};

namespace detail {

template <class Code>
void check_container(const char* op, const Grid& grid) {
  using Limits = std::numeric_limits<Code>;
  require(std::int64_t{grid.lo} >= Limits::min() && std::int64_t{grid.hi} <= Limits::max(), Errc::range,
          "{}: the grid {}..{} does not fit codes of {}..{}", op, grid.lo, grid.hi, std::int64_t{Limits::min()},
          std::int64_t{Limits::max()});
}

template <class T, class Code>
void make_codes(std::span<const T> x, const Shape& shape, const QParams& p, std::span<Code> codes) {
  check_codes("quantize", shape, p, x.size(), codes.size());
  check_container<Code>("quantize", p.grid);
  const T* from = x.data();
  Code* to = codes.data();
  code_loop<T>(shape, p, [=](std::int64_t first, std::int64_t count, auto rules) {
    const T* __restrict in = from + first;
    Code* __restrict out = to + first;
    lanes(count, [=](std::int64_t i) {
      const CodeRule<T> r = rules(i);
      out[i] = static_cast<Code>(static_cast<std::int32_t>(steps_inside(in[i], r)) + r.zero_point);
    });
  });
}

// The other two roundings, one element at a time: they exist to reproduce PyTorch, not to be fast.
template <class Code>
void make_codes(std::span<const float> x, const Shape& shape, const QParams& p, std::span<Code> codes,
                CodeRounding rounding) {
  if (rounding == CodeRounding::round_then_shift) return make_codes(x, shape, p, codes);
  require(static_cast<std::int64_t>(x.size()) == shape.elements() && x.size() == codes.size(), Errc::shape,
          "quantize: shape {} has {} elements, input has {}, output {}", shape, shape.elements(), x.size(),
          codes.size());
  check("quantize", p, shape);
  check_container<Code>("quantize", p.grid);
  const ScaleMap map = scale_map(p.granularity, shape);
  const auto lo = static_cast<double>(p.grid.lo);
  const auto hi = static_cast<double>(p.grid.hi);
  map.runs(shape.elements(), [&](std::size_t k, std::int64_t first, std::int64_t last) {
    const float inverse = 1.0f / p.scale[k];
    const auto zero = static_cast<float>(p.zero_point[k]);
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
      const float shifted = rounding == CodeRounding::fused_shift_then_round ? std::fma(x[i], inverse, zero)
                                                                             : rounded_product(x[i], inverse) + zero;
      const auto q = static_cast<double>(round_half_even(shifted));
      codes[i] = static_cast<Code>(q > lo ? (q < hi ? q : hi) : lo);
    }
  });
}

template <class T, class Code>
void read_codes(std::span<const Code> codes, const Shape& shape, const QParams& p, std::span<T> y) {
  require(static_cast<std::int64_t>(codes.size()) == shape.elements() && codes.size() == y.size(), Errc::shape,
          "dequantize: shape {} has {} elements, input has {}, output {}", shape, shape.elements(), codes.size(),
          y.size());
  check("dequantize", p, shape);
  const Code* from = codes.data();
  T* to = y.data();
  using Wide = std::conditional_t<sizeof(Code) < 4, std::int32_t, std::int64_t>;
  code_loop<T>(shape, p, [=](std::int64_t first, std::int64_t count, auto rules) {
    const Code* __restrict in = from + first;
    T* __restrict out = to + first;
    lanes(count, [=](std::int64_t i) {
      const CodeRule<T> r = rules(i);
      out[i] = static_cast<T>(Wide{in[i]} - Wide{r.zero_point}) * r.scale;
    });
  });
}

}  // namespace detail

/// Makes codes from real numbers.
/// Formula:   code = clamp(z + rne(x * (1/s)), n, p); NaN gives n, infinities saturate
/// Shapes:    x, codes of `shape` (flat without it); p has one scale per tensor, channel or group of it
/// Units:     x real; s real per step; codes, z, n, p in steps
/// Rounding:  half to even, where CodeRounding says
/// Errors:    Errc::shape if sizes do not fit; Errc::range if a scale or zero point is invalid (see check) or the grid
///            does not fit the codes' type
/// Source:    PyTorch 2.13, fake_quantize_per_tensor_affine (golden sets fake_quant_per_tensor, fake_quant_per_channel)
inline void quantize(std::span<const float> x, const Shape& shape, const QParams& p, std::span<std::int8_t> codes,
                     CodeRounding rounding = CodeRounding::round_then_shift) {
  detail::make_codes(x, shape, p, codes, rounding);
}
inline void quantize(std::span<const float> x, const Shape& shape, const QParams& p, std::span<std::uint8_t> codes,
                     CodeRounding rounding = CodeRounding::round_then_shift) {
  detail::make_codes(x, shape, p, codes, rounding);
}
inline void quantize(std::span<const float> x, const Shape& shape, const QParams& p, std::span<std::int16_t> codes,
                     CodeRounding rounding = CodeRounding::round_then_shift) {
  detail::make_codes(x, shape, p, codes, rounding);
}
inline void quantize(std::span<const float> x, const Shape& shape, const QParams& p, std::span<std::int32_t> codes,
                     CodeRounding rounding = CodeRounding::round_then_shift) {
  detail::make_codes(x, shape, p, codes, rounding);
}
inline void quantize(std::span<const double> x, const Shape& shape, const QParams& p, std::span<std::int32_t> codes) {
  detail::make_codes(x, shape, p, codes);
}
inline void quantize(std::span<const float> x, const QParams& p, std::span<std::int8_t> codes,
                     CodeRounding rounding = CodeRounding::round_then_shift) {
  detail::make_codes(x, detail::flat(x.size()), p, codes, rounding);
}
inline void quantize(std::span<const float> x, const QParams& p, std::span<std::uint8_t> codes,
                     CodeRounding rounding = CodeRounding::round_then_shift) {
  detail::make_codes(x, detail::flat(x.size()), p, codes, rounding);
}
inline void quantize(std::span<const float> x, const QParams& p, std::span<std::int16_t> codes,
                     CodeRounding rounding = CodeRounding::round_then_shift) {
  detail::make_codes(x, detail::flat(x.size()), p, codes, rounding);
}
inline void quantize(std::span<const float> x, const QParams& p, std::span<std::int32_t> codes,
                     CodeRounding rounding = CodeRounding::round_then_shift) {
  detail::make_codes(x, detail::flat(x.size()), p, codes, rounding);
}
inline void quantize(std::span<const double> x, const QParams& p, std::span<std::int32_t> codes) {
  detail::make_codes(x, detail::flat(x.size()), p, codes);
}
inline QTensor quantize(const Tensor<float>& x, const QParams& p,
                        CodeRounding rounding = CodeRounding::round_then_shift) {
  QTensor q{Tensor<std::int8_t>(x.shape()), p};
  detail::make_codes(x.span(), x.shape(), p, q.codes.edit(), rounding);
  return q;
}

/// Makes real numbers from codes.
/// Formula:   y = s * (code - z), formed as an integer difference and one float product
/// Shapes:    codes, y of `shape` (flat without it); p has one scale per tensor, channel or group of it
/// Units:     codes, z in steps; y real
/// Errors:    Errc::shape if sizes do not fit; Errc::range if a scale or zero point is invalid
inline void dequantize(std::span<const std::int8_t> codes, const Shape& shape, const QParams& p, std::span<float> y) {
  detail::read_codes(codes, shape, p, y);
}
inline void dequantize(std::span<const std::uint8_t> codes, const Shape& shape, const QParams& p, std::span<float> y) {
  detail::read_codes(codes, shape, p, y);
}
inline void dequantize(std::span<const std::int16_t> codes, const Shape& shape, const QParams& p, std::span<float> y) {
  detail::read_codes(codes, shape, p, y);
}
inline void dequantize(std::span<const std::int32_t> codes, const Shape& shape, const QParams& p, std::span<float> y) {
  detail::read_codes(codes, shape, p, y);
}
inline void dequantize(std::span<const std::int32_t> codes, const Shape& shape, const QParams& p, std::span<double> y) {
  detail::read_codes(codes, shape, p, y);
}
inline void dequantize(std::span<const std::int8_t> codes, const QParams& p, std::span<float> y) {
  detail::read_codes(codes, detail::flat(codes.size()), p, y);
}
inline void dequantize(std::span<const std::uint8_t> codes, const QParams& p, std::span<float> y) {
  detail::read_codes(codes, detail::flat(codes.size()), p, y);
}
inline void dequantize(std::span<const std::int16_t> codes, const QParams& p, std::span<float> y) {
  detail::read_codes(codes, detail::flat(codes.size()), p, y);
}
inline void dequantize(std::span<const std::int32_t> codes, const QParams& p, std::span<float> y) {
  detail::read_codes(codes, detail::flat(codes.size()), p, y);
}
inline void dequantize(std::span<const std::int32_t> codes, const QParams& p, std::span<double> y) {
  detail::read_codes(codes, detail::flat(codes.size()), p, y);
}
inline Tensor<float> dequantize(const QTensor& q) {
  Tensor<float> y(q.shape());
  detail::read_codes(q.codes.span(), q.shape(), q.params, y.edit());
  return y;
}

}  // namespace stet
