#pragma once
// Dataset: samples with labels or targets as a value; slices share the numbers.

#include <stet/core/hash.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/tensor.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace stet {

/// Inputs of one step, and what the model should make of them.
struct Batch {
  Tensor<float> x{};              ///< [B, ...]
  Tensor<std::int32_t> labels{};  ///< [B]; empty unless the data have labels
  Tensor<float> targets{};        ///< [B, ...]; empty unless the data have targets
  [[nodiscard]] std::int64_t size() const { return x.shape().rank() > 0 ? x.shape()[0] : 0; }
};

/// Samples, with labels for a classification, with targets for anything else, or with neither (calibration needs none).
/// Inputs are kept as bytes or as floats; copies and slices share them.
/// Formula:   of bytes: x = float(byte) / divisor, one correctly rounded division (so 255 -> byte/255.0f exactly)
/// Shapes:    images [N, ...] (NHWC for pictures), labels [N], targets [N, ...]
class Dataset {
 public:
  /// Errors:    Errc::shape if there is no image or the counts differ; Errc::range if a label is not below classes or
  ///            the divisor is not positive and finite
  Dataset(Tensor<std::uint8_t> images, Tensor<std::int32_t> labels, int classes, std::string name,
          float divisor = 255.0f)
      : Dataset(images.shape(), std::move(labels), classes, std::move(name)) {
    require(divisor > 0 && std::isfinite(divisor), Errc::range, "Dataset {}: divisor {} must be positive and finite",
            name_, divisor);
    bytes_ = std::move(images);
    divisor_ = divisor;
  }
  /// Errors:    as above; Errc::range if a pixel is not finite
  Dataset(Tensor<float> images, Tensor<std::int32_t> labels, int classes, std::string name)
      : Dataset(images.shape(), std::move(labels), classes, std::move(name)) {
    keep(std::move(images));
  }
  /// Samples with what the model should answer, in real numbers: a regression has targets [N, outputs], a map of heat
  /// [N, H, W, C].
  ///
  ///   fit(model, Dataset(x, y, "tides"));  // mean squared error, unless FitOptions::loss says otherwise
  ///
  /// Errors:    Errc::shape if there is no sample or the counts differ; Errc::range if a number is not finite
  Dataset(Tensor<float> inputs, Tensor<float> targets, std::string name) : Dataset(inputs.shape(), std::move(name)) {
    require(targets.shape().rank() >= 1 && targets.shape()[0] == size_ && targets.size() > 0, Errc::shape,
            "Dataset {}: {} samples need targets [{}, ...], got {}", name_, size_, size_, targets.shape());
    const std::int64_t each = targets.size() / size_;
    for (std::int64_t i = 0; i < targets.size(); ++i) {
      require(std::isfinite(targets[i]), Errc::range, "Dataset {}: target {} of sample {} is {}", name_, i % each, i / each, targets[i]);
    }
    target_shape_ = targets.shape().unbatched();
    targets_ = std::move(targets);
    keep(std::move(inputs));
  }
  /// Samples alone, for what looks at inputs only. A tensor stands for them: calibrate(qat, x), quantize(model, recipe, x).
  /// Errors:    as above
  Dataset(Tensor<float> inputs, std::string name = "without labels")  // NOLINT: converts
      : Dataset(inputs.shape(), std::move(name)) {
    keep(std::move(inputs));
  }

  /// Number of samples; 0 if the data set was moved from.
  [[nodiscard]] std::int64_t size() const { return whole() ? size_ : 0; }
  /// Whether every sample has a label, the number of its class.
  [[nodiscard]] bool has_labels() const { return !labels_.empty(); }
  /// Whether every sample has targets, real numbers.
  [[nodiscard]] bool has_targets() const { return !targets_.empty(); }
  /// Shape of one image, without the batch.
  [[nodiscard]] const Shape& shape() const { return shape_; }
  /// Number of classes; 0 without labels.
  [[nodiscard]] int classes() const { return classes_; }
  /// Shape of the targets of one sample; [] if it is one number, and without targets.
  [[nodiscard]] const Shape& target_shape() const { return target_shape_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Errors:    Errc::state if there are none
  [[nodiscard]] std::span<const std::int32_t> labels() const {
    require_whole();
    require(has_labels(), Errc::state, "Dataset {}: has no labels; give it some and the number of classes", name_);
    return labels_.span().subspan(static_cast<std::size_t>(first_), static_cast<std::size_t>(size_));
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
    part.first_ += first;
    part.size_ = last - first;
    return part;
  }

  /// The samples at these positions, in this order, as a data set of their own with copied floats.
  /// Errors:    Errc::range if a position does not exist; Errc::shape if there is none
  [[nodiscard]] Dataset subset(std::span<const std::int64_t> indices) const {
    Batch b = batch(indices);
    if (has_labels()) return {std::move(b.x), std::move(b.labels), classes_, name_};
    if (has_targets()) return {std::move(b.x), std::move(b.targets), name_};
    return {std::move(b.x), name_};
  }

  /// The images at these positions, in this order.
  /// Errors:    Errc::range if a position does not exist
  [[nodiscard]] Batch batch(std::span<const std::int64_t> indices) const {
    require_whole();
    const auto count = static_cast<std::int64_t>(indices.size());
    for (const std::int64_t i : indices) {
      require(i >= 0 && i < size_, Errc::range, "Dataset {}: image {} of {} does not exist", name_, i, size_);
    }
    Batch b{Tensor<float>(shape_.batched(count))};
    float* x = b.x.edit().data();
    for (std::size_t i = 0; i < indices.size(); ++i) copy(indices[i], 1, x + static_cast<std::int64_t>(i) * pixels_);
    if (has_labels()) {
      b.labels = Tensor<std::int32_t>(Shape{count});
      auto labels = b.labels.edit();
      for (std::size_t i = 0; i < indices.size(); ++i) labels[i] = labels_[first_ + indices[i]];
    }
    if (has_targets()) {
      b.targets = Tensor<float>(target_shape_.batched(count));
      float* to = b.targets.edit().data();
      const std::int64_t each = target_shape_.elements();
      for (const std::int64_t i : indices) to = std::copy_n(targets_.data() + (first_ + i) * each, each, to);
    }
    return b;
  }
  /// Images first .. last-1 as one batch.
  /// Errors:    Errc::range unless 0 <= first < last <= size()
  [[nodiscard]] Batch batch(std::int64_t first, std::int64_t last) const {
    const Dataset part = slice(first, last);
    Batch b{Tensor<float>(shape_.batched(part.size_))};
    part.copy(0, part.size_, b.x.edit().data());
    if (has_labels()) b.labels = Tensor<std::int32_t>(Shape{part.size_}, part.labels());
    if (has_targets()) b.targets = Tensor<float>(target_shape_.batched(part.size_), part.targets());
    return b;
  }
  /// Targets of all samples, one after the other.
  /// Errors:    Errc::state if there are none
  [[nodiscard]] std::span<const float> targets() const {
    require_whole();
    require(has_targets(), Errc::state, "Dataset {}: has no targets; give it a tensor of floats [{}, ...]", name_, size_);
    const auto each = static_cast<std::size_t>(target_shape_.elements());
    return targets_.span().subspan(static_cast<std::size_t>(first_) * each, static_cast<std::size_t>(size_) * each);
  }
  /// Adds the numbers of the samples to a hash as they are kept, bytes with their divisor.
  void add_inputs(Hash64& hash) const {
    const auto from = static_cast<std::size_t>(first_ * pixels_), count = static_cast<std::size_t>(size_ * pixels_);
    hash.number(divisor_);
    if (floats_.empty()) {
      hash.bytes(bytes_.span().subspan(from, count));
    } else {
      hash.numbers(floats_.span().subspan(from, count));
    }
  }

 private:
  Dataset(const Shape& inputs, std::string name) : name_(std::move(name)) {
    require(inputs.rank() >= 2, Errc::shape, "Dataset {}: images need a batch dimension and one more, got {}", name_, inputs);
    require(inputs.elements() > 0, Errc::shape, "Dataset {}: no images in {}", name_, inputs);
    shape_ = inputs.unbatched();
    pixels_ = shape_.elements();
    size_ = inputs[0];
  }
  Dataset(const Shape& inputs, Tensor<std::int32_t> labels, int classes, std::string name) : Dataset(inputs, std::move(name)) {
    require(labels.shape() == Shape{size_}, Errc::shape, "Dataset {}: {} images need labels [{}], got {}", name_, size_, size_,
            labels.shape());
    require(classes >= 1, Errc::range, "Dataset {}: classes is {}, must be at least 1", name_, classes);
    for (std::int64_t i = 0; i < labels.size(); ++i) {
      require(labels[i] >= 0 && labels[i] < classes, Errc::range, "Dataset {}: label {} of image {} is outside of 0..{}", name_, labels[i],
              i, classes - 1);
    }
    labels_ = std::move(labels);
    classes_ = classes;
  }

  void keep(Tensor<float> inputs) {
    for (std::int64_t i = 0; i < inputs.size(); ++i) {
      require(std::isfinite(inputs[i]), Errc::range, "Dataset {}: element {} of image {} is {}", name_, i % pixels_, i / pixels_,
              inputs[i]);
    }
    floats_ = std::move(inputs);
  }
  [[nodiscard]] bool whole() const { return !bytes_.empty() || !floats_.empty(); }
  void require_whole() const {
    require(whole(), Errc::state, "Dataset: used after it was moved from");
  }
  void copy(std::int64_t image, std::int64_t count, float* out) const {
    const std::int64_t offset = (first_ + image) * pixels_;
    float* const __restrict to = out;
    if (floats_.empty()) {
      const std::uint8_t* const __restrict from = bytes_.data() + offset;
      const float divisor = divisor_;
      lanes(count * pixels_, [=](std::int64_t i) { to[i] = static_cast<float>(from[i]) / divisor; });
    } else {
      std::copy_n(floats_.data() + offset, count * pixels_, to);
    }
  }

  Tensor<std::uint8_t> bytes_;  // one of these two holds all inputs
  Tensor<float> floats_;
  Tensor<std::int32_t> labels_;  // at most one of these two is not empty
  Tensor<float> targets_;
  Shape target_shape_;
  float divisor_ = 1.0f;
  int classes_ = 0;
  std::string name_;
  Shape shape_;
  std::int64_t pixels_ = 0, first_ = 0, size_ = 0;
};

/// Training and test images of one source.
struct DatasetSplit {
  Dataset train, test;
};

}  // namespace stet
