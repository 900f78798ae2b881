#pragma once
// evaluate: accuracy, loss and confusion matrix of anything that turns images into logits.

#include <stet/core/parallel.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/forward.hpp>
#include <stet/train/confusion.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>

namespace stet {

/// What a classifier achieves on a data set.
struct Evaluation {
  double accuracy = 0;  ///< 0 to 1
  double loss = 0;      ///< mean cross-entropy
  std::int64_t correct = 0, images = 0;
  Confusion confusion{};
};

struct EvaluateOptions {
  std::int64_t batch = 128;  ///< images at a time; the result does not depend on it
};

/// Position of the largest number; the lowest of equals.
inline int argmax(std::span<const float> values) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i] > values[best]) best = i;
  }
  return static_cast<int>(best);
}

/// Cross-entropy of one row of logits, in double.
/// Formula:   log(sum exp(x)) - x[label]
inline double cross_entropy_of(std::span<const float> logits, int label) {
  const double top = static_cast<double>(logits[static_cast<std::size_t>(argmax(logits))]);
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - top);
  return std::log(sum) + top - static_cast<double>(logits[static_cast<std::size_t>(label)]);
}

namespace detail {
// The samples of a data set in their order, so many at a time: f(batch, position of its first sample).
template <class F>
void for_each_batch(const Dataset& data, std::int64_t size, F&& f) {
  for (std::int64_t first = 0; first < data.size(); first += size) f(data.batch(first, std::min(data.size(), first + size)), first);
}
}  // namespace detail

/// Evaluates a function from a batch of images to logits. Images go in order; the loss is added image by image, so
/// the result depends on the logits alone.
/// Shapes:    logits: [N,...] -> [N,classes]
/// Errors:    Errc::shape if the logits are not [N,classes]; Errc::range if a label does not exist or a logit is not
///            finite
STET_ENTRY Evaluation evaluate_logits(FunctionRef<Tensor<float>(const Tensor<float>&)> logits, const Dataset& data,
                                  const EvaluateOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY Evaluation evaluate_logits(FunctionRef<Tensor<float>(const Tensor<float>&)> logits, const Dataset& data,
                                  const EvaluateOptions& options) {
  require(options.batch >= 1, Errc::range, "evaluate: batch is {}, must be at least 1", options.batch);
  require(data.has_labels(), Errc::state,
          "evaluate: data set {} has no labels to compare classes with; ask for a metric: evaluate(model, data, mean_absolute_error())",
          data.name());
  Evaluation result;
  double loss = 0;
  detail::for_each_batch(data, options.batch, [&](const Batch& batch, std::int64_t first) {
    const Tensor<float> y = logits(batch.x);
    require(y.shape().rank() == 2 && y.shape()[0] == batch.size() && y.shape()[1] >= 1, Errc::shape,
            "evaluate: wants logits [{},classes], the model made {}", batch.size(), y.shape());
    const std::int64_t classes = y.shape()[1];
    require(data.classes() <= classes, Errc::range, "evaluate: data set {} has {} classes, the model {}", data.name(),
            data.classes(), classes);
    if (first == 0) result.confusion = Confusion(static_cast<int>(classes));
    for (std::int64_t i = 0; i < batch.size(); ++i) {
      const auto row = y.span().subspan(static_cast<std::size_t>(i * classes), static_cast<std::size_t>(classes));
      for (const float x : row) {
        require(std::isfinite(x), Errc::range, "evaluate: a logit of image {} is {}; the model has diverged", first + i,
                x);
      }
      loss += cross_entropy_of(row, batch.labels[i]);
      result.confusion.add(batch.labels[i], argmax(row));
    }
  });
  result.images = data.size();
  result.correct = result.confusion.correct();
  result.accuracy = static_cast<double>(result.correct) / static_cast<double>(result.images);
  result.loss = loss / static_cast<double>(result.images);
  return result;
}
#endif

/// Anything with infer(model, images) -> logits, found by argument-dependent lookup.
template <class M>
concept Classifier = requires(const M& model, const Tensor<float>& x) {
  { infer(model, x) } -> std::convertible_to<Tensor<float>>;
};

/// Evaluates a model as it would be deployed: nothing in it changes.
/// Errors:    as evaluate_logits and infer
template <Classifier M>
Evaluation evaluate(const M& model, const Dataset& data, const EvaluateOptions& options = {}) {
  return evaluate_logits([&](const Tensor<float>& x) -> Tensor<float> { return infer(model, x); }, data, options);
}

}  // namespace stet
