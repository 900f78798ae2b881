#pragma once
// Activations that run as tables, with their straight-through gradients.

#include <stet/autograd/tape.hpp>
#include <stet/core/bits.hpp>
#include <stet/integer/lookup.hpp>
#include <stet/qat/output_estimator.hpp>
#include <stet/qat/qvar.hpp>
#include <stet/quant/range.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

namespace stet {

namespace detail {

struct ValueAndSlope {
  double value, slope;
};

// The function itself, and its derivative; at a kink the one that ops/ takes.
inline ValueAndSlope exact_function(const integer::TableSpec& t, double x) {
  const double alpha = static_cast<double>(t.alpha);
  switch (t.function) {
    case integer::Function::leaky_relu:
      return x > 0.0 ? ValueAndSlope{x, 1.0} : ValueAndSlope{alpha * x, alpha};
    case integer::Function::sigmoid: {
      const double y = 1.0 / (1.0 + std::exp(-x));
      return {y, y * (1.0 - y)};
    }
    case integer::Function::tanh: {
      const double y = std::tanh(x);
      return {y, 1.0 - y * y};
    }
    case integer::Function::hard_swish:
      if (x < -3.0) return {0.0, 0.0};
      if (x >= 3.0) return {x, 1.0};
      return {x * (x + 3.0) / 6.0, (2.0 * x + 3.0) / 6.0};
    case integer::Function::scalar:
      return {t.scalar->value(x), t.scalar->derivative(x)};
  }
  return {0.0, 0.0};
}

// Where a code stands in a table.
inline std::size_t row(int q) { return static_cast<std::size_t>(q + 128); }

inline double real_code(const integer::TableSpec& t, int q) { return static_cast<double>(t.in.scale) * (q - t.in.zero_point); }

}  // namespace detail

/// Real range of a function over the codes that occur.
inline Range lookup_range(const QTensor& x, const integer::TableSpec& spec) {
  std::array<bool, 256> seen{};
  for (const std::int8_t q : x.codes.span()) seen[detail::row(q)] = true;
  Range range{3.4e38f, -3.4e38f};
  for (int q = -128; q < 128; ++q) {
    if (!seen[detail::row(q)]) continue;
    const auto y = static_cast<float>(detail::exact_function(spec, detail::real_code(spec, q)).value);
    if (!std::isfinite(y)) continue;  // a pole, or outside of the function's domain
    range = {std::min(range.lo, y), std::max(range.hi, y)};
  }
  return range.lo <= range.hi ? range : Range{0.0f, 0.0f};
}

/// Maps codes through the table of a function.
/// Formula:   integer::lookup
/// Gradient:  straight-through: dx = f'(x)*dy where f(x) lies within the codes of the output, else 0; or what an estimator
///            passes of dy, times f'(x)
inline Var<QTensor> lookup(const Var<QTensor>& x, const integer::TableSpec& spec, const integer::Table& table,
                           const QParams& out, const OutputEstimator& estimator = {}) {
  QTensor y{Tensor<std::int8_t>(x.shape()), out};
  integer::lookup(x.value().codes, table, y.codes.edit());
  std::optional<QTensor> kept;
  if (estimator.estimator != nullptr) kept = y;
  return record(std::move(y), std::tie(x),
                [codes = x.value().codes, spec, estimator, kept = std::move(kept)](const Tensor<float>& dy, const auto& dx) {
                  std::array<float, 256> slope{};
                  std::array<bool, 256> inside{};
                  for (int q = -128; q < 128; ++q) {
                    const auto f = detail::exact_function(spec, detail::real_code(spec, q));
                    const double code = f.value / static_cast<double>(spec.out.scale) + spec.out.zero_point;
                    slope[detail::row(q)] = static_cast<float>(f.slope);
                    inside[detail::row(q)] = spec.out.grid.lo - 0.5 <= code && code <= spec.out.grid.hi + 0.5;
                  }
                  Tensor<std::uint32_t> pass = Tensor<std::uint32_t>::zeros(Shape{bit_words(dy.size())});
                  std::uint32_t* bits = pass.edit().data();
                  for (std::int64_t i = 0; i < dy.size(); ++i) {
                    bits[i / 32] |= static_cast<std::uint32_t>(inside[detail::row(codes[i])]) << (i % 32);
                  }
                  const detail::PassedGradient passed = detail::estimated(estimator, dy, pass, kept ? &*kept : nullptr);
                  Tensor<float> g = detail::kept(passed.dy, passed.pass);
                  float* to = g.edit().data();
                  for (std::int64_t i = 0; i < dy.size(); ++i) to[i] *= slope[detail::row(codes[i])];
                  dx.add(std::move(g));
                });
}

}  // namespace stet
