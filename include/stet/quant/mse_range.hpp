#pragma once
// mse_range: the range of the smallest mean squared error on given values, exactly; for weights.

#include <stet/quant/mse_search.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace stet {

/// Range whose scale and zero point, made by choose_qparams with the same grid, give the smallest mean squared error on these
/// values, clipping included.
/// Formula:   (87), (88)
/// Errors:    Errc::state if there are no values; Errc::range if a value is NaN or infinite
/// Source:    Krishnamoorthi 2018, arXiv 1806.08342
inline Range mse_range(std::span<const float> values, const Grid& grid, bool symmetric) {
  return search_mse_range(SortedMoments(values), grid, symmetric, 32);
}

/// The same per tensor, channel or group.
/// Shapes:    values of `shape` -> one range per scale of the granularity
/// Errors:    as above, and Errc::shape if the granularity does not fit the shape or there are not as many values
inline std::vector<Range> mse_range(std::span<const float> values, const Shape& shape, const Granularity& granularity,
                                    const Grid& grid, bool symmetric) {
  static_cast<void>(min_max(values, shape, granularity));  // all checks, before any parallel work
  const ScaleMap map = scale_map(granularity, shape);
  std::vector<Range> ranges(static_cast<std::size_t>(map.count));
  const std::int64_t each = shape.elements() / map.count;
  parallel_chunks(map.count, each * 64, [&](Chunk c) {
    std::vector<float> own(static_cast<std::size_t>(each));
    for (std::int64_t k = c.first; k < c.last; ++k) {
      for (std::int64_t i = 0; i < each; ++i) {
        const std::int64_t row = i / map.inner * map.inner * map.count;
        own[static_cast<std::size_t>(i)] = values[static_cast<std::size_t>(row + k * map.inner + i % map.inner)];
      }
      ranges[static_cast<std::size_t>(k)] = mse_range(own, grid, symmetric);
    }
  });
  return ranges;
}
inline std::vector<Range> mse_range(const Tensor<float>& values, const Granularity& granularity, const Grid& grid,
                                    bool symmetric) {
  return mse_range(values.span(), values.shape(), granularity, grid, symmetric);
}

}  // namespace stet
