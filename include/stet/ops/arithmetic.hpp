#pragma once
// Arithmetic of values on a tape as it is written: operators, scalars, and the elementary functions that losses need.

#include <stet/ops/elementwise.hpp>

#include <cmath>

namespace stet {

namespace detail {

// y = f(x), whose gradient is dy times slope(x, y).
template <class T, class F, class Slope>
Var<Tensor<T>> differentiable(const Var<Tensor<T>>& x, F f, Slope slope) {
  Tensor<T> y = map_calls(x.value(), f);
  return record(y, std::tie(x), [x = x.value(), y, slope](const Tensor<T>& dy, auto dx) {
    dx.add(map(dy, map(x, y, slope), [](T g, T s) { return g * s; }));
  });
}

}  // namespace detail

/// As add, sub, mul and div.
template <class T>
Var<Tensor<T>> operator+(const Var<Tensor<T>>& a, const Var<Tensor<T>>& b) {
  return add(a, b);
}
template <class T>
Var<Tensor<T>> operator-(const Var<Tensor<T>>& a, const Var<Tensor<T>>& b) {
  return sub(a, b);
}
template <class T>
Var<Tensor<T>> operator*(const Var<Tensor<T>>& a, const Var<Tensor<T>>& b) {
  return mul(a, b);
}
template <class T>
Var<Tensor<T>> operator/(const Var<Tensor<T>>& a, const Var<Tensor<T>>& b) {
  return div(a, b);
}

/// The same with a number, in the type of the tensor.
template <class T>
Var<Tensor<T>> operator+(const Var<Tensor<T>>& x, double s) {
  return x + x.tape().constant(Tensor<T>::filled({}, static_cast<T>(s)));
}
template <class T>
Var<Tensor<T>> operator+(double s, const Var<Tensor<T>>& x) {
  return x + s;
}
template <class T>
Var<Tensor<T>> operator-(const Var<Tensor<T>>& x, double s) {
  return x - x.tape().constant(Tensor<T>::filled({}, static_cast<T>(s)));
}
template <class T>
Var<Tensor<T>> operator-(double s, const Var<Tensor<T>>& x) {
  return x.tape().constant(Tensor<T>::filled({}, static_cast<T>(s))) - x;
}
template <class T>
Var<Tensor<T>> operator*(const Var<Tensor<T>>& x, double s) {
  return x * x.tape().constant(Tensor<T>::filled({}, static_cast<T>(s)));
}
template <class T>
Var<Tensor<T>> operator*(double s, const Var<Tensor<T>>& x) {
  return x * s;
}
template <class T>
Var<Tensor<T>> operator/(const Var<Tensor<T>>& x, double s) {
  return x / x.tape().constant(Tensor<T>::filled({}, static_cast<T>(s)));
}
template <class T>
Var<Tensor<T>> operator/(double s, const Var<Tensor<T>>& x) {
  return x.tape().constant(Tensor<T>::filled({}, static_cast<T>(s))) / x;
}
template <class T>
Var<Tensor<T>> operator-(const Var<Tensor<T>>& x) {
  return x * -1.0;
}

/// Exponential.
/// Formula:   y = e^x
/// Gradient:  dx = dy * y
template <class T>
Var<Tensor<T>> exp(const Var<Tensor<T>>& x) {
  return detail::differentiable(x, [](T v) { return std::exp(v); }, [](T, T y) { return y; });
}

/// Natural logarithm; NaN below 0 and -infinity at 0, as std::log.
/// Formula:   y = ln x
/// Gradient:  dx = dy / x
template <class T>
Var<Tensor<T>> log(const Var<Tensor<T>>& x) {
  return detail::differentiable(x, [](T v) { return std::log(v); }, [](T v, T) { return T{1} / v; });
}

/// Square root; NaN below 0.
/// Formula:   y = sqrt(x)
/// Gradient:  dx = dy / (2 y); infinite at 0
template <class T>
Var<Tensor<T>> sqrt(const Var<Tensor<T>>& x) {
  return detail::differentiable(x, [](T v) { return std::sqrt(v); }, [](T, T y) { return T{0.5} / y; });
}

/// Magnitude.
/// Formula:   y = |x|
/// Gradient:  dx = dy where x > 0, -dy where x < 0, 0 at 0
template <class T>
Var<Tensor<T>> abs(const Var<Tensor<T>>& x) {
  return detail::differentiable(x, [](T v) { return std::abs(v); },
                                [](T v, T) { return static_cast<T>(v > T{0}) - static_cast<T>(v < T{0}); });
}

}  // namespace stet
