#pragma once
// Dataset: labelled images as a value; slices share the pixels.

#include <stet/core/hash.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/tensor.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace stet {

/// Inputs and labels of one step.
struct Batch {
  Tensor<float> x;              ///< [B, ...]
  Tensor<std::int32_t> labels;  ///< [B]
  [[nodiscard]] std::int64_t size() const { return labels.size(); }
};

/// Labelled images. Pixels are kept as bytes or as floats; copies and slices share them.
/// Formula:   of bytes: x = float(byte) / divisor, one correctly rounded division (so 255 -> byte/255.0f exactly)
/// Shapes:    images [N, ...] (NHWC for pictures), labels [N]
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
    const float* x = images.data();
    for (std::int64_t i = 0; i < images.size(); ++i) {
      require(std::isfinite(x[i]), Errc::range, "Dataset {}: element {} of image {} is {}", name_, i % pixels_,
              i / pixels_, x[i]);
    }
    floats_ = std::move(images);
  }

  /// Number of images; 0 if the data set was moved from.
  [[nodiscard]] std::int64_t size() const { return labels_.empty() ? 0 : size_; }
  /// Shape of one image, without the batch.
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] int classes() const { return classes_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::span<const std::int32_t> labels() const {
    require_whole();
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

  /// The images at these positions, in this order.
  /// Errors:    Errc::range if a position does not exist
  [[nodiscard]] Batch batch(std::span<const std::int64_t> indices) const {
    require_whole();
    const auto count = static_cast<std::int64_t>(indices.size());
    Batch b{Tensor<float>(shape_.batched(count)), Tensor<std::int32_t>(Shape{count})};
    float* x = b.x.edit().data();
    auto labels = b.labels.edit();
    for (std::size_t i = 0; i < indices.size(); ++i) {
      require(indices[i] >= 0 && indices[i] < size_, Errc::range, "Dataset {}: image {} of {} does not exist", name_,
              indices[i], size_);
      copy(indices[i], 1, x + static_cast<std::int64_t>(i) * pixels_);
      labels[i] = labels_[first_ + indices[i]];
    }
    return b;
  }
  /// Images first .. last-1 as one batch.
  /// Errors:    Errc::range unless 0 <= first < last <= size()
  [[nodiscard]] Batch batch(std::int64_t first, std::int64_t last) const {
    const Dataset part = slice(first, last);
    Batch b{Tensor<float>(shape_.batched(part.size_)), Tensor<std::int32_t>(Shape{part.size_}, part.labels())};
    part.copy(0, part.size_, b.x.edit().data());
    return b;
  }
  /// Adds the pixels to a hash as they are kept, bytes with their divisor.
  void add_pixels(Hash64& hash) const {
    const auto from = static_cast<std::size_t>(first_ * pixels_), count = static_cast<std::size_t>(size_ * pixels_);
    hash.number(divisor_);
    if (floats_.empty()) {
      hash.bytes(bytes_.span().subspan(from, count));
    } else {
      hash.numbers(floats_.span().subspan(from, count));
    }
  }

 private:
  Dataset(const Shape& images, Tensor<std::int32_t> labels, int classes, std::string name)
      : labels_(std::move(labels)), classes_(classes), name_(std::move(name)) {
    require(images.rank() >= 2, Errc::shape, "Dataset {}: images need a batch dimension and one more, got {}", name_,
            images);
    require(images.elements() > 0, Errc::shape, "Dataset {}: no images in {}", name_, images);
    require(labels_.shape() == Shape{images[0]}, Errc::shape, "Dataset {}: {} images need labels [{}], got {}", name_,
            images[0], images[0], labels_.shape());
    require(classes_ >= 1, Errc::range, "Dataset {}: classes is {}, must be at least 1", name_, classes_);
    for (std::int64_t i = 0; i < labels_.size(); ++i) {
      require(labels_[i] >= 0 && labels_[i] < classes_, Errc::range,
              "Dataset {}: label {} of image {} is outside of 0..{}", name_, labels_[i], i, classes_ - 1);
    }
    shape_ = images.unbatched();
    pixels_ = shape_.elements();
    size_ = images[0];
  }

  void require_whole() const {
    require(!labels_.empty(), Errc::state, "Dataset: used after it was moved from");
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

  Tensor<std::uint8_t> bytes_;  // one of these two holds all pixels
  Tensor<float> floats_;
  Tensor<std::int32_t> labels_;
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
