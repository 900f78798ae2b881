#pragma once
// Float operands under broadcasting: what is computed of both, and the sum over what was repeated.

#include <stet/core/broadcast.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/ops/channel_sums.hpp>

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace stet {

namespace detail {

/// y = f(a, b) with broadcasting into `shape`.
template <class A, class B, class F>
auto broadcast_map(const Tensor<A>& a, const Tensor<B>& b, const Shape& shape, F f) {
  using T = std::invoke_result_t<F, A, B>;
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
      const A* __restrict left = a.data() + offset[0] + part.first * runs.a_step;
      const B* __restrict right = b.data() + offset[1] + part.first * runs.b_step;
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
  // What leading axes that stay keep apart may be summed at the same time.
  const detail::BroadcastRuns runs(x.shape(), x.shape(), shape);
  std::int64_t apart = 1;
  for (int i = 0; i < runs.outer_rank && (runs.b[static_cast<std::size_t>(i)] != 0 || x.shape()[i] == 1); ++i) {
    apart *= x.shape()[i];
  }
  const std::int64_t each = apart > 0 ? runs.outer / apart : 0;
  Tensor<double> sums = Tensor<double>::zeros(shape);
  double* sum = sums.edit().data();
  parallel_chunks(apart, each * runs.inner, [&](Chunk chunk) {
    for (std::int64_t run = chunk.first * each; run < chunk.last * each; ++run) {
      const T* __restrict from = x.data() + run * runs.inner;
      double* __restrict of = sum + runs.offsets(run)[1];
      if (runs.b_step == 0) {
        double total = *of;
        for (std::int64_t i = 0; i < runs.inner; ++i) total += static_cast<double>(from[i]);
        *of = total;
      } else {
        for (std::int64_t i = 0; i < runs.inner; ++i) of[i] += static_cast<double>(from[i]);
      }
    }
  });
  Tensor<T> result(shape);
  T* to = result.edit().data();
  for (std::int64_t i = 0; i < result.size(); ++i) to[i] = static_cast<T>(sum[i]);
  return result;
}

}  // namespace stet
