#pragma once
// The larger or the smaller of two values.

#include <stet/autograd/tape.hpp>
#include <stet/ops/broadcast.hpp>
#include <stet/ops/map.hpp>

#include <utility>

namespace stet {

namespace detail {

// Which share of an element is a's: all, none, or half where both are the same.
template <class A, class G = float>
Tensor<G> share_of_first(const Tensor<A>& a, const Tensor<A>& b, const Shape& shape, bool largest) {
  return broadcast_map(a, b, shape, [largest](A l, A r) { return l == r ? G{0.5} : (l > r) == largest ? G{1} : G{0}; });
}
// Adds to both operands the gradient of what was chosen of them.
template <class T>
void add_shares(const Tensor<T>& dy, const Tensor<T>& first, const Shape& sa, const Shape& sb, auto da, auto db) {
  if (da.wanted()) da.add(sum_to(map(dy, first, [](T g, T s) { return g * s; }), sa));
  if (db.wanted()) db.add(sum_to(map(dy, first, [](T g, T s) { return g * (T{1} - s); }), sb));
}

}  // namespace detail

/// The larger of a and b, or the smaller.
/// Shapes:    a, b broadcast to y
/// Gradient:  dy to the one that was chosen, half to each where they are equal; summed over repeated axes
/// Errors:    Errc::shape if the shapes do not broadcast
template <class T>
Var<Tensor<T>> extremum(const Var<Tensor<T>>& a, const Var<Tensor<T>>& b, bool largest) {
  const Shape shape = broadcast_shape(largest ? "maximum" : "minimum", a.shape(), b.shape());
  Tensor<T> y = detail::broadcast_map(a.value(), b.value(), shape, [largest](T l, T r) { return (l > r) == largest ? l : r; });
  Tensor<T> first = detail::share_of_first<T, T>(a.value(), b.value(), shape, largest);
  return record(std::move(y), std::tie(a, b),
                [first = std::move(first), sa = a.shape(), sb = b.shape()](const Tensor<T>& dy, auto da, auto db) {
                  detail::add_shares(dy, first, sa, sb, da, db);
                });
}

}  // namespace stet
