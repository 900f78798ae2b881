#pragma once
// evaluate: accuracy, loss and confusion matrix of anything that turns images into logits.

#include <stet/core/parallel.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/inference_plan.hpp>
#include <stet/train/agreement.hpp>
#include <stet/train/confusion.hpp>
#include <stet/train/infer_together.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <span>
#include <vector>

namespace stet {

/// What a classifier achieves on a data set.
struct Evaluation {
  double accuracy = 0;  ///< 0 to 1, a mean by the weights of the samples where the data have some
  double loss = 0;      ///< mean cross-entropy, likewise
  std::int64_t correct = 0, images = 0;  ///< counted, whatever the weights
  Confusion confusion{};
};

struct EvaluateOptions {
  std::int64_t batch = 128;  ///< images at a time; the result does not depend on it
  int output = -1;           ///< of a model with several, the one that is asked, counted from 0; -1: the only one
  /// Processes that all make this call with the same model and data (FitOptions::comm): each asks the model about its share of
  /// every batch, and all get the result that one alone would; null: this one alone.
  Communicator* comm = nullptr;
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

namespace detail {
// The same of a function of a whole batch, whose logits belong to the labels for the output that the options name.
STET_ENTRY Evaluation evaluate_batches(FunctionRef<Tensor<float>(const Batch&)> logits, const Dataset& data,
                                       const EvaluateOptions& options);
#if STET_DEFINE_ENTRIES
STET_ENTRY Evaluation evaluate_batches(FunctionRef<Tensor<float>(const Batch&)> logits, const Dataset& data,
                                       const EvaluateOptions& options) {
  require(options.batch >= 1, Errc::range, "evaluate: batch is {}, must be at least 1", options.batch);
  const auto output = static_cast<std::size_t>(std::max(0, options.output));
  require(data.has_labels(output), Errc::state,
          "evaluate: data set {} has no labels to compare classes with; ask for a metric: evaluate(model, data, mean_absolute_error())",
          data.name());
  Evaluation result;
  double loss = 0, correct = 0, total = 0;
  for_each_batch(data, options.batch, [&](const Batch& batch, std::int64_t first) {
    const Tensor<float> y = logits(batch);
    const Tensor<std::int32_t> labels = batch.for_output(output).labels;
    require(y.shape().rank() == 2 && y.shape()[0] == batch.size() && y.shape()[1] >= 1, Errc::shape,
            "evaluate: wants logits [{},classes], the model made {}", batch.size(), y.shape());
    const std::int64_t classes = y.shape()[1];
    require(data.classes(output) <= classes, Errc::range, "evaluate: data set {} has {} classes, the model {}", data.name(),
            data.classes(output), classes);
    if (first == 0) result.confusion = Confusion(static_cast<int>(classes));
    for (std::int64_t i = 0; i < batch.size(); ++i) {
      const auto row = y.span().subspan(static_cast<std::size_t>(i * classes), static_cast<std::size_t>(classes));
      for (const float x : row) {
        require(std::isfinite(x), Errc::range, "evaluate: a logit of image {} is {}; the model has diverged", first + i,
                x);
      }
      const double weight = batch.weights.empty() ? 1.0 : static_cast<double>(batch.weights[i]);
      const int answer = argmax(row);
      loss += weight * cross_entropy_of(row, labels[i]);
      correct += answer == labels[i] ? weight : 0.0;
      total += weight;
      result.confusion.add(labels[i], answer);
    }
  });
  result.images = data.size();
  result.correct = result.confusion.correct();
  require(total > 0, Errc::range, "evaluate: all samples of data set {} have weight 0", data.name());
  result.accuracy = correct / total;
  result.loss = loss / total;
  return result;
}
#endif
}  // namespace detail

/// Evaluates a function from a batch of images to logits. Images go in order; the loss is added image by image, so
/// the result depends on the logits alone.
/// Shapes:    logits: [N,...] -> [N,classes]
/// Errors:    Errc::shape if the logits are not [N,classes]; Errc::range if a label does not exist or a logit is not
///            finite
inline Evaluation evaluate_logits(FunctionRef<Tensor<float>(const Tensor<float>&)> logits, const Dataset& data,
                                  const EvaluateOptions& options = {}) {
  return detail::evaluate_batches([&](const Batch& batch) -> Tensor<float> { return logits(batch.x); }, data, options);
}

/// Anything with infer(model, images) -> logits, or infer(model, list of inputs) -> list of outputs, found by
/// argument-dependent lookup.
template <class M>
concept Classifier = requires(const M& model, std::span<const Tensor<float>> inputs) {
  { infer(model, inputs) } -> std::convertible_to<std::vector<Tensor<float>>>;
} || requires(const M& model, const Tensor<float>& x) {
  { infer(model, x) } -> std::convertible_to<Tensor<float>>;
};

namespace detail {

// What answers many batches of a model that does not change meanwhile.
inline InferencePlan ready_to_infer(const Model& model) { return InferencePlan(model); }
template <class M>
const M& ready_to_infer(const M& model) {
  return model;
}

// All that a model makes of a batch.
template <Classifier M>
std::vector<Tensor<float>> outputs_of(const M& model, const Batch& batch) {
  if constexpr (requires(std::span<const Tensor<float>> inputs) {
                  { infer(model, inputs) } -> std::convertible_to<std::vector<Tensor<float>>>;
                }) {
    return infer(model, std::span<const Tensor<float>>(batch.inputs()));
  } else {
    require(batch.more_inputs.empty(), Errc::shape, "infer: the data have {} inputs, and this model is asked by infer(model, x) with one",
            batch.more_inputs.size() + 1);
    return {infer(model, batch.x)};
  }
}

// Processes that answer together must have been asked the same.
// Errors:    Errc::state in all of them otherwise, naming what differs
template <class M>
void require_same_question(const M& model, const Dataset& data, const EvaluateOptions& o) {
  if (o.comm == nullptr || o.comm->size() == 1) return;
  require_same(*o.comm, formatted("{} samples\nbatch {}\noutput {}\n", data.size(), o.batch, o.output) + describe_numbers(model),
               "evaluate: processes that answer together");
}

// The same of processes that share the samples.
template <Classifier M>
std::vector<Tensor<float>> outputs_together(Communicator* comm, const M& model, const Batch& batch) {
  if (comm == nullptr) return outputs_of(model, batch);
  return infer_together(*comm, [&](const Batch& part) { return outputs_of(model, part); }, batch);
}

// The output that options name.
// Errors:    Errc::range if there is none such, or several and none is named
STET_ENTRY Tensor<float> chosen_output(const char* op, const std::vector<Tensor<float>>& outputs, int output);
#if STET_DEFINE_ENTRIES
STET_ENTRY Tensor<float> chosen_output(const char* op, const std::vector<Tensor<float>>& outputs, int output) {
  const auto count = static_cast<int>(outputs.size());
  require(output >= 0 || count == 1, Errc::range, "{}: the model has {} outputs; name one: EvaluateOptions{{.output = 0}}, or metric.of(0)", op, count);
  require(output < count, Errc::range, "{}: output {} does not exist, the model has {}", op, output, count);
  return outputs[static_cast<std::size_t>(std::max(0, output))];
}
#endif

}  // namespace detail

/// Evaluates a model as it would be deployed: nothing in it changes. Of several outputs the options name one, which is compared
/// with the data's labels for it.
/// Errors:    as evaluate_logits and infer; Errc::range if the model has several outputs and none is named
template <Classifier M>
Evaluation evaluate(const M& model, const Dataset& data, const EvaluateOptions& options = {}) {
  detail::require_same_question(model, data, options);
  const auto& asked = detail::ready_to_infer(model);
  return detail::evaluate_batches(
      [&](const Batch& batch) -> Tensor<float> {
        return detail::chosen_output("evaluate", detail::outputs_together(options.comm, asked, batch), options.output);
      },
      data,
      options);
}

}  // namespace stet
