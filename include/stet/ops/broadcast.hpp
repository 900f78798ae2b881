#pragma once
// Broadcasting: shapes are aligned at their last axes, and an axis of size 1 (or a missing one) is repeated.

#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/ops/channel_sums.hpp>

#include <algorithm>
#include <array>
#include <cstdint>

namespace stet {

/// Shape that two operands have after broadcasting.
/// Errors:    Errc::shape if an axis differs and neither is 1
/// Source:    NumPy user guide, Broadcasting
inline Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, Shape::max_rank> dims{};
  for (int i = 0; i < rank; ++i) {
    const int ia = i - (rank - a.rank()), ib = i - (rank - b.rank());
    const std::int64_t da = ia < 0 ? 1 : a[ia], db = ib < 0 ? 1 : b[ib];
    require(da == db || da == 1 || db == 1, Errc::shape, "{}: shapes {} and {} do not broadcast, axis {} has {} and {}",
            op, a, b, i, da, db);
    dims[static_cast<std::size_t>(i)] = da == 1 ? db : da;
  }
  return Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(rank)));
}

namespace detail {

/// Row-major strides of an operand inside the broadcast shape: 0 where it is repeated.
inline std::array<std::int64_t, Shape::max_rank> broadcast_strides(const Shape& operand, const Shape& whole) {
  std::array<std::int64_t, Shape::max_rank> strides{};
  std::int64_t stride = 1;
  for (int i = operand.rank() - 1; i >= 0; --i) {
    const int axis = i + whole.rank() - operand.rank();
    strides[static_cast<std::size_t>(axis)] = operand[i] == 1 ? 0 : stride;
    stride *= operand[i];
  }
  return strides;
}

// Two operands seen as a loop over `outer` runs of `inner` elements; axes that run alike are merged into the run.
struct BroadcastRuns {
  Shape whole;
  std::array<std::int64_t, Shape::max_rank> a, b;
  int outer_rank = 0;
  std::int64_t outer = 1, inner = 1, a_step = 0, b_step = 0;

  BroadcastRuns(const Shape& shape, const Shape& left, const Shape& right)
      : whole(shape), a(broadcast_strides(left, shape)), b(broadcast_strides(right, shape)), outer_rank(shape.rank()) {
    while (outer_rank > 0) {
      const auto i = static_cast<std::size_t>(outer_rank - 1);
      const std::int64_t size = whole[outer_rank - 1];
      if (size != 1) {
        if (inner == 1) {
          a_step = a[i];
          b_step = b[i];
        } else if (a[i] != a_step * inner || b[i] != b_step * inner) {
          break;
        }
        inner *= size;
      }
      --outer_rank;
    }
    outer = whole.product(0, outer_rank);
  }
  // Offsets of run r in both operands.
  [[nodiscard]] std::array<std::int64_t, 2> offsets(std::int64_t run) const {
    std::array<std::int64_t, 2> offset{};
    for (int i = outer_rank - 1; i >= 0; --i) {
      const std::int64_t index = run % whole[i];
      run /= whole[i];
      offset[0] += index * a[static_cast<std::size_t>(i)];
      offset[1] += index * b[static_cast<std::size_t>(i)];
    }
    return offset;
  }
};

/// y = f(a, b) with broadcasting into `shape`.
template <class T, class F>
Tensor<T> broadcast_map(const Tensor<T>& a, const Tensor<T>& b, const Shape& shape, F f) {
  Tensor<T> result(shape);
  if (result.empty()) return result;
  const BroadcastRuns runs(shape, a.shape(), b.shape());
  T* to = result.edit().data();
  // Long runs are cut, short ones are grouped.
  const std::int64_t pieces = runs.outer > 1 ? 1 : chunk_count(runs.inner, 1);
  parallel_chunks(runs.outer * pieces, runs.inner / pieces, [&](Chunk chunk) {
    for (std::int64_t i = chunk.first; i < chunk.last; ++i) {
      const Chunk part = chunk_of(runs.inner, pieces, i % pieces);
      const auto offset = runs.offsets(i / pieces);
      T* __restrict y = to + i / pieces * runs.inner + part.first;
      const T* __restrict left = a.data() + offset[0] + part.first * runs.a_step;
      const T* __restrict right = b.data() + offset[1] + part.first * runs.b_step;
      if (runs.a_step == 1 && runs.b_step == 1) {
        lanes(part.size(), [=](std::int64_t k) { y[k] = f(left[k], right[k]); });
      } else if (runs.a_step == 1) {
        lanes(part.size(), [=, value = *right](std::int64_t k) { y[k] = f(left[k], value); });
      } else if (runs.b_step == 1) {
        lanes(part.size(), [=, value = *left](std::int64_t k) { y[k] = f(value, right[k]); });
      } else {
        std::fill_n(y, part.size(), f(*left, *right));
      }
    }
  });
  return result;
}

}  // namespace detail

/// Adds up what broadcasting repeated: the transpose of broadcasting, in double.
/// Shapes:    x of a shape that `shape` broadcasts to -> `shape`
template <class T>
Tensor<T> sum_to(const Tensor<T>& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  Shape core = shape;  // without leading axes of size 1
  while (core.rank() > 0 && core[0] == 1) core = core.unbatched();
  const int lead = x.shape().rank() - core.rank();
  const bool suffix = std::equal(core.dims().begin(), core.dims().end(),
                                 x.shape().dims().subspan(static_cast<std::size_t>(lead)).begin());
  if (suffix) {
    const std::int64_t columns = core.elements();
    return channel_sums(x.reshaped({columns > 0 ? x.size() / columns : 0, columns})).reshaped(shape);
  }
  const auto strides = detail::broadcast_strides(shape, x.shape());
  Tensor<double> sums = Tensor<double>::zeros(shape);
  double* sum = sums.edit().data();
  const int rank = x.shape().rank();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    std::int64_t rest = i, offset = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      offset += rest % x.shape()[axis] * strides[static_cast<std::size_t>(axis)];
      rest /= x.shape()[axis];
    }
    sum[offset] += static_cast<double>(x[i]);
  }
  Tensor<T> result(shape);
  T* to = result.edit().data();
  for (std::int64_t i = 0; i < result.size(); ++i) to[i] = static_cast<T>(sum[i]);
  return result;
}

}  // namespace stet
