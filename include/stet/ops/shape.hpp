#pragma once
// Operators that only move elements: reshape, flatten, transpose, pad, concat. The plain functions work on any element
// type, codes included.

#include <stet/autograd/tape.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/progression.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace stet {

/// Counts an axis from the back if it is negative.
/// Errors:    Errc::range if there is no such axis
inline int resolve_axis(const char* op, int axis, int rank) {
  require(axis >= -rank && axis < rank, Errc::range, "{}: axis {} does not exist, the rank is {}", op, axis, rank);
  return axis < 0 ? axis + rank : axis;
}

/// Elements to put before and after the values of one axis.
struct Margin {
  std::int64_t before = 0, after = 0;
};

/// Reorders the axes: axis i of y is axis order[i] of x.
/// Shapes:    x [d0,d1,...] -> y [d_order[0], d_order[1], ...]
/// Errors:    Errc::shape if order is not a permutation of x's axes
template <class T>
Tensor<T> transpose_forward(const Tensor<T>& x, std::span<const int> order) {
  const Shape& shape = x.shape();
  const int rank = shape.rank();
  std::array<bool, Shape::max_rank> seen{};
  bool permutation = static_cast<int>(order.size()) == rank;
  for (const int axis : order) {
    permutation = permutation && axis >= 0 && axis < rank && !seen[static_cast<std::size_t>(axis)];
    if (permutation) seen[static_cast<std::size_t>(axis)] = true;
  }
  require(permutation, Errc::shape, "transpose: the order must name each of the {} axes of {} once", rank, shape);

  std::array<std::int64_t, Shape::max_rank> dims{}, strides{};
  for (int i = 0; i < rank; ++i) {
    const auto to = static_cast<std::size_t>(i);
    dims[to] = shape[order[to]];
    strides[to] = shape.product(order[to] + 1, rank);
  }
  Tensor<T> result(Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(rank))));
  if (result.empty()) return result;
  const Shape& out = result.shape();
  T* y = result.edit().data();
  const std::int64_t inner = out.back();
  const std::int64_t step = rank == 0 ? 1 : strides[static_cast<std::size_t>(rank - 1)];
  parallel_chunks(out.elements() / inner, inner, [&](Chunk chunk) {
    for (std::int64_t r = chunk.first; r < chunk.last; ++r) {
      std::int64_t rest = r, offset = 0;
      for (int axis = rank - 2; axis >= 0; --axis) {
        offset += rest % out[axis] * strides[static_cast<std::size_t>(axis)];
        rest /= out[axis];
      }
      const T* from = x.data() + offset;
      T* to = y + r * inner;
      for (std::int64_t i = 0; i < inner; ++i) to[i] = from[i * step];
    }
  });
  return result;
}

namespace detail {

// Copies a box of `box` elements between two tensors; rows of the last axis at a time.
template <class T>
void copy_box(const Shape& box, const T* from, const Shape& from_shape, T* to, const Shape& to_shape) {
  if (box.elements() == 0) return;
  const int rank = box.rank();
  const std::int64_t inner = box.back();
  for (std::int64_t r = 0; r < box.elements() / inner; ++r) {
    std::int64_t rest = r, a = 0, b = 0;
    for (int axis = rank - 2; axis >= 0; --axis) {
      const std::int64_t index = rest % box[axis];
      rest /= box[axis];
      a += index * from_shape.product(axis + 1, rank);
      b += index * to_shape.product(axis + 1, rank);
    }
    std::copy_n(from + a, inner, to + b);
  }
}

inline std::int64_t margin_offset(const Shape& padded, std::span<const Margin> margins) {
  std::int64_t offset = 0;
  for (int i = 0; i < padded.rank(); ++i) {
    offset += margins[static_cast<std::size_t>(i)].before * padded.product(i + 1, padded.rank());
  }
  return offset;
}

}  // namespace detail

/// Surrounds a tensor with a constant.
/// Shapes:    x [d0,d1,...], one margin per axis -> y [before0 + d0 + after0, ...]
/// Errors:    Errc::shape if there is not one margin per axis; Errc::range if a margin is negative
template <class T>
Tensor<T> pad_forward(const Tensor<T>& x, std::span<const Margin> margins, T value) {
  require(static_cast<int>(margins.size()) == x.shape().rank(), Errc::shape, "pad: input {} needs {} margins, got {}",
          x.shape(), x.shape().rank(), margins.size());
  Shape shape = x.shape();
  for (int i = 0; i < shape.rank(); ++i) {
    const Margin& m = margins[static_cast<std::size_t>(i)];
    require(m.before >= 0 && m.after >= 0, Errc::range, "pad: margin {} and {} of axis {} must not be negative",
            m.before, m.after, i);
    shape = shape.with(i, shape[i] + m.before + m.after);
  }
  Tensor<T> y = Tensor<T>::filled(shape, value);
  detail::copy_box(x.shape(), x.data(), x.shape(), y.edit().data() + detail::margin_offset(shape, margins), shape);
  return y;
}

/// Cuts the margins off again.
/// Shapes:    dy as the result of pad_forward -> dx of shape `input`
template <class T>
Tensor<T> pad_backward(const Tensor<T>& dy, std::span<const Margin> margins, const Shape& input) {
  Tensor<T> dx(input);
  detail::copy_box(input, dy.data() + detail::margin_offset(dy.shape(), margins), dy.shape(), dx.edit().data(), input);
  return dx;
}

/// Joins tensors along an axis.
/// Shapes:    parts alike but for the axis -> their sizes added up there
/// Errors:    Errc::shape if there is no part or another axis differs; Errc::range if there is no such axis
template <class T>
Tensor<T> concat_forward(std::span<const Tensor<T>> parts, int axis) {
  require(!parts.empty(), Errc::shape, "concat: no inputs");
  const Shape& first = parts[0].shape();
  const int at = resolve_axis("concat", axis, first.rank());
  std::int64_t total = 0;
  for (const Tensor<T>& part : parts) {
    require(part.shape().rank() == first.rank() && part.shape().with(at, first[at]) == first, Errc::shape,
            "concat: inputs {} and {} differ in more than axis {}", first, part.shape(), at);
    total += part.shape()[at];
  }
  Tensor<T> result(first.with(at, total));
  T* y = result.edit().data();
  const std::int64_t inner = first.product(at + 1, first.rank());
  const std::int64_t outer = first.product(0, at);
  std::int64_t offset = 0;
  for (const Tensor<T>& part : parts) {
    const std::int64_t run = part.shape()[at] * inner;
    for (std::int64_t i = 0; i < outer; ++i) std::copy_n(part.data() + i * run, run, y + i * total * inner + offset);
    offset += run;
  }
  return result;
}

/// Cuts out one part of a joined tensor.
/// Shapes:    dy -> shape `part`, which begins at `first` of the axis
template <class T>
Tensor<T> concat_backward(const Tensor<T>& dy, int axis, std::int64_t first, const Shape& part) {
  const std::int64_t inner = part.product(axis + 1, part.rank());
  const std::int64_t run = part[axis] * inner;
  const std::int64_t whole = dy.shape()[axis] * inner;
  Tensor<T> dx(part);
  T* to = dx.edit().data();
  for (std::int64_t i = 0; i < part.product(0, axis); ++i) {
    std::copy_n(dy.data() + i * whole + first * inner, run, to + i * run);
  }
  return dx;
}

/// Gives the elements another shape on the tape; no copy.
/// Gradient:  dx = dy in the old shape
/// Errors:    Errc::shape if the element counts differ
template <class T>
Var<Tensor<T>> reshape(const Var<Tensor<T>>& x, const Shape& shape) {
  return record(x.value().reshaped(shape), std::tie(x),
                [input = x.shape()](const Tensor<T>& dy, auto dx) { dx.add(dy.reshaped(input)); });
}

/// Joins all axes but the first on the tape.
/// Shapes:    x [N,...] -> y [N, product of the rest]
/// Errors:    Errc::shape if x is a scalar
template <class T>
Var<Tensor<T>> flatten(const Var<Tensor<T>>& x) {
  require(x.shape().rank() >= 1, Errc::shape, "flatten: input must have a batch axis, got a scalar");
  return reshape(x, Shape{x.shape()[0], x.shape().product(1, x.shape().rank())});
}

/// Reorders the axes on the tape; as transpose_forward.
/// Gradient:  dx = dy with the inverse order
template <class T>
Var<Tensor<T>> transpose(const Var<Tensor<T>>& x, std::vector<int> order) {
  Tensor<T> y = transpose_forward<T>(x.value(), order);
  std::vector<int> inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) inverse[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
  return record(std::move(y), std::tie(x), [inverse = std::move(inverse)](const Tensor<T>& dy, auto dx) {
    dx.add(transpose_forward<T>(dy, inverse));
  });
}

/// Surrounds with a constant on the tape; as pad_forward.
/// Gradient:  dx = the inner part of dy
template <class T>
Var<Tensor<T>> pad(const Var<Tensor<T>>& x, std::vector<Margin> margins, double value = 0) {
  Tensor<T> y = pad_forward<T>(x.value(), margins, static_cast<T>(value));
  return record(std::move(y), std::tie(x),
                [margins = std::move(margins), input = x.shape()](const Tensor<T>& dy, auto dx) {
                  dx.add(pad_backward<T>(dy, margins, input));
                });
}

/// Cuts out some elements of an axis.
/// Shapes:    x -> y, with part.count along the axis
/// Errors:    Errc::range if the part is none of the axis
template <class T>
Tensor<T> slice_forward(const Tensor<T>& x, int axis, const Progression& part) {
  require_part(part, axis, x.shape());
  Tensor<T> y(x.shape().with(axis, part.count));
  take_part(x.data(), x.shape(), axis, part, y.edit().data());
  return y;
}
/// Zeros where nothing was cut out.
/// Shapes:    dy of slice_forward -> shape `input`
template <class T>
Tensor<T> slice_backward(const Tensor<T>& dy, int axis, const Progression& part, const Shape& input) {
  Tensor<T> dx = Tensor<T>::zeros(input);
  put_part(dy.data(), input, axis, part, dx.edit().data());
  return dx;
}

/// Cuts out some elements of an axis (counted from the back if negative) on the tape; as slice_forward.
/// Gradient:  dx = dy where it was cut out, 0 elsewhere
/// Errors:    Errc::range if there is no such axis, or the part is none of it
template <class T>
Var<Tensor<T>> slice(const Var<Tensor<T>>& x, int axis, const Progression& part) {
  const int at = resolve_axis("slice", axis, x.shape().rank());
  return record(slice_forward(x.value(), at, part), std::tie(x),
                [at, part, input = x.shape()](const Tensor<T>& dy, auto dx) { dx.add(slice_backward(dy, at, part, input)); });
}
/// The elements first, ..., last - 1.
template <class T>
Var<Tensor<T>> slice(const Var<Tensor<T>>& x, int axis, std::int64_t first, std::int64_t last) {
  return slice(x, axis, {.first = first, .count = last - first});
}

/// Joins two values along an axis (counted from the back if negative) on the tape; as concat_forward.
/// Gradient:  the matching part of dy for each
template <class T>
Var<Tensor<T>> concat(const Var<Tensor<T>>& a, const Var<Tensor<T>>& b, int axis = -1) {
  const std::array<Tensor<T>, 2> parts{a.value(), b.value()};
  Tensor<T> y = concat_forward<T>(parts, axis);
  const int at = resolve_axis("concat", axis, a.shape().rank());
  return record(std::move(y), std::tie(a, b),
                [at, sa = a.shape(), sb = b.shape()](const Tensor<T>& dy, auto da, auto db) {
                  if (da.wanted()) da.add(concat_backward(dy, at, 0, sa));
                  if (db.wanted()) db.add(concat_backward(dy, at, sa[at], sb));
                });
}

/// Joins any number of values, two at a time.
/// Errors:    as concat_forward
template <class T>
Var<Tensor<T>> concat(const std::vector<Var<Tensor<T>>>& parts, int axis = -1) {
  require(!parts.empty(), Errc::shape, "concat: no inputs");
  Var<Tensor<T>> y = parts[0];
  for (std::size_t i = 1; i < parts.size(); ++i) y = concat(y, parts[i], axis);
  return y;
}

}  // namespace stet
