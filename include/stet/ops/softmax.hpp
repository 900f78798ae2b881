#pragma once
// Softmax and its logarithm over the last axis.

#include <stet/autograd/tape.hpp>
#include <stet/core/parallel.hpp>

#include <cmath>
#include <cstdint>

namespace stet {

namespace detail {

// Calls f(offset, classes) for every row of the last axis, in parallel.
template <class F>
void for_each_row(const char* op, const Shape& shape, F&& f) {
  require(shape.rank() >= 1 && shape.back() > 0, Errc::shape, "{}: the last axis of {} has no classes", op, shape);
  const std::int64_t classes = shape.back();
  parallel_chunks(shape.elements() / classes, classes * 8, [&](Chunk chunk) {
    for (std::int64_t r = chunk.first; r < chunk.last; ++r) f(r * classes, classes);
  });
}

// Logarithm of the sum of exponentials: {maximum, log of the sum relative to it}. NaN stays NaN.
template <class T>
struct LogSum {
  T maximum, log;
};
template <class T>
LogSum<T> log_sum_exp(const T* x, std::int64_t n) {
  T maximum = x[0];
  for (std::int64_t i = 1; i < n; ++i) maximum = x[i] > maximum ? x[i] : maximum;
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(std::exp(x[i] - maximum));
  return {maximum, static_cast<T>(std::log(sum))};
}

}  // namespace detail

/// Formula:   y[i] = exp(x[i]) / sum over j of exp(x[j]), shifted by the maximum
/// Shapes:    x [..., C] -> y [..., C]
/// Errors:    Errc::shape if there are no classes
template <class T>
Tensor<T> softmax_forward(const Tensor<T>& x) {
  Tensor<T> result(x.shape());
  T* y = result.edit().data();
  detail::for_each_row("softmax", x.shape(), [&](std::int64_t offset, std::int64_t n) {
    const T* from = x.data() + offset;
    const auto total = detail::log_sum_exp(from, n);
    for (std::int64_t i = 0; i < n; ++i) y[offset + i] = std::exp((from[i] - total.maximum) - total.log);
  });
  return result;
}

/// Takes the result of softmax_forward.
/// Formula:   dx[i] = y[i] * (dy[i] - sum over j of y[j] * dy[j])
template <class T>
Tensor<T> softmax_backward(const Tensor<T>& y, const Tensor<T>& dy) {
  Tensor<T> result(y.shape());
  T* dx = result.edit().data();
  detail::for_each_row("softmax", y.shape(), [&](std::int64_t offset, std::int64_t n) {
    double dot = 0;
    for (std::int64_t i = offset; i < offset + n; ++i) dot += static_cast<double>(y[i]) * static_cast<double>(dy[i]);
    for (std::int64_t i = offset; i < offset + n; ++i) dx[i] = y[i] * (dy[i] - static_cast<T>(dot));
  });
  return result;
}

/// Formula:   y[i] = x[i] - log(sum over j of exp(x[j])), shifted by the maximum
/// Shapes:    x [..., C] -> y [..., C]
/// Errors:    Errc::shape if there are no classes
template <class T>
Tensor<T> log_softmax_forward(const Tensor<T>& x) {
  Tensor<T> result(x.shape());
  T* y = result.edit().data();
  detail::for_each_row("log_softmax", x.shape(), [&](std::int64_t offset, std::int64_t n) {
    const T* from = x.data() + offset;
    const auto total = detail::log_sum_exp(from, n);
    for (std::int64_t i = 0; i < n; ++i) y[offset + i] = (from[i] - total.maximum) - total.log;
  });
  return result;
}

/// Takes the result of log_softmax_forward.
/// Formula:   dx[i] = dy[i] - exp(y[i]) * sum over j of dy[j]
template <class T>
Tensor<T> log_softmax_backward(const Tensor<T>& y, const Tensor<T>& dy) {
  Tensor<T> result(y.shape());
  T* dx = result.edit().data();
  detail::for_each_row("log_softmax", y.shape(), [&](std::int64_t offset, std::int64_t n) {
    double sum = 0;
    for (std::int64_t i = offset; i < offset + n; ++i) sum += static_cast<double>(dy[i]);
    for (std::int64_t i = offset; i < offset + n; ++i) dx[i] = dy[i] - std::exp(y[i]) * static_cast<T>(sum);
  });
  return result;
}

/// Softmax over the last axis on the tape; see softmax_forward.
/// Gradient:  as softmax_backward
template <class T>
Var<Tensor<T>> softmax(const Var<Tensor<T>>& x) {
  Tensor<T> y = softmax_forward(x.value());
  return record(y, std::tie(x), [y](const Tensor<T>& dy, auto dx) { dx.add(softmax_backward(y, dy)); });
}

/// Logarithm of the softmax over the last axis on the tape; see log_softmax_forward.
/// Gradient:  as log_softmax_backward
template <class T>
Var<Tensor<T>> log_softmax(const Var<Tensor<T>>& x) {
  Tensor<T> y = log_softmax_forward(x.value());
  return record(y, std::tie(x), [y](const Tensor<T>& dy, auto dx) { dx.add(log_softmax_backward(y, dy)); });
}

}  // namespace stet
