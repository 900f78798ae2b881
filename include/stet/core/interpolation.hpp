#pragma once
// Linear interpolation between the samples of an axis: which two samples an output lies between, and where.

#include <stet/core/error.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace stet {

/// Where the outputs of a resized axis lie on its samples, which stand at 0, 1, ..., in - 1.
enum class Coordinates {
  half_pixel,     ///< both ends of the axis are half a sample outside: (i + 1/2)*in/out - 1/2
  align_corners,  ///< first and last samples stay: i*(in - 1)/(out - 1)
  asymmetric      ///< the first sample stays: i*in/out
};

/// A position between two neighbours: lo + rest/parts, 0 <= rest < parts; hi is lo + 1, or lo at the end of the axis.
struct SamplePosition {
  std::int64_t lo = 0, hi = 0, rest = 0, parts = 1;
  [[nodiscard]] double fraction() const { return static_cast<double>(rest) / static_cast<double>(parts); }
};

/// Positions of all outputs, exact; what lies outside of the samples is moved to the first or the last of them.
/// Errors:    Errc::range if a size is not in [1, 65535]
/// Source:    ONNX Resize, coordinate_transformation_mode
inline std::vector<SamplePosition> sample_positions(std::int64_t in, std::int64_t out, Coordinates coordinates) {
  require(in >= 1 && in <= 65535 && out >= 1 && out <= 65535, Errc::range,
          "interpolation: {} samples cannot be resized to {}: both must be in [1, 65535]", in, out);
  std::vector<SamplePosition> positions;
  positions.reserve(static_cast<std::size_t>(out));
  for (std::int64_t i = 0; i < out; ++i) {
    std::int64_t place = i * in, parts = out;
    if (coordinates == Coordinates::half_pixel) {
      place = (2 * i + 1) * in - out;
      parts = 2 * out;
    } else if (coordinates == Coordinates::align_corners && out > 1) {
      place = i * (in - 1);
      parts = out - 1;
    }
    place = std::clamp<std::int64_t>(place, 0, (in - 1) * parts);
    const std::int64_t lo = place / parts;
    positions.push_back({lo, std::min(lo + 1, in - 1), place % parts, parts});
  }
  return positions;
}

}  // namespace stet
