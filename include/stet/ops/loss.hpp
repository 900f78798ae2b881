#pragma once
// Losses: softmax cross-entropy with label smoothing, and mean squared error.

#include <stet/autograd/tape.hpp>
#include <stet/ops/broadcast.hpp>
#include <stet/ops/map.hpp>
#include <stet/ops/softmax.hpp>

#include <cmath>
#include <cstdint>

namespace stet {

/// Attributes of the cross-entropy.
struct CrossEntropyOptions {
  double label_smoothing = 0;  ///< share of the target that is spread over all classes
};

/// Mean cross-entropy of a batch and, if wanted, its gradient.
template <class T>
struct CrossEntropy {
  double loss = 0;
  Tensor<T> dlogits{};
};

/// Computes the mean cross-entropy between logits and labels.
/// Formula:   loss = -mean over n of sum over c of t[n,c] * log_softmax(x)[n,c], t = (1-e) * [c == label] + e/C
///            dlogits = (softmax(x) - t) / N
/// Shapes:    logits [N,C], labels [N]
/// Errors:    Errc::shape if the shapes do not fit or N or C is 0; Errc::range if a label is not in 0..C-1 or
///            label_smoothing not in [0, 1]
/// Source:    Szegedy et al. 2016, arXiv 1512.00567, section 7
template <class T>
CrossEntropy<T> cross_entropy(const Tensor<T>& logits, const Tensor<std::int32_t>& labels,
                              const CrossEntropyOptions& options, bool want_gradient) {
  const Shape& shape = logits.shape();
  require(shape.rank() == 2 && shape[0] > 0 && shape[1] > 0, Errc::shape,
          "softmax_cross_entropy: logits must be [N,C] with at least one row and class, got {}", shape);
  require(labels.shape() == Shape{shape[0]}, Errc::shape, "softmax_cross_entropy: labels must be [{}], got {}",
          shape[0], labels.shape());
  const double smoothing = options.label_smoothing;
  require(smoothing >= 0 && smoothing <= 1, Errc::range,
          "softmax_cross_entropy: label smoothing is {}, must be in 0..1", smoothing);
  const std::int64_t classes = shape[1];
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    require(labels[n] >= 0 && labels[n] < classes, Errc::range,
            "softmax_cross_entropy: label {} of row {} is not in 0..{}", labels[n], n, classes - 1);
  }

  const auto rows = static_cast<double>(shape[0]);
  const double share = smoothing / static_cast<double>(classes);
  const Tensor<T> logs = log_softmax_forward(logits);
  CrossEntropy<T> result;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    const T* row = logs.data() + n * classes;
    double spread = 0;
    for (std::int64_t c = 0; c < classes && share > 0; ++c) spread += static_cast<double>(row[c]);
    result.loss -= (1 - smoothing) * static_cast<double>(row[labels[n]]) + share * spread;
  }
  result.loss /= rows;
  if (!want_gradient) return result;
  result.dlogits = Tensor<T>(shape);
  T* to = result.dlogits.edit().data();
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t c = 0; c < classes; ++c) {
      const double target = share + (c == labels[n] ? 1 - smoothing : 0);
      to[n * classes + c] = static_cast<T>((std::exp(static_cast<double>(logs[n * classes + c])) - target) / rows);
    }
  }
  return result;
}

/// Softmax cross-entropy on the tape, averaged over the batch.
/// Formula:   as cross_entropy
/// Shapes:    logits [N,C], labels [N] -> loss []
/// Gradient:  dlogits = dloss * (softmax - target) / N
/// Errors:    as cross_entropy
template <class T>
Var<Tensor<T>> softmax_cross_entropy(const Var<Tensor<T>>& logits, const Tensor<std::int32_t>& labels,
                                     const CrossEntropyOptions& options = {}) {
  CrossEntropy<T> result = cross_entropy(logits.value(), labels, options, logits.wanted());
  return record(Tensor<T>::filled({}, static_cast<T>(result.loss)), std::tie(logits),
                [d = std::move(result.dlogits)](const Tensor<T>& dloss, auto dlogits) {
                  const T scale = dloss[0];
                  dlogits.add(detail::map(d, [scale](T v) { return v * scale; }));
                });
}

/// Mean squared error on the tape.
/// Formula:   loss = mean of (y - target)^2
/// Shapes:    y and target alike -> loss []
/// Gradient:  dy = dloss * 2 * (y - target) / count; dtarget = -dy
/// Errors:    Errc::shape if the shapes differ or there are no elements
template <class T>
Var<Tensor<T>> mse(const Var<Tensor<T>>& y, const Var<Tensor<T>>& target) {
  require(y.shape() == target.shape(), Errc::shape, "mse: shapes {} and {} differ", y.shape(), target.shape());
  require(y.value().size() > 0, Errc::shape, "mse: input {} has no elements", y.shape());

  const Tensor<T> difference = detail::map(y.value(), target.value(), [](T a, T b) { return a - b; });
  const T total = sum_to(detail::map(difference, [](T d) { return d * d; }), Shape{})[0];
  const auto count = static_cast<T>(difference.size());

  return record(Tensor<T>::filled({}, total / count), std::tie(y, target),
                [difference, count](const Tensor<T>& dloss, auto dy, auto dtarget) {
                  const T scale = T{2} * dloss[0] / count;
                  if (dy.wanted()) dy.add(detail::map(difference, [scale](T d) { return scale * d; }));
                  if (dtarget.wanted()) dtarget.add(detail::map(difference, [scale](T d) { return -scale * d; }));
                });
}

}  // namespace stet
