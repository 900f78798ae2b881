#pragma once
// A scalar function of the user's own on tensors.

#include <stet/autograd/tape.hpp>
#include <stet/core/scalar_function.hpp>
#include <stet/ops/map.hpp>

#include <memory>

namespace stet {

/// Applies a function to every element.
/// Formula:   y = f(x), in double
/// Shapes:    y as x
/// Gradient:  dx = f'(x)*dy
template <class T>
Var<Tensor<T>> apply_function(const Var<Tensor<T>>& x, const std::shared_ptr<const ScalarFunction>& f) {
  Tensor<T> y = detail::map_calls(x.value(), [&f](T v) { return static_cast<T>(f->value(static_cast<double>(v))); });
  return record(std::move(y), std::tie(x), [x = x.value(), f](const Tensor<T>& dy, const auto& dx) {
    const Tensor<T> slope =
        detail::map_calls(x, [&f](T v) { return static_cast<T>(f->derivative(static_cast<double>(v))); });
    dx.add(detail::map(slope, dy, [](T s, T d) { return s * d; }));
  });
}

}  // namespace stet
