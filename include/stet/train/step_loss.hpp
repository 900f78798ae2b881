#pragma once
// The loss of a step of fit: what suits the data or the options say, of one output, or of several together.

#include <stet/ops/arithmetic.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit_options.hpp>

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace stet::detail {

// Of one step, and what of it each output brings before its weight; empty where one loss is of all.
struct StepLoss {
  Var<Tensor<float>> total;
  std::vector<double> of_output{};
};

// The loss of one output: one of its own, or what suits its answers.
inline Var<Tensor<float>> loss_of_output(const AnyLoss& own, const Var<Tensor<float>>& y, const Batch& batch, double label_smoothing) {
  const Var<Tensor<float>> loss = own                    ? own(y, batch)
                                  : batch.targets.empty() ? CrossEntropyLoss{.label_smoothing = label_smoothing}(y, batch)
                                                          : MseLoss{}(y, batch);
  require(loss.value().size() == 1, Errc::shape, "fit: the loss must be one number, got {}", loss.shape());
  return loss;
}

// Of a batch as it is.
// Errors:    Errc::shape if a loss is more than one number, or there are more or fewer losses than outputs
inline StepLoss loss_of_answers(std::span<const Var<Tensor<float>>> outputs, const Batch& batch, const FitOptions& o) {
  if (o.loss.of_all()) {
    const Var<Tensor<float>> loss = o.loss(outputs, batch);
    require(loss.value().size() == 1, Errc::shape, "fit: the loss must be one number, got {}", loss.shape());
    return {loss};
  }
  require(o.losses.empty() ? !o.loss || outputs.size() == 1 : o.losses.size() == outputs.size(), Errc::shape,
          "fit: there are {} losses, and the model made {} outputs; set options.losses, one for each", o.losses.empty() ? 1 : o.losses.size(),
          outputs.size());
  std::optional<Var<Tensor<float>>> sum;
  std::vector<double> parts;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    const OutputLoss one = o.losses.empty() ? OutputLoss{o.loss} : o.losses[k];
    parts.push_back(std::numeric_limits<double>::quiet_NaN());
    if (one.weight == 0) continue;
    const Var<Tensor<float>> loss = loss_of_output(one.loss, outputs[k], batch.for_output(k), o.label_smoothing);
    parts.back() = static_cast<double>(loss.value()[0]);
    const Var<Tensor<float>> weighed = one.weight == 1 ? loss : loss * one.weight;
    sum = sum ? *sum + weighed : weighed;
  }
  return {*sum, std::move(parts)};
}

// Of samples that are mixed, what the samples' own answers and those of their partners say, each by its share.
// Formula:   (1 - share) * loss(y, own answers) + share * loss(y, partners' answers)
// Errors:    as loss_of_answers and Batch::of_partners
inline StepLoss loss_of(std::span<const Var<Tensor<float>>> outputs, const Batch& batch, const FitOptions& o) {
  StepLoss own = loss_of_answers(outputs, batch, o);
  const double share = batch.mixing.share;
  if (batch.mixing.partner.empty()) return own;
  StepLoss other = loss_of_answers(outputs, batch.of_partners(), o);
  for (std::size_t k = 0; k < own.of_output.size(); ++k) own.of_output[k] = (1 - share) * own.of_output[k] + share * other.of_output[k];
  own.total = own.total * (1 - share) + other.total * share;
  return own;
}

// Whether an output answers with one logit per class. Labels of a single class are none: row numbers, say.
inline bool are_logits(const Shape& output, int data_classes) {
  return data_classes > 1 && output.rank() == 2 && output[1] >= data_classes;
}

// The first output that answers in classes, -1 if none does.
inline int classifying_output(const std::vector<Shape>& outputs, const Dataset& data) {
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (are_logits(outputs[k], data.classes(k))) return static_cast<int>(k);
  }
  return -1;
}

// By weight.
inline double count_correct(const Tensor<float>& logits, const Batch& batch) {
  const Tensor<std::int32_t>& labels = batch.labels;
  const auto classes = static_cast<std::size_t>(logits.shape().back());
  double correct = 0;
  for (std::int64_t i = 0; i < labels.size(); ++i) {
    correct += argmax(logits.span().subspan(static_cast<std::size_t>(i) * classes, classes)) != labels[i] ? 0.0 : batch.weights.empty() ? 1.0 : static_cast<double>(batch.weights[i]);
  }
  return correct;
}

// A mean over samples, by weight, of what steps say of each output.
class MeanLosses {
 public:
  void add(const std::vector<double>& losses, double weight) {
    sums_.resize(losses.size());
    for (std::size_t k = 0; k < losses.size(); ++k) sums_[k] += losses[k] * weight;
    weight_ += weight;
  }
  // Of several outputs; of one the loss says it all.
  [[nodiscard]] std::vector<double> means() const {
    std::vector<double> all;
    for (const double s : sums_) all.push_back(s / weight_);
    return all.size() > 1 ? all : std::vector<double>();
  }

 private:
  std::vector<double> sums_{};
  double weight_ = 0;
};

}  // namespace stet::detail
