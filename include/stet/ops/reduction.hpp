#pragma once
// Sums and means over all or some axes.

#include <stet/autograd/tape.hpp>
#include <stet/ops/broadcast.hpp>
#include <stet/ops/map.hpp>
#include <stet/ops/shape.hpp>

#include <array>
#include <cstdint>
#include <vector>

namespace stet {

namespace detail {

// Shape with the given axes (all if none is given) set to 1.
inline Shape reduced_shape(const char* op, const Shape& x, const std::vector<int>& axes) {
  Shape kept = x;
  for (int i = 0; i < x.rank() && axes.empty(); ++i) kept = kept.with(i, 1);
  std::array<bool, Shape::max_rank> seen{};
  for (const int axis : axes) {
    const int at = resolve_axis(op, axis, x.rank());
    require(!seen[static_cast<std::size_t>(at)], Errc::range, "{}: axis {} is named twice", op, axis);
    seen[static_cast<std::size_t>(at)] = true;
    kept = kept.with(at, 1);
  }
  return kept;
}

// The reduced shape without the axes that were summed over.
inline Shape dropped_axes(const Shape& x, const std::vector<int>& axes) {
  if (axes.empty()) return {};
  std::array<bool, Shape::max_rank> dropped{};
  for (const int axis : axes) dropped[static_cast<std::size_t>(axis < 0 ? axis + x.rank() : axis)] = true;
  std::vector<std::int64_t> dims;
  for (int i = 0; i < x.rank(); ++i) {
    if (!dropped[static_cast<std::size_t>(i)]) dims.push_back(x[i]);
  }
  return Shape(std::span<const std::int64_t>(dims));
}

template <class T>
Var<Tensor<T>> record_reduction(const Var<Tensor<T>>& x, const Shape& kept, const std::vector<int>& axes, T scale) {
  const Shape shape = dropped_axes(x.shape(), axes);
  Tensor<T> y = sum_to(x.value(), kept);
  if (scale != T{1}) y = map(y, [scale](T v) { return v * scale; });
  return record(y.reshaped(shape), std::tie(x), [kept, scale, input = x.shape()](const Tensor<T>& dy, auto dx) {
    dx.add(broadcast_map(dy.reshaped(kept), Tensor<T>::filled({}, scale), input, [](T g, T s) { return g * s; }));
  });
}

}  // namespace detail

/// Adds up over axes (negative ones count from the back; none means all), which disappear.
/// Formula:   y = sum of x over the axes, added in double
/// Gradient:  dx = dy, repeated
/// Errors:    Errc::range if an axis does not exist or is named twice
template <class T>
Var<Tensor<T>> sum(const Var<Tensor<T>>& x, const std::vector<int>& axes = {}) {
  return detail::record_reduction(x, detail::reduced_shape("sum", x.shape(), axes), axes, T{1});
}

/// Averages over axes (negative ones count from the back; none means all), which disappear.
/// Formula:   y = mean of x over the axes
/// Gradient:  dx = dy / count, repeated
/// Errors:    Errc::range if an axis does not exist or is named twice; Errc::shape if there is nothing to average
template <class T>
Var<Tensor<T>> mean(const Var<Tensor<T>>& x, const std::vector<int>& axes = {}) {
  const Shape kept = detail::reduced_shape("mean", x.shape(), axes);
  require(x.value().size() > 0, Errc::shape, "mean: input {} has no elements", x.shape());
  const std::int64_t count = x.value().size() / kept.elements();
  return detail::record_reduction(x, kept, axes, static_cast<T>(1.0 / static_cast<double>(count)));
}

}  // namespace stet
