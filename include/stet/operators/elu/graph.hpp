#pragma once
// The exponential linear unit.

#include <stet/graph/operator_spec.hpp>
#include <stet/integer/runtime_function.hpp>

#include <cmath>
#include <memory>

namespace stet::graph::op {

/// x where x > 0, else alpha*(exp(x) - 1)
/// Source:    Clevert, Unterthiner and Hochreiter 2015, arXiv 1511.07289
struct Elu {
  static constexpr std::string_view name = "elu";
  static constexpr auto form = IntegerForm::computes;
  float alpha = 1.0f;
};

namespace detail {

class EluFunction final : public integer::RuntimeFunction {
 public:
  explicit EluFunction(float alpha) : alpha_(alpha) {}
  [[nodiscard]] std::string_view name() const override { return "elu"; }
  [[nodiscard]] double value(double x) const override { return x > 0.0 ? x : static_cast<double>(alpha_) * std::expm1(x); }
  [[nodiscard]] double derivative(double x) const override { return x > 0.0 ? 1.0 : static_cast<double>(alpha_) * std::exp(x); }
  [[nodiscard]] float value_on(const Target&, float x) const override { return static_cast<float>(value(static_cast<double>(x))); }
  /// LiteRT knows it with alpha 1 alone, and ONNX Runtime approximates exp in its own way, whose last bit decides codes.
  [[nodiscard]] bool has_operator(const Target&) const override { return false; }

 private:
  float alpha_;
};

}  // namespace detail

/// The function that it applies to each element.
inline std::shared_ptr<const ScalarFunction> scalar_function(const Elu& o) { return std::make_shared<const detail::EluFunction>(o.alpha); }

inline std::string attributes(const Elu& o) { return formatted("alpha {}", o.alpha); }
inline Shape infer(const Elu& o, Shapes in) {
  require(std::isfinite(o.alpha), Errc::range, "elu: alpha {} must be finite", o.alpha);
  return same_shape(o, in);
}

}  // namespace stet::graph::op
