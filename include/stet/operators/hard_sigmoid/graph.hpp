#pragma once
// The hard sigmoid: a line between 0 and 1.

#include <stet/core/rounding.hpp>
#include <stet/graph/operator_spec.hpp>
#include <stet/integer/runtime_function.hpp>

#include <algorithm>
#include <cmath>
#include <memory>

namespace stet::graph::op {

/// min(max(alpha*x + beta, 0), 1); of PyTorch and Keras with 1/6 and 1/2, which is relu6(x + 3)/6.
struct HardSigmoid {
  static constexpr std::string_view name = "hard_sigmoid";
  static constexpr auto form = IntegerForm::computes;
  float alpha = 1.0f / 6.0f, beta = 0.5f;
};

namespace detail {

class HardSigmoidFunction final : public integer::RuntimeFunction {
 public:
  explicit HardSigmoidFunction(const HardSigmoid& o) : alpha_(o.alpha), beta_(o.beta) {}
  [[nodiscard]] std::string_view name() const override { return "hard_sigmoid"; }
  [[nodiscard]] double value(double x) const override { return std::clamp(line(x), 0.0, 1.0); }
  [[nodiscard]] double derivative(double x) const override {
    return line(x) > 0.0 && line(x) < 1.0 ? static_cast<double>(alpha_) : 0.0;
  }
  /// Source:    ONNX Runtime core/providers/cpu/activation/activations.h
  [[nodiscard]] float value_on(const Target&, float x) const override {
    return std::clamp(rounded_product(x, alpha_) + beta_, 0.0f, 1.0f);
  }
  [[nodiscard]] bool has_operator(const Target& target) const override { return runs_onnx(target); }

 private:
  [[nodiscard]] double line(double x) const { return static_cast<double>(alpha_) * x + static_cast<double>(beta_); }
  float alpha_, beta_;
};

}  // namespace detail

/// The function that it applies to each element.
inline std::shared_ptr<const ScalarFunction> scalar_function(const HardSigmoid& o) {
  return std::make_shared<const detail::HardSigmoidFunction>(o);
}

inline std::string attributes(const HardSigmoid& o) { return formatted("alpha {} beta {}", o.alpha, o.beta); }
inline Shape infer(const HardSigmoid& o, Shapes in) {
  require(std::isfinite(o.alpha) && std::isfinite(o.beta), Errc::range, "hard_sigmoid: alpha {} and beta {} must be finite",
          o.alpha, o.beta);
  return same_shape(o, in);
}

}  // namespace stet::graph::op
