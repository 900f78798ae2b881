#pragma once
// Dropout with an explicit random number generator.

#include <stet/autograd/tape.hpp>
#include <stet/core/random.hpp>
#include <stet/ops/map.hpp>

#include <cstdint>

namespace stet {

/// Sets elements to zero at random and scales the others, in training; leave the call out in evaluation.
/// Formula:   y = x * m, m = 0 with probability p, else 1 / (1 - p); one draw of rng per element, in order
/// Shapes:    x any -> y alike
/// Gradient:  dx = dy * m
/// Errors:    Errc::range if p is not in [0, 1)
/// Source:    Srivastava et al. 2014, JMLR 15, 1929
template <class T>
Var<Tensor<T>> dropout(const Var<Tensor<T>>& x, double p, Rng& rng) {
  require(p >= 0 && p < 1, Errc::range, "dropout: probability is {}, must be in [0, 1)", p);

  Tensor<T> mask(x.shape());
  const T kept = static_cast<T>(1 / (1 - p));
  for (T& m : mask.edit()) m = rng.uniform() < p ? T{0} : kept;
  const auto times = [](T a, T b) { return a * b; };
  Tensor<T> y = detail::map(x.value(), mask, times);

  return record(std::move(y), std::tie(x), [mask = std::move(mask), times](const Tensor<T>& dy, auto dx) {
    dx.add(detail::map(dy, mask, times));
  });
}

}  // namespace stet
