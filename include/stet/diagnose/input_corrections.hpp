#pragma once
// Corrections of inputs that were prepared in another way than a model's calibration images, one per known fault.

#include <stet/core/entry.hpp>
#include <stet/core/tensor.hpp>
#include <stet/graph/input_fingerprint.hpp>

#include <functional>
#include <string>
#include <vector>

#if STET_DEFINE_ENTRIES
#include <array>
#include <cmath>
#include <utility>
#endif

namespace stet {

/// Undoes one fault in how images were prepared.
struct InputCorrection {
  std::string id{};      ///< short and stable, such as "times_255"
  std::string what{};    ///< what is wrong with the images, the rest of "the images ..."
  std::string remedy{};  ///< what to do, an imperative
  std::function<Tensor<float>(const Tensor<float>&)> apply{};
  bool fitted = false;   ///< follows the statistics of the images and not one fault: last choice
};

/// What diagnose_input() tries for images of this shape.
/// Shapes:    shape of one image; corrections map [N, ...] to the same shape
STET_ENTRY std::vector<InputCorrection> input_corrections(const InputFingerprint& calibrated, const InputFingerprint& seen,
                                                          const Shape& shape);

#if STET_DEFINE_ENTRIES
namespace detail {

template <class F>
Tensor<float> each_value(const Tensor<float>& x, F f) {
  Tensor<float> y(x.shape());
  float* to = y.edit().data();
  for (std::int64_t i = 0; i < x.size(); ++i) to[i] = f(x[i]);
  return y;
}

// f(value, channel); inputs whose channels are not told apart have one.
template <class F>
Tensor<float> each_channel(const Tensor<float>& x, std::size_t channels, F f) {
  Tensor<float> y(x.shape());
  float* to = y.edit().data();
  for (std::int64_t i = 0; i < x.size(); ++i) to[i] = f(x[i], static_cast<std::size_t>(i) % channels);
  return y;
}

// y[n, h, w, c] = x at from(h, w, c), an offset inside of the image.
template <class F>
Tensor<float> moved(const Tensor<float>& x, F from) {
  Tensor<float> y(x.shape());
  float* to = y.edit().data();
  const std::int64_t height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3], each = height * width * channels;
  for (std::int64_t n = 0; n < x.shape()[0]; ++n) {
    for (std::int64_t h = 0; h < height; ++h) {
      for (std::int64_t w = 0; w < width; ++w) {
        for (std::int64_t c = 0; c < channels; ++c) *to++ = x[n * each + from(h, w, c)];
      }
    }
  }
  return y;
}

// Means and deviations in which networks trained on ImageNet want images between 0 and 1.
inline constexpr std::array<float, 3> imagenet_mean = {0.485f, 0.456f, 0.406f}, imagenet_sd = {0.229f, 0.224f, 0.225f};

class CorrectionList {
 public:
  CorrectionList(const InputFingerprint& calibrated, const InputFingerprint& seen, const Shape& shape)
      : calibrated_(calibrated), seen_(seen), shape_(shape) {}

  std::vector<InputCorrection> run() && {
    scales();
    offsets();
    standardised();
    curves();
    if (shape_.rank() == 3) places();
    return std::move(list_);
  }

 private:
  template <class F>
  void add(const char* id, const char* what, const char* remedy, F f) {
    list_.push_back({id, what, remedy, [f](const Tensor<float>& x) { return each_value(x, f); }, false});
  }
  template <class F>
  void add_per_channel(const char* id, const char* what, const char* remedy, bool fitted, F f) {
    list_.push_back({id, what, remedy, [f, n = calibrated_.channels()](const Tensor<float>& x) { return each_channel(x, n, f); }, fitted});
  }
  template <class F>
  void add_moved(const char* id, const char* what, const char* remedy, F f) {
    list_.push_back({id, what, remedy, [f](const Tensor<float>& x) { return moved(x, f); }, false});
  }

  void scales() {
    add("times_255", "are 255 times too large: bytes that were not divided", "divide the pixels by 255",
        [](float v) { return v / 255.0f; });
    add("divided_by_255", "are 255 times too small: divided once too often", "divide the pixels by 255 once, or not at all",
        [](float v) { return v * 255.0f; });
    add("minus_one_to_one", "lie between -1 and 1 where calibration's began at 0", "leave out 2 x - 1; take x between 0 and 1",
        [](float v) { return (v + 1.0f) / 2.0f; });
    add("zero_to_one", "lie between 0 and 1 where calibration's lay between -1 and 1", "take 2 x - 1 of pixels between 0 and 1",
        [](float v) { return 2.0f * v - 1.0f; });
    add("bytes_not_centred", "are bytes where calibration's lay between -1 and 1", "take x / 127.5 - 1 of the bytes",
        [](float v) { return v / 127.5f - 1.0f; });
  }
  void offsets() {
    const float least = calibrated_.least(), most = calibrated_.most(), unit = (most - least) / 255.0f;
    add("inverted", "are inverted: dark where calibration's are bright", "take lowest + highest - x of every pixel",
        [=](float v) { return least + most - v; });
    add("minus_128", "are 128 of 255 levels too low", "leave out the subtraction of 128: the model's input takes reals, and quantizes by itself",
        [=](float v) { return v + 128.0f * unit; });
    add("plus_128", "are 128 of 255 levels too high", "leave out the addition of 128: the model's input takes reals, and quantizes by itself",
        [=](float v) { return v - 128.0f * unit; });
    add("bytes_minus_128", "are bytes less 128, not divided", "leave out the subtraction of 128, and scale the bytes as for calibration",
        [=](float v) { return (v + 128.0f) * unit + least; });
    add("int8_wrap", "are bytes that were read as signed: what is above 127 became negative", "read the bytes as unsigned (uint8)",
        [=](float v) { return v < least ? v + 256.0f * unit : v; });
    add("int8_wrap_bytes", "are bytes that were read as signed, and not divided", "read the bytes as unsigned (uint8), and scale them as for calibration",
        [=](float v) { return (v < 0 ? v + 256.0f : v) * unit + least; });
    add("halves_swapped", "have the halves of their levels swapped: 128 was added with a wrap", "do not flip the highest bit of the bytes",
        [=](float v) { return v - least >= 127.5f * unit ? v - 128.0f * unit : v + 128.0f * unit; });
  }
  void standardised() {
    const InputFingerprint f = calibrated_, s = seen_;
    if (f.channels() != s.channels()) return;
    add_per_channel("standardised", "are standardised (less their mean, divided by their deviation) where calibration's were not",
                    "leave out mean and deviation", false,
                    [f](float v, std::size_t c) { return v * f.channel_sd[c] + f.channel_mean[c]; });
    add("standardised_together", "are standardised with one mean and deviation where calibration's were not", "leave out mean and deviation",
        [f](float v) { return v * f.sd + f.mean; });
    if (std::fabs(f.mean) < 0.3f && f.sd > 0.6f && f.sd < 1.6f) {
      add_per_channel("not_standardised", "are not standardised (less their mean, divided by their deviation) as calibration's were",
                      "subtract the mean and divide by the deviation as for training", false, [s](float v, std::size_t c) {
                        return s.channel_sd[c] > 0 ? (v - s.channel_mean[c]) / s.channel_sd[c] : 0.0f;
                      });
    }
    if (f.channels() == 3) {
      add_per_channel("imagenet", "have ImageNet's mean and deviation taken out where calibration's had not", "leave out ImageNet's mean and deviation",
                      false, [](float v, std::size_t c) { return v * imagenet_sd[c] + imagenet_mean[c]; });
      add_per_channel("not_imagenet", "are between 0 and 1 where calibration's had ImageNet's mean and deviation taken out",
                      "subtract ImageNet's mean and divide by its deviation", false,
                      [](float v, std::size_t c) { return (v - imagenet_mean[c]) / imagenet_sd[c]; });
      add_per_channel("bytes_not_imagenet", "are bytes where calibration's had ImageNet's mean and deviation taken out",
                      "divide by 255, subtract ImageNet's mean and divide by its deviation", false,
                      [](float v, std::size_t c) { return (v / 255.0f - imagenet_mean[c]) / imagenet_sd[c]; });
    }
    add_per_channel("offset_and_scale", "have another mean and deviation than calibration's", "compare how the images are scaled with what calibration got",
                    true, [f, s](float v, std::size_t c) {
                      return s.channel_sd[c] > 0 ? (v - s.channel_mean[c]) / s.channel_sd[c] * f.channel_sd[c] + f.channel_mean[c] : v;
                    });
  }
  void curves() {
    const float least = calibrated_.least(), range = calibrated_.most() - least;
    const auto power = [=](float exponent) {
      return [=](float v) {
        const float part = range > 0 ? std::fmin(1.0f, std::fmax(0.0f, (v - least) / range)) : 0.0f;
        return least + range * std::pow(part, exponent);
      };
    };
    add("gamma", "are linear light (gamma 2.2 applied) where calibration's were not", "leave the pixels as the file has them (sRGB)", power(1.0f / 2.2f));
    add("inverse_gamma", "are too bright by a gamma of 2.2", "leave out the gamma correction, or calibrate with it", power(2.2f));
  }
  void places() {
    const std::int64_t height = shape_[0], width = shape_[1], channels = shape_[2];
    const auto at = [=](std::int64_t h, std::int64_t w, std::int64_t c) { return (h * width + w) * channels + c; };
    if (channels == 3) {
      add_moved("bgr", "have red and blue exchanged", "exchange the first and last channel (BGR, RGB)",
                [=](std::int64_t h, std::int64_t w, std::int64_t c) { return at(h, w, 2 - c); });
    }
    if (channels > 1) {
      add_moved("planar", "lie channel by channel ([C,H,W]) where the model wants pixels ([H,W,C])", "transpose the images to [H,W,C]",
                [=](std::int64_t h, std::int64_t w, std::int64_t c) { return (c * height + h) * width + w; });
    }
    if (height == width) {
      add_moved("transposed", "have rows and columns exchanged", "exchange height and width",
                [=](std::int64_t h, std::int64_t w, std::int64_t c) { return at(w, h, c); });
    }
    add_moved("mirrored", "are mirrored, left and right exchanged", "mirror the images",
              [=](std::int64_t h, std::int64_t w, std::int64_t c) { return at(h, width - 1 - w, c); });
    add_moved("upside_down", "stand upside down", "begin with the top row",
              [=](std::int64_t h, std::int64_t w, std::int64_t c) { return at(height - 1 - h, w, c); });
    add_moved("turned", "are turned by 180 degrees", "turn the images",
              [=](std::int64_t h, std::int64_t w, std::int64_t c) { return at(height - 1 - h, width - 1 - w, c); });
  }

  const InputFingerprint& calibrated_;
  const InputFingerprint& seen_;
  const Shape& shape_;
  std::vector<InputCorrection> list_{};
};

}  // namespace detail

STET_ENTRY std::vector<InputCorrection> input_corrections(const InputFingerprint& calibrated, const InputFingerprint& seen,
                                                          const Shape& shape) {
  return detail::CorrectionList(calibrated, seen, shape).run();
}
#endif

}  // namespace stet
