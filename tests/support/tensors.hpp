// Random tensors, and whether two are the same.
#pragma once

#include <stet/core/random.hpp>
#include <stet/core/tensor.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace stet_test {

template <class T = double>
stet::Tensor<T> uniform(const stet::Shape& shape, std::uint64_t seed, double lo = -1, double hi = 1) {
  stet::Rng rng(seed);
  stet::Tensor<T> t(shape);
  for (T& v : t.edit()) v = static_cast<T>(rng.uniform(lo, hi));
  return t;
}

template <class T = float>
stet::Tensor<T> normal(const stet::Shape& shape, std::uint64_t seed) {
  stet::Rng rng(seed);
  stet::Tensor<T> t(shape);
  for (T& v : t.edit()) v = static_cast<T>(rng.normal());
  return t;
}

/// All different, at least 1/8 apart and 1/16 away from whole numbers that are multiples of 1/8: no kinks and no ties.
template <class T = double>
stet::Tensor<T> distinct(const stet::Shape& shape, std::uint64_t seed, double centre = 0) {
  stet::Tensor<T> t(shape);
  std::vector<std::int64_t> order(static_cast<std::size_t>(t.size()));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  stet::Rng(seed).shuffle(std::span<std::int64_t>(order));
  const auto values = t.edit();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<T>(centre + (static_cast<double>(order[i] - t.size() / 2) + 0.5) / 8);
  }
  return t;
}

/// Small whole numbers, on which sums are exact in any order.
template <class T>
stet::Tensor<T> whole(const stet::Shape& shape, std::uint64_t seed, int lo, int hi) {
  stet::Rng rng(seed);
  stet::Tensor<T> t(shape);
  for (T& v : t.edit()) v = static_cast<T>(lo + static_cast<int>(rng.below(static_cast<std::uint64_t>(hi - lo + 1))));
  return t;
}

template <class T>
bool equal(const stet::Tensor<T>& a, const stet::Tensor<T>& b) {
  if (a.shape() != b.shape()) return false;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

}  // namespace stet_test
