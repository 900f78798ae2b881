#pragma once
// Samples of one input and answers for one output, as a Dataset holds them: slices share the numbers.

#include <stet/core/hash.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/tensor.hpp>
#include <stet/data/batch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace stet::detail {

/// Values of one input, a row per sample, kept as bytes or as floats.
/// Formula:   of bytes: x = float(byte) / divisor, one correctly rounded division
class InputSamples {
 public:
  /// Errors:    Errc::shape if there is no sample; Errc::range if the divisor is not positive and finite, or a number is not
  ///            finite; `of` is the name of the data set
  InputSamples(Tensor<std::uint8_t> bytes, float divisor, const std::string& of) : InputSamples(bytes.shape(), of) {
    require(divisor > 0 && std::isfinite(divisor), Errc::range, "Dataset {}: divisor {} must be positive and finite", of, divisor);
    bytes_ = std::move(bytes);
    divisor_ = divisor;
  }
  InputSamples(Tensor<float> floats, const std::string& of) : InputSamples(floats.shape(), of) {
    for (std::int64_t i = 0; i < floats.size(); ++i) {
      require(std::isfinite(floats[i]), Errc::range, "Dataset {}: element {} of image {} is {}", of, i % each_, i / each_, floats[i]);
    }
    floats_ = std::move(floats);
  }

  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] bool whole() const { return !bytes_.empty() || !floats_.empty(); }
  void cut(std::int64_t first, std::int64_t count) {
    first_ += first;
    size_ = count;
  }
  void copy(std::int64_t sample, std::int64_t count, float* out) const {
    const std::int64_t offset = (first_ + sample) * each_;
    float* const __restrict to = out;
    if (floats_.empty()) {
      const std::uint8_t* const __restrict from = bytes_.data() + offset;
      const float divisor = divisor_;
      lanes(count * each_, [=](std::int64_t i) { to[i] = static_cast<float>(from[i]) / divisor; });
    } else {
      std::copy_n(floats_.data() + offset, count * each_, to);
    }
  }
  [[nodiscard]] Tensor<float> some(std::span<const std::int64_t> samples) const {
    Tensor<float> x(shape_.batched(static_cast<std::int64_t>(samples.size())));
    float* to = x.edit().data();
    for (const std::int64_t i : samples) {
      copy(i, 1, to);
      to += each_;
    }
    return x;
  }
  [[nodiscard]] Tensor<float> all() const {
    Tensor<float> x(shape_.batched(size_));
    copy(0, size_, x.edit().data());
    return x;
  }
  void add_to(Hash64& hash) const {
    const auto from = static_cast<std::size_t>(first_ * each_), count = static_cast<std::size_t>(size_ * each_);
    hash.number(divisor_);
    if (floats_.empty()) {
      hash.bytes(bytes_.span().subspan(from, count));
    } else {
      hash.numbers(floats_.span().subspan(from, count));
    }
  }

 private:
  InputSamples(const Shape& shape, const std::string& of) {
    require(shape.rank() >= 2, Errc::shape, "Dataset {}: images need a batch dimension and one more, got {}", of, shape);
    require(shape.elements() > 0, Errc::shape, "Dataset {}: no images in {}", of, shape);
    shape_ = shape.unbatched();
    each_ = shape_.elements();
    size_ = shape[0];
  }

  Tensor<std::uint8_t> bytes_{};  // one of these two holds all
  Tensor<float> floats_{};
  float divisor_ = 1.0f;
  Shape shape_{};
  std::int64_t each_ = 0, first_ = 0, size_ = 0;
};

/// What one output should be, a row per sample: labels with their number of classes, targets, or neither.
class AnswerSamples {
 public:
  AnswerSamples() = default;
  /// Errors:    Errc::shape if the counts differ; Errc::range if a label is not below classes, or a number is not finite
  AnswerSamples(Tensor<std::int32_t> labels, int classes, std::int64_t samples, const std::string& of) {
    require(labels.shape() == Shape{samples}, Errc::shape, "Dataset {}: {} images need labels [{}], got {}", of, samples, samples,
            labels.shape());
    require(classes >= 1, Errc::range, "Dataset {}: classes is {}, must be at least 1", of, classes);
    for (std::int64_t i = 0; i < labels.size(); ++i) {
      require(labels[i] >= 0 && labels[i] < classes, Errc::range, "Dataset {}: label {} of image {} is outside of 0..{}", of, labels[i], i,
              classes - 1);
    }
    labels_ = std::move(labels);
    classes_ = classes;
    size_ = samples;
  }
  AnswerSamples(Tensor<float> targets, std::int64_t samples, const std::string& of) {
    require(targets.shape().rank() >= 1 && targets.shape()[0] == samples && targets.size() > 0, Errc::shape,
            "Dataset {}: {} samples need targets [{}, ...], got {}", of, samples, samples, targets.shape());
    const std::int64_t each = targets.size() / samples;
    for (std::int64_t i = 0; i < targets.size(); ++i) {
      require(std::isfinite(targets[i]), Errc::range, "Dataset {}: target {} of sample {} is {}", of, i % each, i / each, targets[i]);
    }
    shape_ = targets.shape().unbatched();
    targets_ = std::move(targets);
    size_ = samples;
  }

  [[nodiscard]] bool has_labels() const { return !labels_.empty(); }
  [[nodiscard]] bool has_targets() const { return !targets_.empty(); }
  [[nodiscard]] int classes() const { return classes_; }
  /// Of the targets of one sample.
  [[nodiscard]] const Shape& shape() const { return shape_; }
  void cut(std::int64_t first, std::int64_t count) {
    first_ += first;
    size_ = count;
  }
  [[nodiscard]] std::span<const std::int32_t> labels() const {
    return labels_.span().subspan(static_cast<std::size_t>(first_), static_cast<std::size_t>(size_));
  }
  [[nodiscard]] std::span<const float> targets() const {
    const auto each = static_cast<std::size_t>(shape_.elements());
    return targets_.span().subspan(static_cast<std::size_t>(first_) * each, static_cast<std::size_t>(size_) * each);
  }
  [[nodiscard]] Truth some(std::span<const std::int64_t> samples) const {
    const auto count = static_cast<std::int64_t>(samples.size());
    Truth a;
    if (has_labels()) {
      a.labels = Tensor<std::int32_t>(Shape{count});
      auto to = a.labels.edit();
      for (std::size_t i = 0; i < samples.size(); ++i) to[i] = labels_[first_ + samples[i]];
    }
    if (has_targets()) {
      a.targets = Tensor<float>(shape_.batched(count));
      float* to = a.targets.edit().data();
      const std::int64_t each = shape_.elements();
      for (const std::int64_t i : samples) to = std::copy_n(targets_.data() + (first_ + i) * each, each, to);
    }
    return a;
  }
  [[nodiscard]] Truth all() const {
    Truth a;
    if (has_labels()) a.labels = Tensor<std::int32_t>(Shape{size_}, labels());
    if (has_targets()) a.targets = Tensor<float>(shape_.batched(size_), targets());
    return a;
  }
  void add_to(Hash64& hash) const {
    if (has_labels()) hash.numbers(labels());
    if (has_targets()) hash.text(shape_.str()).numbers(targets());
  }

 private:
  Tensor<std::int32_t> labels_{};  // at most one of these two is not empty
  Tensor<float> targets_{};
  int classes_ = 0;
  Shape shape_{};
  std::int64_t first_ = 0, size_ = 0;
};

}  // namespace stet::detail
