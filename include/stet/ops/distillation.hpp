#pragma once
// Distillation: a loss that pulls the student's class probabilities towards a teacher's.

#include <stet/autograd/tape.hpp>
#include <stet/ops/loss.hpp>

#include <cmath>
#include <cstdint>

namespace stet {

/// How distillation mixes its two targets.
struct DistillationOptions {
  double temperature = 1;  ///< logits of both are divided by it
  double weight = 0.5;     ///< share of the teacher's targets; the rest is cross-entropy with the labels
};

/// Cross-entropy with the labels, mixed with the divergence from a teacher's probabilities, on the tape.
/// Formula:   loss = (1-w)*cross_entropy(x, labels) + w*T^2 * mean over n of sum over c of p*(log p - log q),
///            p = softmax(teacher/T), q = softmax(x/T); with weights of samples both means are weighed by them
/// Shapes:    logits and teacher [N,C], labels [N], sample_weights [N] or empty -> loss []
/// Gradient:  dlogits = dloss * ((1-w)*(softmax(x) - onehot) + w*T*(q - p)) / N; none for the teacher; with weights of samples
///            each over their sum in place of 1/N
/// Errors:    Errc::shape if teacher and logits differ; Errc::range if T is not positive or w not in [0, 1]; as
///            cross_entropy
/// Source:    Hinton 2015, arXiv 1503.02531, section 2; with quantization Esser 2020, arXiv 1902.08153, section 3.6
template <class T>
Var<Tensor<T>> distillation_loss(const Var<Tensor<T>>& logits, const Tensor<T>& teacher,
                                 const Tensor<std::int32_t>& labels, const DistillationOptions& options = {},
                                 const Tensor<float>& sample_weights = {}) {
  const double temperature = options.temperature, weight = options.weight;
  require(teacher.shape() == logits.shape(), Errc::shape, "distillation_loss: logits are {}, the teacher's {}",
          logits.shape(), teacher.shape());
  require(temperature > 0 && std::isfinite(temperature), Errc::range,
          "distillation_loss: temperature is {}, must be positive and finite", temperature);
  require(weight >= 0 && weight <= 1, Errc::range, "distillation_loss: weight is {}, must be in 0..1", weight);
  CrossEntropy<T> result = cross_entropy(logits.value(), labels, {.sample_weights = sample_weights}, true);
  const auto cooled = [&](const Tensor<T>& x) {
    return log_softmax_forward(detail::map(x, [t = static_cast<T>(temperature)](T v) { return v / t; }));
  };
  const Tensor<T> student = cooled(logits.value());
  const Tensor<T> target = cooled(teacher);
  const detail::SampleWeights of_sample("distillation_loss", sample_weights, logits.shape()[0]);
  const double rows = of_sample.sum;
  double divergence = 0;
  T* d = result.dlogits.edit().data();
  for (std::int64_t i = 0; i < student.size(); ++i) {
    const double p = std::exp(static_cast<double>(target[i]));
    const double counts = of_sample[i / logits.shape()[1]];
    if (p > 0) divergence += counts * p * (static_cast<double>(target[i]) - static_cast<double>(student[i]));
    const double pull = counts * weight * temperature * (std::exp(static_cast<double>(student[i])) - p) / rows;
    d[i] = static_cast<T>((1 - weight) * static_cast<double>(d[i]) + pull);
  }
  const double loss = (1 - weight) * result.loss + weight * temperature * temperature * divergence / rows;
  return record(Tensor<T>::filled({}, static_cast<T>(loss)), std::tie(logits),
                [gradient = std::move(result.dlogits)](const Tensor<T>& dloss, auto dlogits) {
                  dlogits.add(detail::map(gradient, [scale = dloss[0]](T v) { return v * scale; }));
                });
}

}  // namespace stet
