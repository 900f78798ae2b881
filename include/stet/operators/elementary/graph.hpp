#pragma once
// Elementary functions of one number.

#include <stet/graph/operator_spec.hpp>
#include <stet/integer/runtime_function.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

namespace stet::graph::op {

/// Which function: |x|, x^2, √x, 1/√x, 1/x, e^x, ln x, x^exponent, SELU and Mish.
enum class ElementaryFunction { abs, square, sqrt, rsqrt, reciprocal, exp, log, pow, selu, mish };

/// An elementary function of each element.
/// Source:    selu: Klambauer et al. 2017, arXiv 1706.02515; mish: Misra 2019, arXiv 1908.08681, x*tanh(ln(1 + e^x))
struct Elementary {
  static constexpr std::string_view name = "elementary";
  static constexpr auto form = IntegerForm::computes;
  ElementaryFunction function = ElementaryFunction::abs;
  float exponent = 1.0f;  ///< of pow
};

/// Name of its kind: the function's.
constexpr std::string_view kind(const Elementary& o) {
  constexpr std::string_view names[] = {"abs", "square", "sqrt", "rsqrt", "reciprocal", "exp", "log", "pow", "selu", "mish"};
  return names[static_cast<std::size_t>(o.function)];
}

namespace detail {

/// alpha and scale of SELU.
inline constexpr double selu_alpha = 1.6732632423543772848, selu_scale = 1.0507009873554804934;

class ElementaryValue final : public integer::RuntimeFunction {
 public:
  explicit ElementaryValue(const Elementary& o) : o_(o), p_(static_cast<double>(o.exponent)) {}
  [[nodiscard]] std::string_view name() const override { return kind(o_); }
  [[nodiscard]] double value(double x) const override {
    switch (o_.function) {
      case ElementaryFunction::abs:
        return std::fabs(x);
      case ElementaryFunction::square:
        return x * x;
      case ElementaryFunction::sqrt:
        return std::sqrt(x);
      case ElementaryFunction::rsqrt:
        return 1.0 / std::sqrt(x);
      case ElementaryFunction::reciprocal:
        return 1.0 / x;
      case ElementaryFunction::exp:
        return std::exp(x);
      case ElementaryFunction::log:
        return std::log(x);
      case ElementaryFunction::pow:
        return std::pow(x, p_);
      case ElementaryFunction::selu:
        return selu_scale * (x > 0.0 ? x : selu_alpha * std::expm1(x));
      case ElementaryFunction::mish:
        return x * std::tanh(softplus(x));
    }
    return 0.0;
  }
  /// 0 where the function has none, as at a pole or outside of its domain.
  [[nodiscard]] double derivative(double x) const override {
    const double d = slope(x);
    return std::isfinite(d) ? d : 0.0;
  }
  /// Left of its domain the value at 0, and poles are the largest numbers: codes of a range reach there, values need not.
  [[nodiscard]] float value_on(const Target&, float x) const override {
    double y = value(static_cast<double>(x));
    if (std::isnan(y)) y = value(0.0);
    constexpr auto most = static_cast<double>(std::numeric_limits<float>::max());
    return static_cast<float>(std::clamp(y, -most, most));
  }
  /// Runtimes compute most of them in ways of their own, whose last bit decides codes.
  [[nodiscard]] bool has_operator(const Target&) const override { return false; }

 private:
  static double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
  [[nodiscard]] double slope(double x) const {
    switch (o_.function) {
      case ElementaryFunction::abs:
        return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0;
      case ElementaryFunction::square:
        return 2.0 * x;
      case ElementaryFunction::sqrt:
        return 0.5 / std::sqrt(x);
      case ElementaryFunction::rsqrt:
        return -0.5 / (x * std::sqrt(x));
      case ElementaryFunction::reciprocal:
        return -1.0 / (x * x);
      case ElementaryFunction::exp:
        return std::exp(x);
      case ElementaryFunction::log:
        return x > 0.0 ? 1.0 / x : 0.0;
      case ElementaryFunction::pow:
        return p_ * std::pow(x, p_ - 1.0);
      case ElementaryFunction::selu:
        return selu_scale * (x > 0.0 ? 1.0 : selu_alpha * std::exp(x));
      case ElementaryFunction::mish: {
        const double t = std::tanh(softplus(x));
        return t + x * (1.0 - t * t) / (1.0 + std::exp(-x));
      }
    }
    return 0.0;
  }

  Elementary o_;
  double p_;
};

}  // namespace detail

/// The function that it applies to each element.
inline std::shared_ptr<const ScalarFunction> scalar_function(const Elementary& o) {
  return std::make_shared<const detail::ElementaryValue>(o);
}

inline std::string attributes(const Elementary& o) {
  return o.function == ElementaryFunction::pow ? formatted("exponent {}", o.exponent) : "";
}
inline Shape infer(const Elementary& o, Shapes in) {
  require(std::isfinite(o.exponent), Errc::range, "pow: exponent {} must be finite", o.exponent);
  expect_inputs(kind(o), 1, in);
  return in[0];
}

}  // namespace stet::graph::op
