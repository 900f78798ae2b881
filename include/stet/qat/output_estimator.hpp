#pragma once
// OutputEstimator: an estimator for the codes that a layer or an elementwise operator makes.

#include <stet/core/bits.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/qat/any_estimator.hpp>
#include <stet/quant/qtensor.hpp>

#include <algorithm>
#include <cstdint>

namespace stet {

/// What stands in for the derivative of rounding outputs; without one the gradient passes where the integers were not
/// clipped. It knows that from pass bits; the values before rounding are not kept, so it must not need them.
struct OutputEstimator {
  const AnyEstimator* estimator = nullptr;
  integer::Activation activation = integer::Activation::none;  ///< fused before the rounding: what it cut off passes nothing
};

namespace detail {

// dy where its bit is set, else 0.
inline Tensor<float> kept(const Tensor<float>& dy, const Tensor<std::uint32_t>& pass) {
  Tensor<float> g(dy.shape());
  float* to = g.edit().data();
  parallel_chunks(bit_words(dy.size()), lane_count, [&](Chunk words) {
    const std::int64_t first = words.first * lane_count;
    const std::int64_t last = std::min(words.last * lane_count, dy.size());
    keep_where(dy.data() + first, pass.data() + words.first, last - first, to + first);
  });
  return g;
}

/// Gradient of outputs before rounding, and where it goes on.
struct PassedGradient {
  Tensor<float> dy;
  Tensor<std::uint32_t> pass;
};

// The gradient and pass bits of the integers, or what an estimator makes of them.
inline PassedGradient estimated(const OutputEstimator& by, const Tensor<float>& dy, const Tensor<std::uint32_t>& pass,
                                const QTensor* y) {
  if (by.estimator == nullptr) return {dy, pass};
  const float scale = y->params.scale[0];
  const std::int32_t zero = y->params.zero_point[0];
  const auto cut_off = [&](std::int8_t code) {
    if (by.activation == integer::Activation::none) return false;
    const float real = scale * static_cast<float>(code - zero);
    const float least = by.activation.rectifies() ? 0.0f : by.activation.lo + scale / 2.0f;
    return real <= least || real >= by.activation.hi - scale / 2.0f;
  };
  PassedGradient passed{by.estimator->pull(dy, Kept{pass, {}}, y->params).dx, Tensor<std::uint32_t>::zeros(pass.shape())};
  std::uint32_t* to = passed.pass.edit().data();
  for (std::int64_t i = 0; i < dy.size(); ++i) {
    const bool passes = test_bit(pass.data(), i) || !cut_off(y->codes[i]);
    to[i / 32] |= static_cast<std::uint32_t>(passes) << (i % 32);
  }
  return passed;
}

}  // namespace detail
}  // namespace stet
