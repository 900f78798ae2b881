// Golden arrays are in PyTorch's order: helpers that turn them into stet's and back.
#pragma once

#include <stet/ops/shape.hpp>

#include <cstdint>
#include <vector>

#include "support/golden.hpp"

namespace stet_test {

template <class T>
stet::Tensor<T> tensor(const GoldenArray& a) {
  const std::vector<T> values = a.as<T>();
  return stet::Tensor<T>(stet::Shape(std::span<const std::int64_t>(a.shape)), std::span<const T>(values));
}

/// [N,C,H,W] to [N,H,W,C] and [O,I,kh,kw] to [O,kh,kw,I]; other ranks are left alone.
template <class T>
stet::Tensor<T> channels_last(const stet::Tensor<T>& x) {
  const int order[] = {0, 2, 3, 1};
  return x.shape().rank() == 4 ? stet::transpose_forward<T>(x, order) : x;
}

template <class T>
stet::Tensor<T> channels_first(const stet::Tensor<T>& x) {
  const int order[] = {0, 3, 1, 2};
  return x.shape().rank() == 4 ? stet::transpose_forward<T>(x, order) : x;
}

/// Compares a channels-last result with the golden array `key` (double) or `key`_f32 (float).
template <class T>
void check_channels_last(const GoldenCase& c, const std::string& key, const stet::Tensor<T>& got) {
  CAPTURE(c.name, key);
  const stet::Tensor<T> first = channels_first(got);
  check_golden(c, std::is_same_v<T, float> ? key + "_f32" : key, first.span());
}

}  // namespace stet_test
