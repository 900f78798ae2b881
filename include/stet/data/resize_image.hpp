#pragma once
// Pictures of another size.

#include <stet/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace stet {

namespace detail {

// Which pixels of a line make one of the new line, and how much each counts.
struct ResizeTaps {
  std::int64_t first = 0;
  std::vector<float> weights{};
};

inline std::vector<ResizeTaps> resize_taps(std::int64_t from, std::int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to), reach = std::max(1.0, scale);
  std::vector<ResizeTaps> taps(static_cast<std::size_t>(to));
  for (std::int64_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - reach + 0.5));
    const auto last = std::min(from, static_cast<std::int64_t>(centre + reach + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t k = first; k < last; ++k) {
      weights.push_back(std::max(0.0, 1.0 - std::fabs((static_cast<double>(k) + 0.5 - centre) / reach)));
      sum += weights.back();
    }
    ResizeTaps& t = taps[static_cast<std::size_t>(i)];
    t.first = first;
    for (const double w : weights) t.weights.push_back(static_cast<float>(w / sum));
  }
  return taps;
}

}  // namespace detail

/// A picture in another size. Made smaller, every pixel is a mean of all that it covers, so nothing flickers.
/// Formula:   per axis, s = old / new: y[i] = sum over k of x[k] * w(k) / sum of w, w(k) = max(0, 1 - |k + 0.5 - (i + 0.5)*s| / max(1, s))
/// Shapes:    [H,W,C] -> [height,width,C]
/// Rounding:  half up, after both axes
/// Errors:    Errc::shape if it is no picture; Errc::range unless height and width are in 1..65536
/// Source:    the triangle filter of Pillow, Image.resize with BILINEAR, which is one code off at most (it rounds between the axes)
inline Tensor<std::uint8_t> resize_image(const Tensor<std::uint8_t>& picture, std::int64_t height, std::int64_t width) {
  const Shape& shape = picture.shape();
  require(shape.rank() == 3 && shape.elements() > 0, Errc::shape, "resize_image: the picture must be [H,W,C], got {}", shape);
  require(height >= 1 && height <= 65536 && width >= 1 && width <= 65536, Errc::range, "resize_image: to {} x {} pixels, must be 1 to 65536 each", height, width);
  const std::int64_t channels = shape[2];
  const std::vector<detail::ResizeTaps> down = detail::resize_taps(shape[0], height), across = detail::resize_taps(shape[1], width);
  Tensor<std::uint8_t> result({height, width, channels});
  std::uint8_t* to = result.edit().data();
  std::vector<float> line(static_cast<std::size_t>(shape[1] * channels));
  for (const detail::ResizeTaps& rows : down) {
    std::fill(line.begin(), line.end(), 0.0f);
    for (std::size_t k = 0; k < rows.weights.size(); ++k) {
      const std::uint8_t* from = picture.data() + (rows.first + static_cast<std::int64_t>(k)) * shape[1] * channels;
      for (std::size_t i = 0; i < line.size(); ++i) line[i] += rows.weights[k] * static_cast<float>(from[i]);
    }
    for (const detail::ResizeTaps& columns : across) {
      for (std::int64_t c = 0; c < channels; ++c) {
        float sum = 0;
        for (std::size_t k = 0; k < columns.weights.size(); ++k) {
          sum += columns.weights[k] * line[static_cast<std::size_t>((columns.first + static_cast<std::int64_t>(k)) * channels + c)];
        }
        *to++ = static_cast<std::uint8_t>(std::clamp(std::floor(sum + 0.5f), 0.0f, 255.0f));
      }
    }
  }
  return result;
}

}  // namespace stet
