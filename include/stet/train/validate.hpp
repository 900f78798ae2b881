#pragma once
// What the validation data say of an epoch of fit.

#include <stet/core/parallel.hpp>
#include <stet/train/metric.hpp>
#include <stet/train/step_loss.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace stet::detail {

// In the words of classes where the model has one output, a logit per class, and the data labels; else by the training loss, and
// the accuracy of the first output that answers in classes.
inline void validate(FunctionRef<std::vector<Tensor<float>>(const Batch&)> infer, const FitOptions& o, EpochReport& report) {
  const Dataset& data = *o.validation;
  const auto asked = static_cast<std::size_t>(std::max(0, o.metric.output));
  std::vector<float> metric_outputs;  // of all samples
  Shape metric_shape;
  const auto answers = [&](const Batch& batch) {
    std::vector<Tensor<float>> y = infer(batch);
    require(asked < y.size(), Errc::range, "fit: metric '{}' is of output {}, the model has {}", o.metric.name, asked, y.size());
    metric_shape = y[asked].shape().unbatched();
    if (o.metric) metric_outputs.insert(metric_outputs.end(), y[asked].span().begin(), y[asked].span().end());
    return y;
  };
  std::vector<Shape> shapes;
  for (const Tensor<float>& y : infer(data.batch(0, 1))) shapes.push_back(y.shape());
  const int classifies = classifying_output(shapes, data);
  if (shapes.size() == 1 && classifies == 0) {
    const Evaluation e = evaluate_batches([&](const Batch& batch) { return answers(batch)[0]; }, data, {});
    report.validation_loss = e.loss;
    report.validation_accuracy = e.accuracy;
  } else {
    double loss = 0, correct = 0, weight = 0;
    MeanLosses of_output;
    for_each_batch(data, EvaluateOptions{}.batch, [&](const Batch& batch, std::int64_t) {
      if (!(batch.total_weight() > 0)) return;  // of no weight at all: no loss has a mean
      Tape tape;
      std::vector<Var<Tensor<float>>> outputs;
      for (const Tensor<float>& y : answers(batch)) outputs.push_back(tape.constant(y));
      const StepLoss made = loss_of(outputs, batch, o);
      loss += static_cast<double>(made.total.value()[0]) * batch.total_weight();
      of_output.add(made.of_output, batch.total_weight());
      weight += batch.total_weight();
      if (classifies < 0) return;
      const auto k = static_cast<std::size_t>(classifies);
      correct += count_correct(outputs[k].value(), batch.for_output(k));
    });
    report.validation_loss = loss / weight;
    report.validation_losses = of_output.means();
    if (classifies >= 0) report.validation_accuracy = correct / weight;
    require(std::isfinite(report.validation_loss), Errc::range, "fit: the loss of validation data {} is {}; the model has diverged",
            data.name(), report.validation_loss);
  }
  if (!o.metric) return;
  report.validation_metric = o.metric.value(Tensor<float>(metric_shape.batched(data.size()), metric_outputs), data.truth().for_output(asked));
}

}  // namespace stet::detail
