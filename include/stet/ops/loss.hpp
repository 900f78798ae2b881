#pragma once
// Losses: softmax cross-entropy with label smoothing and class weights, binary cross-entropy, mean squared error, Huber.

#include <stet/autograd/tape.hpp>
#include <stet/ops/broadcast.hpp>
#include <stet/ops/map.hpp>
#include <stet/ops/softmax.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace stet {

/// Attributes of the cross-entropy.
struct CrossEntropyOptions {
  double label_smoothing = 0;           ///< share of the target that is spread over all classes
  std::vector<double> class_weights{};  ///< how much a row of each class counts; empty: all alike
  Tensor<float> sample_weights{};       ///< [N], how much each row counts beside; empty: all alike
};

namespace detail {
// How much each of so many samples counts in a mean, and their sum; 1 each without weights.
struct SampleWeights {
  const Tensor<float>& of;
  double sum = 0;

  // Errors:    Errc::shape unless there is one for each sample; Errc::range if one is negative or not finite, or all are 0
  SampleWeights(const char* op, const Tensor<float>& weights, std::int64_t samples) : of(weights), sum(static_cast<double>(samples)) {
    if (weights.empty()) return;
    require(weights.shape() == Shape{samples}, Errc::shape, "{}: sample weights must be [{}], got {}", op, samples, weights.shape());
    sum = 0;
    for (std::int64_t n = 0; n < samples; ++n) {
      require(weights[n] >= 0 && std::isfinite(weights[n]), Errc::range, "{}: weight {} of sample {} must be finite and not negative", op, weights[n], n);
      sum += static_cast<double>(weights[n]);
    }
    require(sum > 0, Errc::range, "{}: all {} samples have weight 0; take larger batches, or leave such samples out", op, samples);
  }
  [[nodiscard]] double operator[](std::int64_t n) const { return of.empty() ? 1.0 : static_cast<double>(of[n]); }
};
}  // namespace detail

/// Mean cross-entropy of a batch and, if wanted, its gradient.
template <class T>
struct CrossEntropy {
  double loss = 0;
  Tensor<T> dlogits{};
};

/// Computes the mean cross-entropy between logits and labels.
/// Formula:   loss = -sum over n of w[n] * sum over c of t[n,c] * log_softmax(x)[n,c], t = (1-e) * [c == label] + e/C
///            w[n] = sample_weights[n] * class_weights[label[n]] / sum of those of the batch, 1/N without them
///            dlogits = (softmax(x) - t) * w
/// Shapes:    logits [N,C], labels [N], class_weights [C], sample_weights [N]
/// Errors:    Errc::shape if the shapes do not fit or N or C is 0; Errc::range if a label is not in 0..C-1,
///            label_smoothing not in [0, 1], or a weight negative, not finite or zero for all rows
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

  const std::vector<double>& weights = options.class_weights;
  require(weights.empty() || static_cast<std::int64_t>(weights.size()) == classes, Errc::shape,
          "softmax_cross_entropy: {} class weights for {} classes", weights.size(), classes);
  for (const double w : weights) {
    require(w >= 0 && std::isfinite(w), Errc::range, "softmax_cross_entropy: class weight {} must be finite and not negative", w);
  }
  double rows = 0;  // weighted
  const detail::SampleWeights of_sample("softmax_cross_entropy", options.sample_weights, shape[0]);
  const auto weight_of = [&](std::int64_t n) {
    return of_sample[n] * (weights.empty() ? 1.0 : weights[static_cast<std::size_t>(labels[n])]);
  };
  for (std::int64_t n = 0; n < shape[0]; ++n) rows += weight_of(n);
  require(rows > 0, Errc::range, "softmax_cross_entropy: all {} rows are of classes of weight 0; take larger batches or other weights", shape[0]);

  const double share = smoothing / static_cast<double>(classes);
  const Tensor<T> logs = log_softmax_forward(logits);
  CrossEntropy<T> result;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    const T* row = logs.data() + n * classes;
    double spread = 0;
    for (std::int64_t c = 0; c < classes && share > 0; ++c) spread += static_cast<double>(row[c]);
    result.loss -= weight_of(n) * ((1 - smoothing) * static_cast<double>(row[labels[n]]) + share * spread);
  }
  result.loss /= rows;
  if (!want_gradient) return result;
  result.dlogits = Tensor<T>(shape);
  T* to = result.dlogits.edit().data();
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t c = 0; c < classes; ++c) {
      const double target = share + (c == labels[n] ? 1 - smoothing : 0);
      to[n * classes + c] = static_cast<T>(weight_of(n) * (std::exp(static_cast<double>(logs[n * classes + c])) - target) / rows);
    }
  }
  return result;
}

namespace detail {

// The mean over a batch is that of its parts' means, by the weights of their samples. Weights of classes make another one of
// it: by this factor a part's loss counts more or less, so that the mean of the parts is the batch's.
// Formula:   (rows / rows of all parts) * (samples of all parts / samples), both by weight; 1 without weights of classes
inline double part_of_class_weights(BatchParts* parts, const Tensor<std::int32_t>& labels, const CrossEntropyOptions& o) {
  if (parts == nullptr || o.class_weights.empty()) return 1.0;
  const SampleWeights of_sample("softmax_cross_entropy", o.sample_weights, labels.size());
  double rows = 0;
  for (std::int64_t n = 0; n < labels.size(); ++n) rows += of_sample[n] * o.class_weights[static_cast<std::size_t>(labels[n])];
  std::array<double, 2> sums{rows, of_sample.sum};
  parts->combine(sums, {});
  return rows / sums[0] * (sums[1] / of_sample.sum);
}

}  // namespace detail

/// Softmax cross-entropy on the tape, averaged over the batch.
/// Formula:   as cross_entropy; on the tape of a part of a batch (BatchParts) weights of classes count over all parts
/// Shapes:    logits [N,C], labels [N] -> loss []
/// Gradient:  dlogits = dloss * (softmax - target) * w
/// Errors:    as cross_entropy
template <class T>
Var<Tensor<T>> softmax_cross_entropy(const Var<Tensor<T>>& logits, const Tensor<std::int32_t>& labels,
                                     const CrossEntropyOptions& options = {}) {
  CrossEntropy<T> result = cross_entropy(logits.value(), labels, options, logits.wanted());
  const double factor = detail::part_of_class_weights(logits.tape().parts(), labels, options);
  return record(Tensor<T>::filled({}, static_cast<T>(result.loss * factor)), std::tie(logits),
                [d = std::move(result.dlogits), factor](const Tensor<T>& dloss, auto dlogits) {
                  const T scale = static_cast<T>(static_cast<double>(dloss[0]) * factor);
                  dlogits.add(detail::map(d, [scale](T v) { return v * scale; }));
                });
}

namespace detail {

// A loss that is the mean of a function of value and target, with the function's derivative by the value. Weights, if there are
// any, are of samples: all numbers of a sample count as it does.
template <class T, class Value, class Slope>
Var<Tensor<T>> mean_loss(const char* op, const Var<Tensor<T>>& y, const Tensor<T>& target, const Tensor<float>& weights, Value value, Slope slope) {
  require(y.shape() == target.shape(), Errc::shape, "{}: shapes {} and {} differ", op, y.shape(), target.shape());
  require(y.value().size() > 0, Errc::shape, "{}: input {} has no elements", op, y.shape());
  const auto count = static_cast<T>(target.size());
  Tensor<T> factors;  // w[n] * N / sum of w, for every number of sample n
  if (!weights.empty()) {
    require(y.shape().rank() >= 1, Errc::shape, "{}: y {} has no samples to weigh", op, y.shape());
    const SampleWeights of_sample(op, weights, y.shape()[0]);
    factors = Tensor<T>(y.shape());
    const std::int64_t each = y.value().size() / y.shape()[0];
    T* to = factors.edit().data();
    for (std::int64_t i = 0; i < factors.size(); ++i) to[i] = static_cast<T>(of_sample[i / each] * static_cast<double>(y.shape()[0]) / of_sample.sum);
  }
  const auto weighed = [&](Tensor<T> values) { return factors.empty() ? values : map(values, factors, [](T a, T b) { return a * b; }); };
  const T total = sum_to(weighed(map(y.value(), target, value)), Shape{})[0];
  return record(Tensor<T>::filled({}, total / count), std::tie(y),
                [slopes = y.wanted() ? weighed(map(y.value(), target, slope)) : Tensor<T>(), count](const Tensor<T>& dloss, auto dy) {
                  const T scale = dloss[0] / count;
                  dy.add(map(slopes, [scale](T d) { return scale * d; }));
                });
}

}  // namespace detail

/// Huber's loss on the tape: squared for small errors, linear for large ones, so that outliers do not rule.
/// Formula:   mean of e^2 / 2 where |e| <= delta, else delta * (|e| - delta / 2), e = y - target; with weights of samples the
///            numbers of sample n count w[n] * N / sum of w each
/// Shapes:    y and target alike [N, ...], sample_weights [N] or empty -> loss []
/// Gradient:  dy = dloss * clamp(e, -delta, delta) / count, times w[n] * N / sum of w
/// Errors:    Errc::shape if the shapes differ or there are no elements; Errc::range unless delta is positive and finite, or if a
///            weight is negative or not finite, or all are 0
/// Source:    Huber 1964, doi 10.1214/aoms/1177703732
template <class T>
Var<Tensor<T>> huber(const Var<Tensor<T>>& y, const Tensor<T>& target, double delta = 1.0, const Tensor<float>& sample_weights = {}) {
  require(delta > 0 && std::isfinite(delta), Errc::range, "huber: delta {} must be positive and finite", delta);
  const auto d = static_cast<T>(delta);
  return detail::mean_loss(
      "huber", y, target, sample_weights,
      [d](T a, T b) {
        const T e = std::fabs(a - b);
        return e <= d ? e * e / T{2} : d * (e - d / T{2});
      },
      [d](T a, T b) { return std::fmin(std::fmax(a - b, -d), d); });
}

/// Cross-entropy of independent yes-or-no answers on the tape: multi-label classes, masks, a single logit.
/// Formula:   mean of max(y, 0) - y * target + log(1 + exp(-|y|)), weighed as huber
/// Shapes:    y (logits) and target alike [N, ...], sample_weights [N] or empty -> loss []
/// Gradient:  dy = dloss * (sigmoid(y) - target) / count, times w[n] * N / sum of w
/// Errors:    Errc::shape if the shapes differ or there are no elements; Errc::range if a target is not in [0, 1], or a weight as
///            in huber
template <class T>
Var<Tensor<T>> binary_cross_entropy(const Var<Tensor<T>>& y, const Tensor<T>& target, const Tensor<float>& sample_weights = {}) {
  for (std::int64_t i = 0; i < target.size(); ++i) {
    require(target[i] >= 0 && target[i] <= 1, Errc::range, "binary_cross_entropy: target {} at {} is not in 0..1", target[i], i);
  }
  return detail::mean_loss(
      "binary_cross_entropy", y, target, sample_weights,
      [](T a, T b) { return std::fmax(a, T{0}) - a * b + std::log1p(std::exp(-std::fabs(a))); },
      [](T a, T b) {
        const T e = std::exp(-std::fabs(a));
        return (a >= 0 ? T{1} : e) / (T{1} + e) - b;
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

/// Mean squared error of fixed targets on the tape, with weights of samples.
/// Formula:   loss = mean of (y - target)^2, weighed as huber
/// Shapes:    y and target alike [N, ...], sample_weights [N] -> loss []
/// Gradient:  dy = dloss * 2 * (y - target) / count, times w[n] * N / sum of w
/// Errors:    Errc::shape if the shapes differ or there are no elements; Errc::range if a weight is negative or not finite, or
///            all are 0
template <class T>
Var<Tensor<T>> mse(const Var<Tensor<T>>& y, const Tensor<T>& target, const Tensor<float>& sample_weights) {
  return detail::mean_loss(
      "mse", y, target, sample_weights, [](T a, T b) { return (a - b) * (a - b); }, [](T a, T b) { return T{2} * (a - b); });
}

}  // namespace stet
