#pragma once
// The tape's side of layers with weights: what convolution, depthwise convolution and linear have in common.

#include <stet/autograd/tape.hpp>
#include <stet/ops/channel_sums.hpp>

#include <tuple>
#include <utility>

namespace stet::detail {

/// Records y of x, weights w and, if there is one, a bias that was added per channel.
/// Gradient:  pull(dy, dx, dw) gives those of x and w; db[c] = sum of dy over all but the last dimension
template <class T, class Pull>
Var<Tensor<T>> record_layer(Tensor<T> y, const Var<Tensor<T>>& x, const Var<Tensor<T>>& w, const Var<Tensor<T>>* b,
                            Pull pull) {
  if (b == nullptr) return record(std::move(y), std::tie(x, w), std::move(pull));
  return record(std::move(y), std::tie(x, w, *b),
                [pull = std::move(pull)](const Tensor<T>& dy, const auto& dx, const auto& dw, const auto& db) {
                  pull(dy, dx, dw);
                  if (db.wanted()) db.add(channel_sums(dy));
                });
}

}  // namespace stet::detail
