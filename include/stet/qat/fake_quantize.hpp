#pragma once
// Quantization on the tape, with a straight-through gradient: quantize, dequantize, fake_quantize.

#include <stet/qat/estimator.hpp>
#include <stet/qat/qvar.hpp>
#include <stet/quant/scheme.hpp>

#include <concepts>
#include <cstdint>
#include <tuple>
#include <utility>

namespace stet {

namespace detail {

// A learned range (qat/learned_range.hpp), which has overloads of its own.
template <class R>
concept HasParameters = requires(R& r) { r.parameters(); };

// Codes of x by a scheme, and what the estimator keeps; pass bits are made in any case and dropped if not needed.
template <class S, class E>
Tensor<CodeOf<S>> encode_kept(const Tensor<float>& x, const QParams& p, const S& scheme, const E& estimator,
                              Kept& kept) {
  Tensor<CodeOf<S>> codes(x.shape());
  Tensor<std::uint32_t> pass(Shape{bit_words(x.size())});
  scheme.encode(x.span(), x.shape(), p, estimator.mask(), codes.edit(), pass.edit());
  if (needs_mask(estimator)) kept.pass = std::move(pass);
  if (needs_input(estimator)) kept.x = x;
  return codes;
}

template <class S, class E>
Var<Tensor<float>> fake_quantize_by(const Var<Tensor<float>>& x, const QParams& p, const S& scheme,
                                    const E& estimator) {
  Kept kept;
  const Tensor<CodeOf<S>> codes = encode_kept(x.value(), p, scheme, estimator, kept);
  Tensor<float> y(x.shape());
  scheme.decode(codes.span(), x.shape(), p, y.edit());
  return record(std::move(y), std::tie(x), [kept = std::move(kept), p, estimator](const Tensor<float>& dy, auto dx) {
    if (dx.wanted()) dx.add(estimator.pull(dy, kept, p).dx);
  });
}

}  // namespace detail

/// Rounds a value on the tape to what its codes stand for, with parameters chosen from its own range or values.
/// Formula:   y = decode(encode(x)), parameters scheme_qparams(scheme, x)
/// Shapes:    x -> y of the same shape
/// Rounding:  as the scheme's encode
/// Gradient:  the estimator's; not the derivative (STE). Nothing flows through the parameters
/// Errors:    Errc::range if x has values that are NaN or infinite; Errc::state if x is empty
template <class S, class E = ClippedSte>
  requires(!std::same_as<S, QParams> && !detail::HasParameters<S>)
Var<Tensor<float>> fake_quantize(const Var<Tensor<float>>& x, const S& scheme, const E& estimator = {}) {
  if constexpr (check_scheme<S>() && check_estimator<E>()) {
    const QParams p = scheme_qparams(scheme, x.value().span(), x.value().shape());
    return detail::fake_quantize_by(x, p, scheme, estimator);
  }
}

/// The same with given parameters, affine.
/// Formula:   y = s * (clamp(z + rne(x * (1/s)), n, p) - z)
/// Errors:    as fake_quantize on tensors
template <class E = ClippedSte>
Var<Tensor<float>> fake_quantize(const Var<Tensor<float>>& x, const QParams& p, const E& estimator = {}) {
  if constexpr (check_estimator<E>()) {
    if (p.grid.fits_int8()) return detail::fake_quantize_by(x, p, AffineCodes<std::int8_t>(), estimator);
    return detail::fake_quantize_by(x, p, AffineCodes<std::int32_t>(), estimator);
  }
}

/// Makes codes of a value on the tape; products on codes take them from here.
/// Formula:   code = clamp(z + rne(x * (1/s)), n, p)
/// Rounding:  half to even
/// Gradient:  the estimator's, from the gradient of the value that the codes stand for; not the derivative (STE)
/// Errors:    Errc::range if the grid does not fit 8 bits; otherwise as quantize on tensors
template <class E = ClippedSte>
Var<QTensor> quantize(const Var<Tensor<float>>& x, const QParams& p, const E& estimator = {}) {
  if constexpr (check_estimator<E>()) {
    Kept kept;
    QTensor q{detail::encode_kept(x.value(), p, AffineCodes<std::int8_t>(), estimator, kept), p};
    return record(std::move(q), std::tie(x), [kept = std::move(kept), p, estimator](const Tensor<float>& dy, auto dx) {
      if (dx.wanted()) dx.add(estimator.pull(dy, kept, p).dx);
    });
  }
}

/// Reads codes on the tape.
/// Formula:   y = s * (code - z)
/// Gradient:  dq = dy: gradients of codes are in real units
inline Var<Tensor<float>> dequantize(const Var<QTensor>& q) {
  return record(dequantize(q.value()), std::tie(q), [](const Tensor<float>& dy, auto dq) { dq.add(dy); });
}

}  // namespace stet
