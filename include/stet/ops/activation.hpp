#pragma once
// Activations, element by element. NaN stays NaN in all of them.

#include <stet/autograd/tape.hpp>
#include <stet/ops/map.hpp>

#include <cmath>

namespace stet {

/// Rectifies.
/// Formula:   y = max(x, 0)
/// Gradient:  dx = dy where x > 0, else 0 (also at 0 and NaN)
template <class T>
Tensor<T> relu_forward(const Tensor<T>& x) {
  return detail::map(x, [](T v) { return v < T{0} ? T{0} : v; });
}
/// Takes the result of relu_forward.
template <class T>
Tensor<T> relu_backward(const Tensor<T>& y, const Tensor<T>& dy) {
  return detail::map(y, dy, [](T v, T g) { return v > T{0} ? g : T{0}; });
}

/// Rectifies and saturates at 6.
/// Formula:   y = min(max(x, 0), 6)
/// Gradient:  dx = dy where 0 < x < 6, else 0
template <class T>
Tensor<T> relu6_forward(const Tensor<T>& x) {
  return detail::map(x, [](T v) {
    const T low = v < T{0} ? T{0} : v;
    return low > T{6} ? T{6} : low;
  });
}
/// Takes the result of relu6_forward.
template <class T>
Tensor<T> relu6_backward(const Tensor<T>& y, const Tensor<T>& dy) {
  return detail::map(y, dy, [](T v, T g) { return v > T{0} && v < T{6} ? g : T{0}; });
}

/// Clips.
/// Formula:   y = min(max(x, lo), hi)
/// Gradient:  dx = dy where lo < x < hi, else 0
template <class T>
Tensor<T> clip_forward(const Tensor<T>& x, T lo, T hi) {
  return detail::map(x, [lo, hi](T v) {
    const T low = v < lo ? lo : v;
    return low > hi ? hi : low;
  });
}
/// Takes the result of clip_forward.
template <class T>
Tensor<T> clip_backward(const Tensor<T>& y, const Tensor<T>& dy, T lo, T hi) {
  return detail::map(y, dy, [lo, hi](T v, T g) { return v > lo && v < hi ? g : T{0}; });
}

/// Formula:   y = x if x > 0, else slope * x
template <class T>
Tensor<T> leaky_relu_forward(const Tensor<T>& x, T slope) {
  return detail::map(x, [slope](T v) { return v > T{0} ? v : slope * v; });
}
/// Takes the input of leaky_relu_forward.
template <class T>
Tensor<T> leaky_relu_backward(const Tensor<T>& x, const Tensor<T>& dy, T slope) {
  return detail::map(x, dy, [slope](T v, T g) { return v > T{0} ? g : slope * g; });
}

/// Formula:   y = 1 / (1 + exp(-x)), without overflow
template <class T>
Tensor<T> sigmoid_forward(const Tensor<T>& x) {
  return detail::map_calls(x, [](T v) {
    const T e = std::exp(-std::abs(v));
    return (v < T{0} ? e : T{1}) / (T{1} + e);
  });
}
/// Takes the result of sigmoid_forward.
template <class T>
Tensor<T> sigmoid_backward(const Tensor<T>& y, const Tensor<T>& dy) {
  return detail::map(y, dy, [](T v, T g) { return g * v * (T{1} - v); });
}

/// Formula:   y = tanh(x)
template <class T>
Tensor<T> tanh_forward(const Tensor<T>& x) {
  return detail::map_calls(x, [](T v) { return std::tanh(v); });
}
/// Takes the result of tanh_forward.
template <class T>
Tensor<T> tanh_backward(const Tensor<T>& y, const Tensor<T>& dy) {
  return detail::map(y, dy, [](T v, T g) { return g * (T{1} - v * v); });
}

/// Formula:   y = x * min(max(x + 3, 0), 6) / 6
/// Source:    Howard et al. 2019, arXiv 1905.02244, section 5.2
template <class T>
Tensor<T> hard_swish_forward(const Tensor<T>& x) {
  return detail::map(x, [](T v) {
    const T low = v + T{3} < T{0} ? T{0} : v + T{3};
    return v * (low > T{6} ? T{6} : low) / T{6};
  });
}
/// Takes the input of hard_swish_forward.
/// Gradient:  0 below -3, dy above 3, dy * (2x + 3) / 6 between
template <class T>
Tensor<T> hard_swish_backward(const Tensor<T>& x, const Tensor<T>& dy) {
  return detail::map(x, dy, [](T v, T g) {
    const T middle = g * (T{2} * v + T{3}) / T{6};
    return v <= T{-3} ? T{0} : v >= T{3} ? g : middle;
  });
}

/// ReLU on the tape; see relu_forward.
template <class T>
Var<Tensor<T>> relu(const Var<Tensor<T>>& x) {
  Tensor<T> y = relu_forward(x.value());
  return record(y, std::tie(x), [y](const Tensor<T>& dy, auto dx) { dx.add(relu_backward(y, dy)); });
}

/// ReLU6 on the tape; see relu6_forward.
template <class T>
Var<Tensor<T>> relu6(const Var<Tensor<T>>& x) {
  Tensor<T> y = relu6_forward(x.value());
  return record(y, std::tie(x), [y](const Tensor<T>& dy, auto dx) { dx.add(relu6_backward(y, dy)); });
}

/// Clipping on the tape; see clip_forward.
template <class T>
Var<Tensor<T>> clip(const Var<Tensor<T>>& x, T lo, T hi) {
  Tensor<T> y = clip_forward(x.value(), lo, hi);
  return record(y, std::tie(x), [y, lo, hi](const Tensor<T>& dy, auto dx) { dx.add(clip_backward(y, dy, lo, hi)); });
}

/// Leaky ReLU on the tape; see leaky_relu_forward.
/// Gradient:  dx = dy where x > 0, else slope * dy
template <class T>
Var<Tensor<T>> leaky_relu(const Var<Tensor<T>>& x, double slope = 0.01) {
  const T s = static_cast<T>(slope);
  return record(leaky_relu_forward(x.value(), s), std::tie(x),
                [x = x.value(), s](const Tensor<T>& dy, auto dx) { dx.add(leaky_relu_backward(x, dy, s)); });
}

/// Logistic function on the tape; see sigmoid_forward.
/// Gradient:  dx = dy * y * (1 - y)
template <class T>
Var<Tensor<T>> sigmoid(const Var<Tensor<T>>& x) {
  Tensor<T> y = sigmoid_forward(x.value());
  return record(y, std::tie(x), [y](const Tensor<T>& dy, auto dx) { dx.add(sigmoid_backward(y, dy)); });
}

/// Hyperbolic tangent on the tape.
/// Gradient:  dx = dy * (1 - y^2)
template <class T>
Var<Tensor<T>> tanh(const Var<Tensor<T>>& x) {
  Tensor<T> y = tanh_forward(x.value());
  return record(y, std::tie(x), [y](const Tensor<T>& dy, auto dx) { dx.add(tanh_backward(y, dy)); });
}

/// Hard swish on the tape; see hard_swish_forward and hard_swish_backward.
template <class T>
Var<Tensor<T>> hard_swish(const Var<Tensor<T>>& x) {
  return record(hard_swish_forward(x.value()), std::tie(x),
                [x = x.value()](const Tensor<T>& dy, auto dx) { dx.add(hard_swish_backward(x, dy)); });
}

}  // namespace stet
