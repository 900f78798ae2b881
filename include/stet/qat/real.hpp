#pragma once
// From reals to codes on the tape, as a target's QUANTIZE makes them.

#include <stet/autograd/tape.hpp>
#include <stet/core/bits.hpp>
#include <stet/integer/input_output.hpp>
#include <stet/qat/output_estimator.hpp>
#include <stet/qat/qvar.hpp>

#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>

namespace stet {

/// Makes codes of a value that was kept in float.
/// Formula:   integer::quantize_input
/// Gradient:  straight-through: dx = dy where x lies within half a step of the codes, else 0; or what an estimator passes
inline Var<QTensor> quantize_real(const Var<Tensor<float>>& x, integer::InputRule rule, const QParams& out,
                                  const OutputEstimator& estimator = {}) {
  QTensor y{Tensor<std::int8_t>(x.shape()), out};
  const float scale = out.scale[0];
  const std::int32_t zero = out.zero_point[0];
  integer::quantize_input(rule, x.value().span(), scale, zero, out.grid, y.codes.edit());
  Tensor<std::uint32_t> pass = Tensor<std::uint32_t>::zeros(Shape{x.wanted() ? bit_words(x.value().size()) : 0});
  if (x.wanted()) {
    std::uint32_t* bits = pass.edit().data();
    const float lo = static_cast<float>(out.grid.lo - zero) - 0.5f, hi = static_cast<float>(out.grid.hi - zero) + 0.5f;
    for (std::int64_t i = 0; i < x.value().size(); ++i) {
      const float steps = x.value()[i] / scale;
      bits[i / 32] |= static_cast<std::uint32_t>(lo <= steps && steps <= hi) << (i % 32);
    }
  }
  std::optional<QTensor> kept;
  if (estimator.estimator != nullptr) kept = y;
  return record(std::move(y), std::tie(x),
                [pass = std::move(pass), estimator, kept = std::move(kept)](const Tensor<float>& dy, const auto& dx) {
                  const detail::PassedGradient passed = detail::estimated(estimator, dy, pass, kept ? &*kept : nullptr);
                  dx.add(detail::kept(passed.dy, passed.pass));
                });
}

}  // namespace stet
