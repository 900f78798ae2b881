#pragma once
// One pass over the elements of tensors, in parallel and in lanes.

#include <stet/core/lanes.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/core/vectorized.hpp>

#include <cstdint>

namespace stet::detail {

/// y[i] = f(x[i])
template <class T, class F>
Tensor<T> map(const Tensor<T>& x, F f) {
  Tensor<T> result(x.shape());
  T* __restrict y = result.edit().data();
  const T* __restrict from = x.data();
  parallel_chunks(x.size(), 1, [=](Chunk chunk) {
    vectorized([=] { lanes(chunk.size(), [=](std::int64_t i) { y[chunk.first + i] = f(from[chunk.first + i]); }); });
  });
  return result;
}

/// y[i] = f(x[i]) for an f that calls the mathematics library, which does not vectorize.
template <class T, class F>
Tensor<T> map_calls(const Tensor<T>& x, F f) {
  Tensor<T> result(x.shape());
  T* y = result.edit().data();
  const T* from = x.data();
  parallel_chunks(x.size(), 16, [=](Chunk chunk) {
    for (std::int64_t i = chunk.first; i < chunk.last; ++i) y[i] = f(from[i]);
  });
  return result;
}

/// y[i] = f(a[i], b[i]); the result has the shape of a.
template <class T, class F>
Tensor<T> map(const Tensor<T>& a, const Tensor<T>& b, F f) {
  Tensor<T> result(a.shape());
  T* __restrict y = result.edit().data();
  const T* __restrict left = a.data();
  const T* __restrict right = b.data();
  parallel_chunks(a.size(), 1, [=](Chunk chunk) {
    vectorized([=] {
      lanes(chunk.size(), [=](std::int64_t i) { y[chunk.first + i] = f(left[chunk.first + i], right[chunk.first + i]); });
    });
  });
  return result;
}

}  // namespace stet::detail
