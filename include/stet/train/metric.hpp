#pragma once
// Metrics: what a model's answers are worth on a whole data set, in a number that people know.

#include <stet/data/dataset.hpp>
#include <stet/train/evaluate.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// A number that says how good outputs are.
struct Metric {
  std::string name{};  ///< as it stands in progress and reports
  /// Of the outputs of all samples, [N, ...]; of the batch, labels, targets and weights are given, x is empty.
  std::function<double(const Tensor<float>& y, const Batch& truth)> value{};
  bool higher_is_better = false;
  int output = -1;  ///< of a model with several, the one that it is of, counted from 0; -1: the only one

  Metric() {}
  // Constructors, because g++ 12 takes the function of an aggregate inside FitOptions for uninitialized.
  Metric(std::string n, std::function<double(const Tensor<float>& y, const Batch& truth)> f, bool higher = false)
      : name(std::move(n)), value(std::move(f)), higher_is_better(higher) {}

  explicit operator bool() const { return static_cast<bool>(value); }
  /// The same of one of several outputs.
  ///
  ///   evaluate(qat, test, mean_absolute_error().of(1));
  [[nodiscard]] Metric of(int which) const {
    Metric m = *this;
    m.output = which;
    return m;
  }
};

namespace detail {
// Outputs for all samples, in their order.
STET_ENTRY std::vector<Tensor<float>> predict_batches(FunctionRef<std::vector<Tensor<float>>(const Batch&)> outputs, const Dataset& data,
                                                      const EvaluateOptions& options);
#if STET_DEFINE_ENTRIES
STET_ENTRY std::vector<Tensor<float>> predict_batches(FunctionRef<std::vector<Tensor<float>>(const Batch&)> outputs, const Dataset& data,
                                                      const EvaluateOptions& options) {
  require(options.batch >= 1, Errc::range, "predict: batch is {}, must be at least 1", options.batch);
  std::vector<std::vector<float>> all;
  std::vector<Shape> shapes;
  for_each_batch(data, options.batch, [&](const Batch& batch, std::int64_t first) {
    const std::int64_t last = first + batch.size();
    const std::vector<Tensor<float>> made = outputs(batch);
    all.resize(made.size());
    shapes.resize(made.size());
    for (std::size_t k = 0; k < made.size(); ++k) {
      const Tensor<float>& y = made[k];
      require(y.shape().rank() >= 1 && y.shape()[0] == last - first, Errc::shape,
              "predict: the model made {} of {} samples", y.shape(), last - first);
      for (const float v : y.span()) {
        require(std::isfinite(v), Errc::range, "predict: an output of sample {} to {} is {}; the model has diverged",
                first, last - 1, v);
      }
      shapes[k] = y.shape().unbatched();
      all[k].insert(all[k].end(), y.span().begin(), y.span().end());
    }
  });
  std::vector<Tensor<float>> joined;
  for (std::size_t k = 0; k < all.size(); ++k) joined.emplace_back(shapes[k].batched(data.size()), all[k]);
  return joined;
}
#endif
}  // namespace detail

/// Outputs of a model for all samples, in their order; nothing in the model changes.
/// Shapes:    [N] + shape of the output
/// Errors:    those of infer; Errc::range if the batch is below 1 or an output is not finite
inline Tensor<float> predict_outputs(FunctionRef<Tensor<float>(const Tensor<float>&)> outputs, const Dataset& data,
                                     const EvaluateOptions& options = {}) {
  return detail::predict_batches([&](const Batch& batch) { return std::vector<Tensor<float>>{outputs(batch.x)}; }, data, options)[0];
}

/// Outputs of a model for all samples: of several, the one that the options name.
///
///   const Tensor<float> y = predict(qat, data);  // as predict(engine, data) of its integers gives them, to the bit
///
/// Errors:    as predict_outputs; Errc::range if the model has several outputs and none is named
template <Classifier M>
Tensor<float> predict(const M& model, const Dataset& data, const EvaluateOptions& options = {}) {
  detail::require_same_question(model, data, options);
  return detail::predict_batches(
      [&](const Batch& batch) {
        return std::vector<Tensor<float>>{detail::chosen_output("predict", detail::outputs_together(options.comm, model, batch), options.output)};
      },
      data, options)[0];
}
/// All outputs of a model for all samples, in the order of the outputs.
/// Errors:    as predict_outputs
template <Classifier M>
std::vector<Tensor<float>> predict_all(const M& model, const Dataset& data, const EvaluateOptions& options = {}) {
  detail::require_same_question(model, data, options);
  return detail::predict_batches([&](const Batch& batch) { return detail::outputs_together(options.comm, model, batch); }, data, options);
}

namespace detail {
// What each of N samples counts in a metric; 1 without weights.
inline double metric_weight(const Batch& truth, std::int64_t sample) {
  return truth.weights.empty() ? 1.0 : static_cast<double>(truth.weights[sample]);
}

// Error of each output, with the weight of its sample: f(output, target, weight). Gives the sum of the weights. The shapes may
// differ by dimensions of 1.
template <class F>
double for_each_error(std::string_view metric, const Tensor<float>& y, const Batch& truth, F&& f) {
  require(!truth.targets.empty(), Errc::state, "{}: the data have no targets", metric);
  require(y.size() == truth.targets.size(), Errc::shape, "{}: outputs are {}, targets {}", metric, y.shape(),
          truth.targets.shape());
  const std::int64_t samples = truth.targets.shape()[0], each = y.size() / samples;
  require(truth.weights.empty() || truth.weights.size() == samples, Errc::shape, "{}: {} samples have {} weights", metric, samples,
          truth.weights.size());
  double total = 0;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const double weight = metric_weight(truth, i / each);
    f(static_cast<double>(y[i]), static_cast<double>(truth.targets[i]), weight);
    total += weight;
  }
  require(total > 0, Errc::range, "{}: all samples have weight 0", metric);
  return total;
}
}  // namespace detail

/// A metric of a model on a data set.
///
///   evaluate(qat, test, mean_absolute_error());
///
/// Errors:    Errc::state if the metric has no function; as predict, and what the metric says
template <Classifier M>
double evaluate(const M& model, const Dataset& data, const Metric& metric, const EvaluateOptions& options = {}) {
  require(static_cast<bool>(metric), Errc::state, "evaluate: the metric '{}' has no function", metric.name);
  EvaluateOptions o = options;
  if (metric.output >= 0) o.output = metric.output;
  return metric.value(predict(detail::ready_to_infer(model), data, o), data.truth().for_output(static_cast<std::size_t>(std::max(0, o.output))));
}

/// Formula:   mean of |y - target|; this metric and those below count each sample by its weight, where the data have some
inline Metric mean_absolute_error() {
  return {"mean absolute error", [](const Tensor<float>& y, const Batch& truth) {
            double sum = 0;
            const double total = detail::for_each_error("mean_absolute_error", y, truth, [&](double a, double b, double w) { sum += w * std::fabs(a - b); });
            return sum / total;
          }};
}

/// Formula:   sqrt(mean of (y - target)^2)
inline Metric root_mean_squared_error() {
  return {"root mean squared error", [](const Tensor<float>& y, const Batch& truth) {
            double sum = 0;
            const double total =
                detail::for_each_error("root_mean_squared_error", y, truth, [&](double a, double b, double w) { sum += w * ((a - b) * (a - b)); });
            return std::sqrt(sum / total);
          }};
}

/// Share of the targets' variance that is explained: 1 is perfect, 0 is what their mean gives.
/// Formula:   1 - sum (y - target)^2 / sum (target - mean of the targets)^2, over all outputs together
/// Errors:    Errc::range if all targets are equal
inline Metric r_squared() {
  return {"R squared",
          [](const Tensor<float>& y, const Batch& truth) {
            double sum = 0, wrong = 0, mean = 0;
            mean /= detail::for_each_error("r_squared", y, truth,
                                           [&](double a, double b, double w) { wrong += w * ((a - b) * (a - b)), mean += w * b; });
            detail::for_each_error("r_squared", y, truth, [&](double, double b, double w) { sum += w * ((b - mean) * (b - mean)); });
            require(sum > 0, Errc::range, "r_squared: all targets are {}, they have no variance", mean);
            return 1 - wrong / sum;
          },
          true};
}

/// Share of the answers of yes or no that are right: output above 0 (a logit) where the target is above 1/2, or the label 1.
inline Metric binary_accuracy() {
  return {"binary accuracy",
          [](const Tensor<float>& y, const Batch& truth) {
            const bool labels = !truth.labels.empty();
            const std::int64_t wanted = labels ? truth.labels.size() : truth.targets.size();
            require(y.size() == wanted, Errc::shape, "binary_accuracy: outputs are {}, answers {}", y.shape(), wanted);
            const std::int64_t each = wanted / (labels ? wanted : truth.targets.shape()[0]);
            double right = 0, total = 0;
            for (std::int64_t i = 0; i < wanted; ++i) {
              const bool yes = labels ? truth.labels[i] == 1 : truth.targets[i] > 0.5f;
              const double weight = detail::metric_weight(truth, i / each);
              right += (y[i] > 0) == yes ? weight : 0.0;
              total += weight;
            }
            require(total > 0, Errc::range, "binary_accuracy: all samples have weight 0");
            return right / total;
          },
          true};
}

}  // namespace stet
