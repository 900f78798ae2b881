#pragma once
// Softplus: a smooth ReLU.

#include <stet/graph/operator_spec.hpp>
#include <stet/integer/runtime_function.hpp>

#include <algorithm>
#include <cmath>
#include <memory>

namespace stet::graph::op {

/// log(1 + exp(x))
struct Softplus {
  static constexpr std::string_view name = "softplus";
  static constexpr auto form = IntegerForm::computes;
};

namespace detail {

class SoftplusFunction final : public integer::RuntimeFunction {
 public:
  [[nodiscard]] std::string_view name() const override { return "softplus"; }
  /// Formula:   max(x, 0) + log(1 + exp(-|x|)), which does not overflow
  [[nodiscard]] double value(double x) const override { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
  [[nodiscard]] double derivative(double x) const override { return 1.0 / (1.0 + std::exp(-x)); }
  [[nodiscard]] float value_on(const Target&, float x) const override { return static_cast<float>(value(static_cast<double>(x))); }
  /// LiteRT has none, and ONNX Runtime approximates exp in its own way, whose last bit decides codes.
  [[nodiscard]] bool has_operator(const Target&) const override { return false; }
};

}  // namespace detail

/// The function that it applies to each element.
inline std::shared_ptr<const ScalarFunction> scalar_function(const Softplus&) {
  static const auto softplus = std::make_shared<const detail::SoftplusFunction>();
  return softplus;
}

inline Shape infer(const Softplus& o, Shapes in) { return same_shape(o, in); }

}  // namespace stet::graph::op
