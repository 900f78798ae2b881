#pragma once
// Elements times a factor of their channel.

#include <stet/core/error.hpp>
#include <stet/core/lanes.hpp>
#include <stet/quant/granularity.hpp>

#include <cstdint>
#include <span>

namespace stet {

/// Multiplies elements by the factor of their channel.
/// Formula:   values[i] *= factor[map.index(i)]
/// Shapes:    values any number of whole runs of the map; factor [map.count]
/// Errors:    Errc::shape if there are not map.count factors
inline void scale_channels(std::span<float> values, const ScaleMap& map, std::span<const float> factor) {
  require(static_cast<std::int64_t>(factor.size()) == map.count, Errc::shape, "scale_channels: {} factors for {} channels",
          factor.size(), map.count);
  map.runs(static_cast<std::int64_t>(values.size()), [&](std::size_t c, std::int64_t first, std::int64_t last) {
    float* to = values.data() + first;
    const float k = factor[c];
    lanes(last - first, [=](std::int64_t i) { to[i] *= k; });
  });
}

}  // namespace stet
