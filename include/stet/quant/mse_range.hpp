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

namespace detail {

// The scale of the smallest mean squared error on exact values with a given zero point, as a float.
inline float mse_scale(const SortedMoments& moments, const Grid& grid, std::int32_t zero_point, float smallest) {
  return static_cast<float>(search_mse_grid(moments, grid, zero_point, 32, static_cast<double>(smallest)).scale);
}

// Calls f(k, values of scale k) for every scale, in parallel.
template <class F>
void for_each_scale(std::span<const float> values, const Shape& shape, const Granularity& granularity, F&& f) {
  static_cast<void>(min_max(values, shape, granularity));  // all checks, before any parallel work
  const ScaleMap map = scale_map(granularity, shape);
  const std::int64_t each = shape.elements() / map.count;
  parallel_chunks(map.count, each * 64, [&](Chunk c) {
    std::vector<float> own(static_cast<std::size_t>(each));
    for (std::int64_t k = c.first; k < c.last; ++k) {
      for (std::int64_t i = 0; i < each; ++i) {
        const std::int64_t row = i / map.inner * map.inner * map.count;
        own[static_cast<std::size_t>(i)] = values[static_cast<std::size_t>(row + k * map.inner + i % map.inner)];
      }
      f(static_cast<std::size_t>(k), std::span<const float>(own));
    }
  });
}

}  // namespace detail

/// The same per tensor, channel or group.
/// Shapes:    values of `shape` -> one range per scale of the granularity
/// Errors:    as above, and Errc::shape if the granularity does not fit the shape or there are not as many values
inline std::vector<Range> mse_range(std::span<const float> values, const Shape& shape, const Granularity& granularity,
                                    const Grid& grid, bool symmetric) {
  std::vector<Range> ranges(static_cast<std::size_t>(scale_map(granularity, shape).count));
  detail::for_each_scale(values, shape, granularity, [&](std::size_t k, std::span<const float> own) {
    ranges[k] = mse_range(own, grid, symmetric);
  });
  return ranges;
}
inline std::vector<Range> mse_range(const Tensor<float>& values, const Granularity& granularity, const Grid& grid,
                                    bool symmetric) {
  return mse_range(values.span(), values.shape(), granularity, grid, symmetric);
}

/// Scales of the smallest mean squared error on these values with a given zero point, clipping included.
/// Shapes:    one per scale of the granularity
/// Units:     real per code; 1 where all values are 0
/// Formula:   (87), (88)
/// Errors:    as above, and Errc::range if the zero point lies outside the grid
/// @param smallest  least scale that is tried
inline std::vector<float> mse_scales(const Tensor<float>& values, const Granularity& granularity, const Grid& grid,
                                     std::int32_t zero_point, float smallest) {
  std::vector<float> scales(static_cast<std::size_t>(scale_map(granularity, values.shape()).count));
  detail::for_each_scale(
      values.span(), values.shape(), granularity, [&](std::size_t k, std::span<const float> own) {
        scales[k] = detail::mse_scale(SortedMoments(own), grid, zero_point, smallest);
      });
  return scales;
}

}  // namespace stet
