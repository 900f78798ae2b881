#pragma once
// fake_quantize: real numbers through the grid and back; encode: the codes together with the mask of the gradient.

#include <stet/quant/encode_loop.hpp>
#include <stet/quant/qtensor.hpp>

#include <cstdint>
#include <limits>
#include <span>

namespace stet {

namespace detail {

template <class T>
void through_grid(std::span<const T> x, const Shape& shape, const QParams& p, std::span<T> y) {
  check_codes("fake_quantize", shape, p, x.size(), y.size());
  const T* from = x.data();
  T* to = y.data();
  code_loop<T>(shape, p, [=](std::int64_t first, std::int64_t count, auto rules) {
    const T* in = from + first;
    T* out = to + first;
    lanes(count, [=](std::int64_t i) {
      const CodeRule<T> r = rules(i);
      out[i] = steps_inside(in[i], r) * r.scale;
    });
  });
}

template <class T>
void mask_gradient(std::span<const T> x, std::span<const T> dy, const Shape& shape, const QParams& p, std::span<T> dx,
                   ClipMask mask) {
  check_codes("fake_quantize_backward", shape, p, x.size(), dx.size());
  require(dy.size() == x.size(), Errc::shape, "fake_quantize_backward: x has {} elements, dy has {}", x.size(),
          dy.size());
  const T* from = x.data();
  const T* gradient = dy.data();
  T* to = dx.data();
  with_mask(mask, [&](auto policy) {
    code_loop<T>(shape, p, [=](std::int64_t first, std::int64_t count, auto rules) {
      const T* in = from + first;
      const T* g = gradient + first;
      T* out = to + first;
      lanes(count, [=](std::int64_t i) {
        const CodeRule<T> r = rules(i);
        const T passed = g[i];
        out[i] = passes<decltype(policy)::value>(in[i], rounded_steps(in[i], r), r) ? passed : T{0};
      });
    });
  });
}

template <class Code>
void make_codes_and_mask(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask,
                         std::span<Code> codes, std::span<std::uint32_t> pass) {
  check_codes("encode", shape, p, x.size(), codes.size());
  using Limits = std::numeric_limits<Code>;
  require(p.grid.lo >= Limits::min() && p.grid.hi <= Limits::max(), Errc::range,
          "encode: the grid {}..{} does not fit codes of {}..{}", p.grid.lo, p.grid.hi, int{Limits::min()},
          int{Limits::max()});
  require(static_cast<std::int64_t>(pass.size()) == bit_words(shape.elements()), Errc::shape,
          "encode: {} elements need {} words of pass bits, got {}", x.size(), bit_words(shape.elements()), pass.size());
  with_mask(mask, [&](auto policy) {
    encode_loop<Code>(x, shape, p, codes, pass, [](float in, const CodeRule<float>& r, Code& code) {
      const float v = rounded_steps(in, r);
      code = static_cast<Code>(static_cast<std::int32_t>(clamped_steps(v, r)) + r.zero_point);
      return static_cast<std::uint8_t>(passes<decltype(policy)::value>(in, v, r));
    });
  });
}

}  // namespace detail

/// Rounds real numbers to the values that their codes stand for; the same bits as dequantize(quantize(x)).
/// Formula:   y = s * (clamp(z + rne(x * (1/s)), n, p) - z); NaN gives s * (n - z), infinities saturate
/// Shapes:    x, y of `shape` (flat without it); p has one scale per tensor, channel or group of it; y may be x
/// Units:     x, y real; s real per step; z, n, p in steps
/// Rounding:  half to even
/// Errors:    Errc::shape if sizes do not fit; Errc::range if a scale or zero point is invalid (see check)
/// Source:    PyTorch 2.13, fake_quantize_per_tensor_affine (golden sets fake_quant_per_tensor, fake_quant_per_channel)
inline void fake_quantize(std::span<const float> x, const Shape& shape, const QParams& p, std::span<float> y) {
  detail::through_grid(x, shape, p, y);
}
inline void fake_quantize(std::span<const double> x, const Shape& shape, const QParams& p, std::span<double> y) {
  detail::through_grid(x, shape, p, y);
}
inline void fake_quantize(std::span<const float> x, const QParams& p, std::span<float> y) {
  detail::through_grid(x, detail::flat(x.size()), p, y);
}
inline void fake_quantize(std::span<const double> x, const QParams& p, std::span<double> y) {
  detail::through_grid(x, detail::flat(x.size()), p, y);
}
inline Tensor<float> fake_quantize(const Tensor<float>& x, const QParams& p) {
  Tensor<float> y(x.shape());
  detail::through_grid(x.span(), x.shape(), p, y.edit());
  return y;
}
inline Tensor<double> fake_quantize(const Tensor<double>& x, const QParams& p) {
  Tensor<double> y(x.shape());
  detail::through_grid(x.span(), x.shape(), p, y.edit());
  return y;
}

/// Gradient of fake_quantize by the clipped straight-through estimator.
/// Gradient:  dx = dy where the mask passes, else 0; not the derivative (STE)
/// Shapes:    x, dy, dx of `shape` (flat without it); dx may be dy
/// Errors:    Errc::shape if sizes do not fit; Errc::range if a scale or zero point is invalid (see check)
/// Source:    Bengio 2013, arXiv 1308.3432; the masks: see ClipMask
inline void fake_quantize_backward(std::span<const float> x, std::span<const float> dy, const Shape& shape,
                                   const QParams& p, std::span<float> dx, ClipMask mask = ClipMask::rounded_inclusive) {
  detail::mask_gradient(x, dy, shape, p, dx, mask);
}
inline void fake_quantize_backward(std::span<const double> x, std::span<const double> dy, const Shape& shape,
                                   const QParams& p, std::span<double> dx,
                                   ClipMask mask = ClipMask::rounded_inclusive) {
  detail::mask_gradient(x, dy, shape, p, dx, mask);
}
inline void fake_quantize_backward(std::span<const float> x, std::span<const float> dy, const QParams& p,
                                   std::span<float> dx, ClipMask mask = ClipMask::rounded_inclusive) {
  detail::mask_gradient(x, dy, detail::flat(x.size()), p, dx, mask);
}
inline void fake_quantize_backward(std::span<const double> x, std::span<const double> dy, const QParams& p,
                                   std::span<double> dx, ClipMask mask = ClipMask::rounded_inclusive) {
  detail::mask_gradient(x, dy, detail::flat(x.size()), p, dx, mask);
}

/// Makes codes and, in the same pass, one bit per element that says whether the gradient passes.
/// Formula:   codes as quantize; bit i % 32 of pass[i / 32] = the mask at x[i]; bits behind the last element are 0
/// Shapes:    x, codes of `shape` (flat without it); pass [bit_words(elements)]
/// Units:     x real; codes in steps
/// Rounding:  half to even
/// Errors:    Errc::shape if sizes do not fit; Errc::range if a scale or zero point is invalid (see check) or the grid
///            does not fit the codes' type
inline void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask,
                   std::span<std::int8_t> codes, std::span<std::uint32_t> pass) {
  detail::make_codes_and_mask(x, shape, p, mask, codes, pass);
}
inline void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask,
                   std::span<std::int16_t> codes, std::span<std::uint32_t> pass) {
  detail::make_codes_and_mask(x, shape, p, mask, codes, pass);
}
inline void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask,
                   std::span<std::int32_t> codes, std::span<std::uint32_t> pass) {
  detail::make_codes_and_mask(x, shape, p, mask, codes, pass);
}
inline void encode(std::span<const float> x, float scale, std::int32_t zero_point, const Grid& grid,
                   std::span<std::int8_t> codes, std::span<std::uint32_t> pass) {
  detail::make_codes_and_mask(x, detail::flat(x.size()), QParams::per_tensor(scale, zero_point, grid),
                              ClipMask::rounded_inclusive, codes, pass);
}

}  // namespace stet
