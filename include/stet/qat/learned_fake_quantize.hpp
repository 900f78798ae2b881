#pragma once
// Fake quantization on the tape with a range that learns.

#include <stet/qat/fake_quantize.hpp>
#include <stet/qat/learned_range.hpp>

#include <tuple>
#include <utility>

namespace stet {

/// Rounds a value on the tape to what its codes stand for, with the range's scale and zero point, and trains the range.
/// Parameters beyond their limits are brought back first. The range must outlive the tape, and its parameters must not
/// change before backward.
/// Formula:   y = s * (clamp(z + rne(x * (1/s)), n, p) - z), s and z range.qparams()
/// Shapes:    x -> y of the same shape
/// Rounding:  half to even
/// Gradient:  dx: the estimator's, from dy. The range's parameters: fake_quantize_scale_backward by range.rule(), then
///            range.pull; nothing is computed for a range without parameters. Not the derivative (STE)
/// Errors:    those of the range (Errc::state before it was initialized, Errc::range if a parameter is NaN) and of
///            fake_quantize on tensors; in backward Errc::range if a gradient is NaN or infinite
template <class R, class E>
  requires detail::HasParameters<R>
Var<Tensor<float>> fake_quantize(const Var<Tensor<float>>& x, R& range, const E& estimator) {
  if constexpr (check_learned_range<R>() && check_estimator<E>()) {
    range.clamp_parameters();
    const QParams p = range.qparams();
    if (range.parameters().empty()) return fake_quantize(x, p, estimator);
    Kept kept;
    Tensor<float> y(x.shape());
    const auto through_codes = [&]<class Code>(const AffineCodes<Code>& affine) {
      const Tensor<Code> codes = detail::encode_kept(x.value(), p, affine, estimator, kept);
      affine.decode(codes.span(), x.shape(), p, y.edit());
    };
    if (p.grid.fits_int8()) {
      through_codes(AffineCodes<std::int8_t>());
    } else {
      through_codes(AffineCodes<std::int32_t>());
    }
    // Stands for the parameters: record() keeps what no input wants a gradient of off the tape, and x may want none.
    const Var<Tensor<float>> learns = x.tape().variable(Tensor<float>());
    return record(
        std::move(y), std::tie(x, learns),
        [kept = std::move(kept), p, estimator, x = x.value(), range = &range](const Tensor<float>& dy, auto dx, auto) {
          const ScaleGradients d = fake_quantize_scale_backward(x.span(), dy.span(), x.shape(), p, range->rule());
          range->pull(d.scale, d.zero_point);
          if (dx.wanted()) dx.add(estimator.pull(dy, kept, p).dx);
        });
  }
}
/// The same with the clipped straight-through estimator, whose mask is the range's.
template <class R>
  requires detail::HasParameters<R>
Var<Tensor<float>> fake_quantize(const Var<Tensor<float>>& x, R& range) {
  if constexpr (check_learned_range<R>()) return fake_quantize(x, range, ClippedSte{range.rule().mask});
}
/// With a range that is const: for evaluation, the range learns nothing.
/// Errors:    those of range.qparams() and of fake_quantize on tensors
template <class R, class E>
  requires detail::HasParameters<R>
Var<Tensor<float>> fake_quantize(const Var<Tensor<float>>& x, const R& range, const E& estimator) {
  if constexpr (check_learned_range<R>()) return fake_quantize(x, range.qparams(), estimator);
}
template <class R>
  requires detail::HasParameters<R>
Var<Tensor<float>> fake_quantize(const Var<Tensor<float>>& x, const R& range) {
  if constexpr (check_learned_range<R>()) return fake_quantize(x, range.qparams(), ClippedSte{range.rule().mask});
}

}  // namespace stet
