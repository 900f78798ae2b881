#pragma once
// Addition, subtraction, multiplication and division with broadcasting.

#include <stet/autograd/tape.hpp>
#include <stet/ops/broadcast.hpp>
#include <stet/ops/map.hpp>

namespace stet {

/// Adds.
/// Formula:   y = a + b
/// Shapes:    a, b broadcast to y
/// Gradient:  da = dy, db = dy, summed over repeated axes
/// Errors:    Errc::shape if the shapes do not broadcast
template <class T>
Var<Tensor<T>> add(const Var<Tensor<T>>& a, const Var<Tensor<T>>& b) {
  const Shape shape = broadcast_shape("add", a.shape(), b.shape());

  Tensor<T> y = detail::broadcast_map(a.value(), b.value(), shape, [](T l, T r) { return l + r; });

  return record(std::move(y), std::tie(a, b), [sa = a.shape(), sb = b.shape()](const Tensor<T>& dy, auto da, auto db) {
    if (da.wanted()) da.add(sum_to(dy, sa));
    if (db.wanted()) db.add(sum_to(dy, sb));
  });
}

/// Subtracts.
/// Formula:   y = a - b
/// Shapes:    a, b broadcast to y
/// Gradient:  da = dy, db = -dy, summed over repeated axes
/// Errors:    Errc::shape if the shapes do not broadcast
template <class T>
Var<Tensor<T>> sub(const Var<Tensor<T>>& a, const Var<Tensor<T>>& b) {
  const Shape shape = broadcast_shape("sub", a.shape(), b.shape());

  Tensor<T> y = detail::broadcast_map(a.value(), b.value(), shape, [](T l, T r) { return l - r; });

  return record(std::move(y), std::tie(a, b), [sa = a.shape(), sb = b.shape()](const Tensor<T>& dy, auto da, auto db) {
    if (da.wanted()) da.add(sum_to(dy, sa));
    if (db.wanted()) db.add(detail::map(sum_to(dy, sb), [](T g) { return -g; }));
  });
}

/// Multiplies element by element.
/// Formula:   y = a * b
/// Shapes:    a, b broadcast to y
/// Gradient:  da = dy * b, db = dy * a, summed over repeated axes
/// Errors:    Errc::shape if the shapes do not broadcast
template <class T>
Var<Tensor<T>> mul(const Var<Tensor<T>>& a, const Var<Tensor<T>>& b) {
  const Shape shape = broadcast_shape("mul", a.shape(), b.shape());
  const auto times = [](T l, T r) { return l * r; };

  Tensor<T> y = detail::broadcast_map(a.value(), b.value(), shape, times);

  return record(std::move(y), std::tie(a, b),
                [a = a.value(), b = b.value(), times](const Tensor<T>& dy, auto da, auto db) {
                  if (da.wanted()) da.add(sum_to(detail::broadcast_map(dy, b, dy.shape(), times), a.shape()));
                  if (db.wanted()) db.add(sum_to(detail::broadcast_map(dy, a, dy.shape(), times), b.shape()));
                });
}

/// Divides element by element.
/// Formula:   y = a / b
/// Shapes:    a, b broadcast to y
/// Gradient:  da = dy / b, db = -dy * a / b^2, summed over repeated axes
/// Errors:    Errc::shape if the shapes do not broadcast
template <class T>
Var<Tensor<T>> div(const Var<Tensor<T>>& a, const Var<Tensor<T>>& b) {
  const Shape shape = broadcast_shape("div", a.shape(), b.shape());
  const auto over = [](T l, T r) { return l / r; };

  Tensor<T> y = detail::broadcast_map(a.value(), b.value(), shape, over);

  return record(y, std::tie(a, b), [y, sa = a.shape(), b = b.value(), over](const Tensor<T>& dy, auto da, auto db) {
    const Tensor<T> each = detail::broadcast_map(dy, b, dy.shape(), over);
    if (da.wanted()) da.add(sum_to(each, sa));
    if (db.wanted()) db.add(sum_to(detail::map(each, y, [](T g, T v) { return -g * v; }), b.shape()));
  });
}

}  // namespace stet
