#pragma once
// InputFingerprint: what the images looked like that gave a model its ranges; it travels with the integers.

#include <stet/core/error.hpp>
#include <stet/core/tensor.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stet {

/// Name of a fingerprint among the metadata of a file.
inline constexpr std::string_view input_fingerprint_key = "stet.input_fingerprint";

/// Some 60 numbers about images: enough to tell a wrong scale, offset, order of channels or axes from the right one.
struct InputFingerprint {
  /// Parts of all numbers below which the quantiles lie.
  static constexpr std::array<double, 11> parts = {0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1};
  static constexpr int side = 4;                  ///< of the mean image
  static constexpr std::int64_t most_levels = 4096;
  static constexpr std::int64_t most_channels = 16;  ///< that are told apart; what has more counts as one

  std::int64_t images = 0;
  std::int64_t levels = 0;  ///< how many numbers differ, counted on a sample, at most most_levels
  float mean = 0, sd = 0;   ///< of all numbers together
  float gradient_x = 0, gradient_y = 0;  ///< mean |difference| of neighbours along width and height; 0 if there are none
  std::vector<float> quantiles{};        ///< one per part; the ends are exact, the others of a sample
  std::vector<float> channel_mean{}, channel_sd{}, channel_least{}, channel_most{};
  std::vector<float> mean_image{};       ///< [side, side] means over channels too; empty where inputs are no pictures

  [[nodiscard]] float least() const { return quantiles.front(); }
  [[nodiscard]] float most() const { return quantiles.back(); }
  [[nodiscard]] std::size_t channels() const { return channel_mean.size(); }

  /// What is wrong with it, as a foreign or damaged file may leave it; empty if nothing is.
  [[nodiscard]] std::string fault() const {
    if (images < 1 || levels < 1 || levels > most_levels) return "it counts no images or no levels";
    if (quantiles.size() != parts.size()) return "it has not one quantile for each part";
    const std::size_t c = channel_mean.size();
    if (c < 1 || c > static_cast<std::size_t>(most_channels) || channel_sd.size() != c || channel_least.size() != c || channel_most.size() != c) {
      return "its channels are not 1 to 16, or do not fit together";
    }
    if (!mean_image.empty() && mean_image.size() != static_cast<std::size_t>(side * side)) return "its mean image has another size";
    bool good = std::isfinite(mean) && std::isfinite(sd) && std::isfinite(gradient_x) && std::isfinite(gradient_y);
    good = good && sd >= 0 && gradient_x >= 0 && gradient_y >= 0 && std::is_sorted(quantiles.begin(), quantiles.end());
    for (const auto* list : {&quantiles, &channel_mean, &channel_sd, &channel_least, &channel_most, &mean_image}) {
      for (const float v : *list) good = good && std::isfinite(v);
    }
    return good ? std::string() : "a number is not finite, negative or out of order";
  }

  /// The same of a fingerprint of images of this shape, which is without the batch.
  [[nodiscard]] std::string fault(const Shape& image) const {
    const std::string own = fault();
    const std::size_t wanted = image.rank() == 3 && image[2] <= most_channels ? static_cast<std::size_t>(image[2]) : 1;
    if (!own.empty() || channels() == wanted) return own;
    return formatted("it tells {} channels apart, and images of {} have {}", channels(), image, wanted);
  }

  /// Visits its numbers by name, for checkpoints and files.
  template <class F>
  void fields(F&& f) {
    f("images", images);
    f("levels", levels);
    f("mean", mean);
    f("sd", sd);
    f("gradient_x", gradient_x);
    f("gradient_y", gradient_y);
    f("quantiles", quantiles);
    f("channel_mean", channel_mean);
    f("channel_sd", channel_sd);
    f("channel_least", channel_least);
    f("channel_most", channel_most);
    f("mean_image", mean_image);
  }
  friend bool operator==(const InputFingerprint&, const InputFingerprint&) = default;
};

/// Collects a fingerprint batch by batch in one pass over the numbers.
class FingerprintCollector {
 public:
  /// Shapes:    images [N,H,W,C] or [N, ...]; channels are told apart in pictures of at most 16
  void observe(const Tensor<float>& images) {
    const Shape& shape = images.shape();
    const std::int64_t count = shape[0], each = count > 0 ? images.size() / count : 0;
    if (each == 0) return;
    const bool picture = shape.rank() == 4 && shape[3] <= InputFingerprint::most_channels;
    const std::int64_t channels = picture ? shape[3] : 1;
    if (sums_.empty()) {
      sums_.resize(static_cast<std::size_t>(channels));
      picture_ = picture && shape[1] >= InputFingerprint::side && shape[2] >= InputFingerprint::side;
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const float* x = images.data() + i * each;
      for (std::int64_t c = 0; c < channels; ++c) add(sums_[static_cast<std::size_t>(c)], x + c, each / channels, channels);
      if (picture_) add_picture(x, shape[1], shape[2], channels);
      // An image gives at most 256 numbers to the sample, each time from another place.
      const std::int64_t step = std::max<std::int64_t>(1, each / 256);
      if (images_ % keep_one_in_ == 0) {
        for (std::int64_t k = images_ * 7 % step; k < each; k += step) sample_.push_back(x[k]);
      }
      ++images_;
      if (sample_.size() > most_sampled) thin();
    }
  }

  /// Errors:    Errc::state if no image came
  [[nodiscard]] InputFingerprint finish() && {
    require(!sample_.empty(), Errc::state, "FingerprintCollector: there were no images");
    InputFingerprint f;
    f.images = images_;
    Sums all;
    for (const Sums& s : sums_) {
      f.channel_mean.push_back(static_cast<float>(s.mean()));
      f.channel_sd.push_back(static_cast<float>(s.sd()));
      f.channel_least.push_back(s.least);
      f.channel_most.push_back(s.most);
      all.count += s.count;
      all.sum += s.sum;
      all.squares += s.squares;
      all.least = std::min(all.least, s.least);
      all.most = std::max(all.most, s.most);
    }
    f.mean = static_cast<float>(all.mean());
    f.sd = static_cast<float>(all.sd());
    std::sort(sample_.begin(), sample_.end());
    const auto last = static_cast<double>(sample_.size() - 1);
    for (const double part : InputFingerprint::parts) f.quantiles.push_back(sample_[static_cast<std::size_t>(part * last + 0.5)]);
    f.quantiles.front() = all.least;
    f.quantiles.back() = all.most;
    f.levels = std::min<std::int64_t>(InputFingerprint::most_levels,
                                      std::unique(sample_.begin(), sample_.end()) - sample_.begin());
    if (across_ > 0) f.gradient_x = static_cast<float>(gradient_x_ / across_);
    if (down_ > 0) f.gradient_y = static_cast<float>(gradient_y_ / down_);
    for (std::size_t i = 0; i < map_.size() && picture_; ++i) f.mean_image.push_back(static_cast<float>(map_[i] / map_count_[i]));
    return f;
  }

 private:
  struct Sums {
    double count = 0, sum = 0, squares = 0;
    float least = std::numeric_limits<float>::infinity(), most = -std::numeric_limits<float>::infinity();
    [[nodiscard]] double mean() const { return sum / count; }
    [[nodiscard]] double sd() const { return std::sqrt(std::max(0.0, squares / count - mean() * mean())); }
  };

  static void add(Sums& s, const float* x, std::int64_t count, std::int64_t stride) {
    double sum = 0, squares = 0;
    float least = s.least, most = s.most;
    for (std::int64_t i = 0; i < count; ++i) {
      const float v = x[i * stride];
      sum += static_cast<double>(v);
      squares += static_cast<double>(v) * static_cast<double>(v);
      least = std::min(least, v);
      most = std::max(most, v);
    }
    s.count += static_cast<double>(count);
    s.sum += sum;
    s.squares += squares;
    s.least = least;
    s.most = most;
  }
  void add_picture(const float* x, std::int64_t height, std::int64_t width, std::int64_t channels) {
    const std::int64_t row = width * channels;
    double gx = 0, gy = 0;
    for (std::int64_t y = 0; y < height; ++y) {
      const float* at = x + y * row;
      for (std::int64_t k = channels; k < row; ++k) gx += static_cast<double>(std::fabs(at[k] - at[k - channels]));
      for (std::int64_t k = 0; k < row && y > 0; ++k) gy += static_cast<double>(std::fabs(at[k] - at[k - row]));
      for (std::int64_t left = 0; left < InputFingerprint::side; ++left) {
        const std::int64_t from = left * width / InputFingerprint::side * channels;
        const std::int64_t to = (left + 1) * width / InputFingerprint::side * channels;
        double sum = 0;
        for (std::int64_t k = from; k < to; ++k) sum += static_cast<double>(at[k]);
        const auto cell = static_cast<std::size_t>(y * InputFingerprint::side / height * InputFingerprint::side + left);
        map_[cell] += sum;
        map_count_[cell] += static_cast<double>(to - from);
      }
    }
    gradient_x_ += gx;
    gradient_y_ += gy;
    across_ += static_cast<double>(height * (row - channels));
    down_ += static_cast<double>((height - 1) * row);
  }
  // Halves the sample: from now on every other image that gave to it would.
  void thin() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < sample_.size(); i += 2) sample_[kept++] = sample_[i];
    sample_.resize(kept);
    keep_one_in_ *= 2;
  }

  static constexpr std::size_t most_sampled = std::size_t{1} << 18;
  static constexpr std::size_t cells = static_cast<std::size_t>(InputFingerprint::side * InputFingerprint::side);
  std::vector<Sums> sums_{};
  std::array<double, cells> map_{}, map_count_{};
  double gradient_x_ = 0, gradient_y_ = 0, across_ = 0, down_ = 0;
  std::vector<float> sample_{};
  std::int64_t images_ = 0, keep_one_in_ = 1;
  bool picture_ = false;
};

/// The same of every input of a model.
class FingerprintCollectors {
 public:
  /// Shapes:    one tensor per input
  void observe(std::span<const Tensor<float>> inputs) {
    of_input_.resize(std::max(of_input_.size(), inputs.size()));
    for (std::size_t i = 0; i < inputs.size(); ++i) of_input_[i].observe(inputs[i]);
  }
  [[nodiscard]] std::vector<InputFingerprint> finish() && {
    std::vector<InputFingerprint> all;
    for (FingerprintCollector& c : of_input_) all.push_back(std::move(c).finish());
    return all;
  }

 private:
  std::vector<FingerprintCollector> of_input_{};
};

}  // namespace stet
