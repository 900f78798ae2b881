#pragma once
// ScalarFunction: a function of one number, applied to every element, with its derivative.

#include <stet/core/requirements.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace stet {

/// A function of one real number. It is called from several threads at once and must always give the same.
class ScalarFunction {
 public:
  virtual ~ScalarFunction() = default;
  /// How messages name it.
  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual double value(double x) const = 0;
  /// Formula:   (f(x+h) - f(x-h)) / 2h with h = 2^-17 max(1, |x|), unless overridden: the cube root of double's precision,
  ///            where cutting off the series and rounding weigh alike
  [[nodiscard]] virtual double derivative(double x) const {
    const double h = 0x1p-17 * std::max(1.0, std::fabs(x));
    return (value(x + h) - value(x - h)) / (2.0 * h);
  }
};

}  // namespace stet
