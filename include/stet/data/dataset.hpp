#pragma once
// Dataset: samples with what a model should make of them, as a value; slices share the numbers.

#include <stet/core/hash.hpp>
#include <stet/core/tensor.hpp>
#include <stet/data/batch.hpp>
#include <stet/data/samples.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stet {

/// Samples, with labels for a classification, with targets for anything else, or with neither (calibration needs none).
/// Inputs are kept as bytes or as floats; copies and slices share them.
///
/// A model of several inputs or outputs gets them one after the other, in the order of its graph:
///
///   const Dataset data = Dataset(images, labels, 10, "scenes").with_input(lidar).with_targets(boxes);
///
/// has two inputs, images and lidar, and answers for two outputs, classes and boxes.
/// Formula:   of bytes: x = float(byte) / divisor, one correctly rounded division (so 255 -> byte/255.0f exactly)
/// Shapes:    images [N, ...] (NHWC for pictures), labels [N], targets [N, ...]
class Dataset {
 public:
  /// Errors:    Errc::shape if there is no image or the counts differ; Errc::range if a label is not below classes or
  ///            the divisor is not positive and finite
  Dataset(Tensor<std::uint8_t> images, Tensor<std::int32_t> labels, int classes, std::string name,
          float divisor = 255.0f)
      : name_(std::move(name)), inputs_{{std::move(images), divisor, name_}},
        answers_{{std::move(labels), classes, inputs_[0].size(), name_}}, size_(inputs_[0].size()) {}
  /// Errors:    as above; Errc::range if a pixel is not finite
  Dataset(Tensor<float> images, Tensor<std::int32_t> labels, int classes, std::string name)
      : name_(std::move(name)), inputs_{{std::move(images), name_}}, answers_{{std::move(labels), classes, inputs_[0].size(), name_}},
        size_(inputs_[0].size()) {}
  /// Samples with what the model should answer, in real numbers: a regression has targets [N, outputs], a map of heat
  /// [N, H, W, C].
  ///
  ///   fit(model, Dataset(x, y, "tides"));  // mean squared error, unless FitOptions::loss says otherwise
  ///
  /// Errors:    Errc::shape if there is no sample or the counts differ; Errc::range if a number is not finite
  Dataset(Tensor<float> inputs, Tensor<float> targets, std::string name)
      : name_(std::move(name)), inputs_{{std::move(inputs), name_}}, answers_{{std::move(targets), inputs_[0].size(), name_}},
        size_(inputs_[0].size()) {}
  /// Samples alone, for what looks at inputs only. A tensor stands for them: calibrate(qat, x), quantize(model, recipe, x).
  /// Errors:    as above
  Dataset(Tensor<float> inputs, std::string name = "without labels")  // NOLINT: converts
      : name_(std::move(name)), inputs_{{std::move(inputs), name_}}, size_(inputs_[0].size()) {}

  /// The same samples with one more input: the model's next one.
  /// Errors:    Errc::shape unless it has as many samples; Errc::range if a number is not finite
  [[nodiscard]] Dataset with_input(Tensor<float> values) const {
    return with({std::move(values), name_});
  }
  /// The same of bytes.
  /// Errors:    as above; Errc::range if the divisor is not positive and finite
  [[nodiscard]] Dataset with_input(Tensor<std::uint8_t> bytes, float divisor = 255.0f) const {
    return with({std::move(bytes), divisor, name_});
  }
  /// The same samples with labels for one more output: the model's next one.
  /// Errors:    Errc::shape unless there is one for each sample; Errc::range if one is not below classes
  [[nodiscard]] Dataset with_labels(Tensor<std::int32_t> labels, int classes) const {
    return with(detail::AnswerSamples(std::move(labels), classes, size(), name_));
  }
  /// The same samples with targets for one more output: the model's next one.
  /// Errors:    Errc::shape unless there are as many; Errc::range if a number is not finite
  [[nodiscard]] Dataset with_targets(Tensor<float> targets) const {
    return with(detail::AnswerSamples(std::move(targets), size(), name_));
  }

  /// The same samples, each with how much it counts in losses and metrics: 2 is as if it were there twice, 0 as if it were not
  /// there. Ranges and other passes that look at inputs alone count all alike.
  ///
  ///   fit(model, Dataset(x, labels, 2, "faults").with_weights(w), options);
  ///
  /// Shapes:    weights [N]
  /// Errors:    Errc::shape unless there is one for each sample; Errc::range if one is negative or not finite, or all are 0
  [[nodiscard]] Dataset with_weights(Tensor<float> weights) const {
    require_whole();
    require(weights.shape() == Shape{size_}, Errc::shape, "Dataset {}: {} samples need weights [{}], got {}", name_, size_, size_, weights.shape());
    double sum = 0;
    for (std::int64_t i = 0; i < weights.size(); ++i) {
      require(weights[i] >= 0 && std::isfinite(weights[i]), Errc::range, "Dataset {}: weight {} of sample {} must be finite and not negative", name_,
              weights[i], i);
      sum += static_cast<double>(weights[i]);
    }
    require(sum > 0, Errc::range, "Dataset {}: all samples have weight 0; give some more", name_);
    Dataset more = *this;
    more.weights_ = detail::AnswerSamples(std::move(weights), size_, name_);
    return more;
  }
  /// Whether samples have weights of their own.
  [[nodiscard]] bool has_weights() const { return weights_.has_targets(); }
  /// Weights of all samples.
  /// Errors:    Errc::state if there are none
  [[nodiscard]] std::span<const float> weights() const {
    require_whole();
    require(has_weights(), Errc::state, "Dataset {}: has no weights; give it some: data.with_weights(w)", name_);
    return weights_.targets();
  }

  /// Number of samples; 0 if the data set was moved from.
  [[nodiscard]] std::int64_t size() const { return whole() ? size_ : 0; }
  /// Number of inputs that every sample has.
  [[nodiscard]] std::size_t inputs() const { return inputs_.size(); }
  /// Number of outputs for which there are labels or targets.
  [[nodiscard]] std::size_t answers() const { return answers_.size(); }
  /// Whether every sample has a label for an output, the number of its class.
  [[nodiscard]] bool has_labels(std::size_t output = 0) const { return answer(output).has_labels(); }
  /// Whether every sample has targets for an output, real numbers.
  [[nodiscard]] bool has_targets(std::size_t output = 0) const { return answer(output).has_targets(); }
  /// Shape of one sample of an input, without the batch.
  /// Errors:    Errc::range if there is no such input
  [[nodiscard]] const Shape& shape(std::size_t input = 0) const {
    require(input < inputs_.size(), Errc::range, "Dataset {}: input {} does not exist, there are {}", name_, input, inputs_.size());
    return inputs_[input].shape();
  }
  /// Number of classes; 0 without labels.
  [[nodiscard]] int classes(std::size_t output = 0) const { return answer(output).classes(); }
  /// Shape of the targets of one sample; [] if it is one number, and without targets.
  [[nodiscard]] const Shape& target_shape(std::size_t output = 0) const { return answer(output).shape(); }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Errors:    Errc::state if there are none
  [[nodiscard]] std::span<const std::int32_t> labels(std::size_t output = 0) const {
    require_whole();
    require(has_labels(output), Errc::state, "Dataset {}: has no labels; give it some and the number of classes", name_);
    return answer(output).labels();
  }
  /// Targets of all samples, one after the other.
  /// Errors:    Errc::state if there are none
  [[nodiscard]] std::span<const float> targets(std::size_t output = 0) const {
    require_whole();
    require(has_targets(output), Errc::state, "Dataset {}: has no targets; give it a tensor of floats [{}, ...]", name_, size_);
    return answer(output).targets();
  }

  /// The first n images (all, if there are fewer).
  /// Errors:    Errc::range if n < 1
  [[nodiscard]] Dataset first(std::int64_t n) const {
    require(n >= 1, Errc::range, "Dataset {}: first({}) would be empty", name_, n);
    return slice(0, n < size_ ? n : size_);
  }
  /// Images first .. last-1; nothing is copied.
  /// Errors:    Errc::range unless 0 <= first < last <= size()
  [[nodiscard]] Dataset slice(std::int64_t first, std::int64_t last) const {
    require_whole();
    require(0 <= first && first < last && last <= size_, Errc::range, "Dataset {}: slice {}..{} of {} images", name_,
            first, last, size_);
    Dataset part = *this;
    for (detail::InputSamples& x : part.inputs_) x.cut(first, last - first);
    for (detail::AnswerSamples& a : part.answers_) a.cut(first, last - first);
    part.weights_.cut(first, last - first);
    part.size_ = last - first;
    return part;
  }

  /// The samples at these positions, in this order, as a data set of their own with copied floats.
  /// Errors:    Errc::range if a position does not exist; Errc::shape if there is none
  [[nodiscard]] Dataset subset(std::span<const std::int64_t> indices) const {
    require_positions(indices);
    Dataset part(inputs_[0].some(indices), name_);
    for (std::size_t i = 1; i < inputs_.size(); ++i) part = part.with_input(inputs_[i].some(indices));
    for (const detail::AnswerSamples& a : answers_) {
      Truth some = a.some(indices);
      part = a.has_labels() ? part.with_labels(std::move(some.labels), a.classes()) : part.with_targets(std::move(some.targets));
    }
    // Not with_weights: of some samples all may be 0.
    if (has_weights()) part.weights_ = detail::AnswerSamples(weights_.some(indices).targets, part.size(), name_);
    return part;
  }

  /// The images at these positions, in this order.
  /// Errors:    Errc::range if a position does not exist
  [[nodiscard]] Batch batch(std::span<const std::int64_t> indices) const {
    require_positions(indices);
    return made_of([&](const auto& part) { return part.some(indices); });
  }
  /// Images first .. last-1 as one batch.
  /// Errors:    Errc::range unless 0 <= first < last <= size()
  [[nodiscard]] Batch batch(std::int64_t first, std::int64_t last) const {
    return slice(first, last).made_of([](const auto& part) { return part.all(); });
  }
  /// Labels, targets and weights of all samples, without the inputs.
  [[nodiscard]] Batch truth() const {
    require_whole();
    Batch b;
    for (std::size_t i = 0; i < answers_.size(); ++i) add_answers(b, i, answers_[i].all());
    b.weights = weights_.all().targets;
    return b;
  }
  /// Adds the numbers of the samples to a hash as they are kept, bytes with their divisor.
  void add_inputs(Hash64& hash) const {
    for (const detail::InputSamples& x : inputs_) x.add_to(hash);
  }
  /// The same of labels, targets and weights.
  void add_answers(Hash64& hash) const {
    for (const detail::AnswerSamples& a : answers_) a.add_to(hash);
    if (has_weights()) weights_.add_to(hash.text("weights"));
  }

 private:
  [[nodiscard]] Dataset with(detail::InputSamples values) const {
    require_whole();
    require(values.size() == size_, Errc::shape, "Dataset {}: {} samples need as many values of the next input, got {} of {}", name_, size_,
            values.size(), values.shape());
    Dataset more = *this;
    more.inputs_.push_back(std::move(values));
    return more;
  }
  [[nodiscard]] Dataset with(detail::AnswerSamples answers) const {
    require_whole();
    Dataset more = *this;
    more.answers_.push_back(std::move(answers));
    return more;
  }
  [[nodiscard]] const detail::AnswerSamples& answer(std::size_t output) const {
    static const detail::AnswerSamples none;
    return output < answers_.size() ? answers_[output] : none;
  }
  template <class Part>
  [[nodiscard]] Batch made_of(Part part) const {
    Batch b{part(inputs_[0])};
    for (std::size_t i = 1; i < inputs_.size(); ++i) b.more_inputs.push_back(part(inputs_[i]));
    for (std::size_t i = 0; i < answers_.size(); ++i) add_answers(b, i, part(answers_[i]));
    if (has_weights()) b.weights = part(weights_).targets;
    return b;
  }
  static void add_answers(Batch& b, std::size_t output, Truth a) {
    if (output > 0) return b.more_truth.push_back(std::move(a));
    b.labels = std::move(a.labels);
    b.targets = std::move(a.targets);
  }
  void require_positions(std::span<const std::int64_t> indices) const {
    require_whole();
    for (const std::int64_t i : indices) {
      require(i >= 0 && i < size_, Errc::range, "Dataset {}: image {} of {} does not exist", name_, i, size_);
    }
  }
  [[nodiscard]] bool whole() const { return !inputs_.empty() && inputs_[0].whole(); }
  void require_whole() const {
    require(whole(), Errc::state, "Dataset: used after it was moved from");
  }

  std::string name_;
  std::vector<detail::InputSamples> inputs_;
  std::vector<detail::AnswerSamples> answers_{};
  detail::AnswerSamples weights_{};
  std::int64_t size_ = 0;
};

/// Training and test images of one source.
struct DatasetSplit {
  Dataset train, test;
};

}  // namespace stet
