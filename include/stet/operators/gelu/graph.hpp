#pragma once
// The Gaussian error linear unit.

#include <stet/graph/operator_spec.hpp>
#include <stet/integer/runtime_function.hpp>

#include <cmath>
#include <memory>
#include <numbers>

namespace stet::graph::op {

/// x times the normal distribution's share below x, as its error function says; or, as many networks were trained, with a
/// tanh in place of that.
/// Source:    Hendrycks and Gimpel 2016, arXiv 1606.08415
struct Gelu {
  static constexpr std::string_view name = "gelu";
  static constexpr auto form = IntegerForm::computes;
  bool tanh = false;
};

namespace detail {

class GeluFunction final : public integer::RuntimeFunction {
 public:
  explicit GeluFunction(bool tanh) : tanh_(tanh) {}
  [[nodiscard]] std::string_view name() const override { return "gelu"; }
  /// Formula:   x/2 (1 + erf(x/sqrt 2)), or x/2 (1 + tanh(sqrt(2/pi)(x + 0.044715 x^3)))
  [[nodiscard]] double value(double x) const override {
    return tanh_ ? 0.5 * x * (1.0 + std::tanh(inner(x))) : 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
  }
  /// Formula:   with t the tanh of u: (1 + t)/2 + x/2 (1 - t^2) u'; else the distribution's share below x, plus x times its density
  [[nodiscard]] double derivative(double x) const override {
    if (tanh_) {
      const double t = std::tanh(inner(x));
      return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * factor * (1.0 + 3.0 * cubic * x * x);
    }
    return 0.5 * std::erfc(-x / std::numbers::sqrt2) + 0.5 * factor * x * std::exp(-0.5 * x * x);
  }
  /// Source:    LiteRT kernels/internal/reference/gelu.h; ONNX Runtime core/providers/cpu/tensor/gelu.cc
  [[nodiscard]] float value_on(const Target& target, float x) const override {
    constexpr auto root = static_cast<float>(1.0 / std::numbers::sqrt2);
    const float half = 0.5f * x;
    if (tanh_) {
      const float inner = x + static_cast<float>(cubic) * x * x * x;
      return half * (1.0f + std::tanh(static_cast<float>(factor) * inner));
    }
    return runs_onnx(target) ? half * (1.0f + std::erf(x * root)) : half * std::erfc(x * -root);
  }

 private:
  static constexpr double factor = std::numbers::sqrt2 * std::numbers::inv_sqrtpi, cubic = 0.044715;
  static double inner(double x) { return factor * (x + cubic * x * x * x); }
  bool tanh_;
};

}  // namespace detail

/// The function that it applies to each element.
inline std::shared_ptr<const ScalarFunction> scalar_function(const Gelu& o) {
  static const auto exact = std::make_shared<const detail::GeluFunction>(false);
  static const auto by_tanh = std::make_shared<const detail::GeluFunction>(true);
  return o.tanh ? by_tanh : exact;
}

inline std::string attributes(const Gelu& o) { return o.tanh ? "tanh" : ""; }
inline Shape infer(const Gelu& o, Shapes in) { return same_shape(o, in); }
inline std::optional<Obstacle> target_limit(const Gelu& o, Shapes, const Target& t) {
  if (!o.tanh || !runs_onnx(t)) return std::nullopt;
  return Obstacle{.what = formatted("{} approximates the tanh in its own way, whose last bit decides codes", t.runtime),
                  .remedy = "leave .tanh false, or take another target"};
}

}  // namespace stet::graph::op
