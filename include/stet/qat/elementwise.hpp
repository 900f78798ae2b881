#pragma once
// Addition, subtraction, multiplication and clamping of codes with their straight-through gradients.

#include <stet/autograd/tape.hpp>
#include <stet/core/bits.hpp>
#include <stet/core/broadcast.hpp>
#include <stet/integer/elementwise.hpp>
#include <stet/ops/broadcast.hpp>
#include <stet/ops/map.hpp>
#include <stet/qat/learned_scale.hpp>
#include <stet/qat/output_estimator.hpp>
#include <stet/qat/qvar.hpp>
#include <stet/quant/range.hpp>

#include <cstdint>
#include <utility>

namespace stet {

namespace detail {

inline bool any_wanted(const Var<QTensor>& a, const Var<QTensor>& b) { return a.wanted() || b.wanted(); }

}  // namespace detail

/// Which elementwise operator.
enum class Elementwise { add, sub, mul };

/// Real values of a (+|-|*) b before activation and rounding, from the codes.
/// Formula:   s1*(q1-z1) + sign*s2*(q2-z2), or the product of the two
/// Shapes:    a, b broadcast to y
inline Tensor<float> elementwise_values(Elementwise op, const QTensor& a, const QTensor& b) {
  const Shape shape = broadcast_shape("elementwise_values", a.shape(), b.shape());
  const float s1 = a.params.scale[0];
  const float s2 = op == Elementwise::sub ? -b.params.scale[0] : b.params.scale[0];
  const std::int32_t z1 = a.params.zero_point[0];
  const std::int32_t z2 = b.params.zero_point[0];
  if (op == Elementwise::mul) {
    return detail::broadcast_map(a.codes, b.codes, shape, [=](std::int8_t q1, std::int8_t q2) {
      return s1 * s2 * static_cast<float>((q1 - z1) * (q2 - z2));
    });
  }
  return detail::broadcast_map(a.codes, b.codes, shape, [=](std::int8_t q1, std::int8_t q2) {
    return s1 * static_cast<float>(q1 - z1) + s2 * static_cast<float>(q2 - z2);
  });
}

/// Real range of the same values.
inline Range elementwise_range(Elementwise op, const QTensor& a, const QTensor& b) {
  return min_max(elementwise_values(op, a, b).span());
}

/// Adds or subtracts codes as the target does.
/// Formula:   integer::add
/// Shapes:    a, b broadcast to the codes
/// Gradient:  straight-through: da = g, db = g (-g for a subtraction), summed over repeated axes, g = dy where the code was
///            not clipped and the activation passes; a trained range: ds = (sum dy*y_q - sum g*y) / s, y the real sum
/// Errors:    Errc::shape if the shapes do not broadcast
inline Var<QTensor> add(const Var<QTensor>& a, const Var<QTensor>& b, const integer::AddParameters& p,
                        const QParams& out, const LearnedScale& learned = {}, const OutputEstimator& estimator = {}) {
  const Shape shape = broadcast_shape(p.subtract ? "sub" : "add", a.shape(), b.shape());
  const Var<Tensor<float>> range = detail::stand_in(a.tape(), learned);
  QTensor y{Tensor<std::int8_t>(shape), out};
  const bool trains = detail::any_wanted(a, b) || range.wanted();
  Tensor<std::uint32_t> pass(Shape{trains ? bit_words(y.codes.size()) : 0});
  integer::add(a.value().codes, b.value().codes, p, y.codes.edit(), pass.edit().data());
  struct Codes {  // what the gradient of the scale needs
    QTensor a, b, y;
  };
  std::optional<Codes> kept;
  if (range.wanted() || estimator.estimator != nullptr) kept = Codes{a.value(), b.value(), y};
  return record(std::move(y), std::tie(a, b, range),
                [pass, learned, estimator, subtract = p.subtract, kept = std::move(kept), sa = a.shape(), sb = b.shape()](
                    const Tensor<float>& dy, const auto& da, const auto& db, const auto& drange) {
                  const detail::PassedGradient passed = detail::estimated(estimator, dy, pass, kept ? &kept->y : nullptr);
                  const Tensor<float> g = detail::kept(passed.dy, passed.pass);
                  if (drange.wanted()) {
                    const Tensor<float> real =
                        elementwise_values(subtract ? Elementwise::sub : Elementwise::add, kept->a, kept->b);
                    detail::pull_outputs(learned, dy, kept->y, pass, detail::inner_product(g, real));
                  }
                  if (db.wanted()) {
                    const Tensor<float> sum = sum_to(g, sb);
                    db.add(subtract ? detail::map(sum, [](float v) { return -v; }) : sum);
                  }
                  if (da.wanted()) da.add(sum_to(g, sa));
                });
}

/// Multiplies codes as the target does.
/// Formula:   integer::multiply
/// Shapes:    a, b broadcast to the codes
/// Gradient:  straight-through: da = g*s2*(q2-z2), db = g*s1*(q1-z1), summed over repeated axes, g = dy where the code was
///            not clipped and the activation passes
/// Errors:    Errc::shape if the shapes do not broadcast
inline Var<QTensor> multiply(const Var<QTensor>& a, const Var<QTensor>& b, const integer::MultiplyParameters& p,
                             const QParams& out, const OutputEstimator& estimator = {}) {
  QTensor y{Tensor<std::int8_t>(broadcast_shape("mul", a.shape(), b.shape())), out};
  Tensor<std::uint32_t> pass(Shape{detail::any_wanted(a, b) ? bit_words(y.codes.size()) : 0});
  integer::multiply(a.value().codes, b.value().codes, p, y.codes.edit(), pass.edit().data());
  std::optional<QTensor> kept;
  if (estimator.estimator != nullptr) kept = y;
  return record(std::move(y), std::tie(a, b),
                [pass, estimator, kept = std::move(kept), qa = a.value(), qb = b.value()](
                    const Tensor<float>& dy, const auto& da, const auto& db) {
                  const detail::PassedGradient passed = detail::estimated(estimator, dy, pass, kept ? &*kept : nullptr);
                  const Tensor<float> g = detail::kept(passed.dy, passed.pass);
                  const auto times = [&](const QTensor& other, const Shape& wanted) {
                    const float s = other.params.scale[0];
                    const std::int32_t z = other.params.zero_point[0];
                    return sum_to(detail::broadcast_map(g, other.codes, g.shape(),
                                                        [=](float d, std::int8_t q) { return d * s * static_cast<float>(q - z); }),
                                  wanted);
                  };
                  if (da.wanted()) da.add(times(qb, qa.shape()));
                  if (db.wanted()) db.add(times(qa, qb.shape()));
                });
}

/// Clamps codes under a shared scale: ReLU or ReLU6 as an operator of its own.
/// Formula:   integer::clamp
/// Gradient:  dx = dy where the code passes, else 0
inline Var<QTensor> clamp(const Var<QTensor>& x, const integer::ClampParameters& p) {
  QTensor y{Tensor<std::int8_t>(x.shape()), x.value().params};
  Tensor<std::uint32_t> pass(Shape{x.wanted() ? bit_words(y.codes.size()) : 0});
  integer::clamp(x.value().codes, p, y.codes.edit(), pass.edit().data());
  return record(std::move(y), std::tie(x),
                [pass](const Tensor<float>& dy, const auto& dx) { dx.add(detail::kept(dy, pass)); });
}

}  // namespace stet
