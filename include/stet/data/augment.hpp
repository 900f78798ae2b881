#pragma once
// Augmentation: training images that are changed a little, otherwise every time they are seen.

#include <stet/core/description.hpp>
#include <stet/core/finite.hpp>
#include <stet/core/random.hpp>
#include <stet/data/dataset.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace stet {

/// Something that is done to a batch: one of the types below, which change its first input, or any function of a batch and random
/// numbers. All shapes stay; labels and targets may change with the inputs.
///
///   fit(model, data, {.augment = {RandomFlip{}, RandomShift{.pixels = 2}}});
class Augmentation {
 public:
  template <class F>
    requires(!std::is_same_v<std::decay_t<F>, Augmentation> && std::is_invocable_v<const F&, Batch&, Rng&>)
  Augmentation(F change) {  // NOLINT: converts, as std::function does
    if constexpr (requires { change.describe(); }) text_ = change.describe();
    call_ = std::move(change);
    require(static_cast<bool>(call_), Errc::state, "Augmentation: made of an empty function; give it one of a batch and random numbers");
  }

  void operator()(Batch& batch, Rng& rng) const { call_(batch, rng); }
  /// What it is, for the identity of a run; a function of one's own has no text (FitOptions::identity).
  [[nodiscard]] const std::string& describe() const { return text_; }

 private:
  std::function<void(Batch&, Rng&)> call_{};
  std::string text_ = "of its own";
};

/// Mirrors images left to right, each with this probability.
/// Shapes:    x [B,H,W,C]
/// Errors:    Errc::shape if x are no images; Errc::range unless the probability is in 0..1
struct RandomFlip {
  double probability = 0.5;

  void operator()(Batch& batch, Rng& rng) const {
    const Shape& shape = batch.x.shape();
    require(shape.rank() == 4, Errc::shape, "RandomFlip: x must be [B,H,W,C], got {}", shape);
    require(probability >= 0 && probability <= 1, Errc::range, "RandomFlip: probability is {}, must be in 0..1",
            probability);
    float* x = batch.x.edit().data();
    const std::int64_t width = shape[2], channels = shape[3], rows = shape[1];
    for (std::int64_t n = 0; n < shape[0]; ++n) {
      if (rng.uniform() >= probability) continue;
      for (std::int64_t r = 0; r < rows; ++r) {
        float* row = x + (n * rows + r) * width * channels;
        for (std::int64_t a = 0, b = width - 1; a < b; ++a, --b) {
          std::swap_ranges(row + a * channels, row + (a + 1) * channels, row + b * channels);
        }
      }
    }
  }
  [[nodiscard]] std::string describe() const { return formatted("flip with probability {}", probability); }
};

/// Moves each image by as many pixels at most, up or down and left or right; what comes in is filled.
/// Shapes:    x [B,H,W,C]
/// Errors:    Errc::shape if x are no images; Errc::range if the pixels are negative or too many, or fill is not finite
struct RandomShift {
  std::int64_t pixels = 2;
  float fill = 0;  ///< of what comes in at the borders
  static constexpr std::int64_t most_pixels = std::int64_t{1} << 30;

  void operator()(Batch& batch, Rng& rng) const {
    const Shape shape = batch.x.shape();
    require(shape.rank() == 4, Errc::shape, "RandomShift: x must be [B,H,W,C], got {}", shape);
    require(pixels >= 0 && pixels <= most_pixels, Errc::range, "RandomShift: {} pixels, must be in 0..{}", pixels, most_pixels);
    require(std::isfinite(fill), Errc::range, "RandomShift: fill is {}, must be finite", fill);
    Tensor<float> moved = Tensor<float>::filled(shape, fill);
    const float* from = batch.x.data();
    float* to = moved.edit().data();
    const std::int64_t height = shape[1], width = shape[2], channels = shape[3];
    const auto draw = [&] {
      return static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(2 * pixels + 1))) - pixels;
    };
    for (std::int64_t n = 0; n < shape[0]; ++n) {
      const std::int64_t down = draw(), right = draw();
      const std::int64_t first = std::max<std::int64_t>(0, right), last = std::min(width, width + right);
      for (std::int64_t r = std::max<std::int64_t>(0, down); r < std::min(height, height + down) && first < last; ++r) {
        const float* source = from + (((n * height) + r - down) * width + first - right) * channels;
        std::copy_n(source, (last - first) * channels, to + ((n * height + r) * width + first) * channels);
      }
    }
    batch.x = std::move(moved);
  }
  [[nodiscard]] std::string describe() const { return formatted("shift by {} pixels, filled with {}", pixels, fill); }
};

/// Adds normal noise to every number of x, whatever its shape.
/// Errors:    Errc::range if sigma is negative or not finite
struct AddNoise {
  double sigma = 0.05;  ///< standard deviation, in units of x

  void operator()(Batch& batch, Rng& rng) const {
    require(sigma >= 0 && std::isfinite(sigma), Errc::range, "AddNoise: sigma is {}, must be finite and not negative",
            sigma);
    for (float& v : batch.x.edit()) v += static_cast<float>(sigma * rng.normal());
  }
  [[nodiscard]] std::string describe() const { return formatted("noise of {}", sigma); }
};

/// Does all of a list to a batch, in its order, with the random numbers of the step.
/// Errors:    Errc::shape if one changes the shape of an input or the number of labels, targets or weights; Errc::range if one makes NaN or infinity
inline void augment_batch(Batch& batch, const std::vector<Augmentation>& list, Rng rng) {
  if (list.empty()) return;
  const auto shapes = [&] {
    std::vector<Shape> all{batch.x.shape(), batch.labels.shape(), batch.targets.shape(), batch.weights.shape()};
    for (const Tensor<float>& x : batch.more_inputs) all.push_back(x.shape());
    for (const Truth& t : batch.more_truth) all.insert(all.end(), {t.labels.shape(), t.targets.shape()});
    return all;
  };
  const std::vector<Shape> before = shapes();
  const Shape shape = before[0];
  for (const Augmentation& change : list) {
    change(batch, rng);
    if (shapes() != before) {
      fail(Errc::shape, "augment: '{}' made a batch of {} from {}; the shapes of x, labels, targets and weights stay",
           change.describe(), batch.x.shape(), shape);
    }
    // A data set has refused such numbers; here they would look like training that diverges.
    std::vector<const Tensor<float>*> numbers{&batch.x, &batch.targets, &batch.weights};
    for (const Tensor<float>& x : batch.more_inputs) numbers.push_back(&x);
    for (const Truth& t : batch.more_truth) numbers.push_back(&t.targets);
    for (const Tensor<float>* one : numbers) {
      if (all_finite(one->span())) continue;
      fail(Errc::range, "augment: '{}' made numbers that are NaN or infinite of a batch that was finite; mend it", change.describe());
    }
  }
}

}  // namespace stet
