#pragma once
// QParams: scale and zero point, the two numbers (per tensor, channel or group) between reals and codes.

#include <stet/quant/granularity.hpp>
#include <stet/quant/grid.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace stet {

/// Quantization parameters: real = scale * (code - zero_point).
/// Shapes:    scale and zero_point have one entry per tensor, channel or group
/// Units:     scale real per step; zero_point in steps
struct QParams {
  Grid grid{};
  Granularity granularity{};
  std::vector<float> scale{1.0f};
  std::vector<std::int32_t> zero_point{0};

  static QParams per_tensor(float scale, std::int32_t zero_point, Grid grid = Grid::int8()) {
    return {grid, Granularity::per_tensor(), {scale}, {zero_point}};
  }
  /// Text such as: codes -128..127, per tensor, scale {0.5}, zero point {3}; the first four of each.
  [[nodiscard]] std::string str() const {
    const auto first = [](const auto& numbers) {
      std::string text;
      for (std::size_t i = 0; i < numbers.size() && i < 4; ++i) text += formatted("{}{}", i == 0 ? "" : ", ", numbers[i]);
      return "{" + text + (numbers.size() > 4 ? ", ...}" : "}");
    };
    return formatted("codes {}, {}, scale {}, zero point {}", grid, describe(granularity), first(scale), first(zero_point));
  }
  friend bool operator==(const QParams&, const QParams&) = default;
};

/// Checks that parameters can be used on a tensor of this shape.
/// Errors:    Errc::shape if the number of scales is wrong; Errc::range if a scale is not positive and finite or
///            its reciprocal is not finite, or a zero point lies outside the grid
inline void check(const char* op, const QParams& p, const Shape& shape) {
  const ScaleMap map = scale_map(p.granularity, shape);
  require(static_cast<std::int64_t>(p.scale.size()) == map.count && p.zero_point.size() == p.scale.size(), Errc::shape,
          "{}: tensor {} needs {} scales and zero points, got {} and {}", op, shape, map.count, p.scale.size(),
          p.zero_point.size());
  for (std::size_t i = 0; i < p.scale.size(); ++i) {
    require(std::isfinite(p.scale[i]) && p.scale[i] > 0.0f, Errc::range,
            "{}: scale {} is {}, must be positive and finite", op, i, p.scale[i]);
    require(std::isfinite(1.0f / p.scale[i]), Errc::range, "{}: scale {} is {}, too small: its reciprocal overflows",
            op, i, p.scale[i]);
    require(p.grid.contains(p.zero_point[i]), Errc::range, "{}: zero point {} is {}, outside the grid {}..{}", op, i,
            p.zero_point[i], p.grid.lo, p.grid.hi);
  }
}

}  // namespace stet

template <>
struct fmt::formatter<stet::QParams> : stet::TextFormatter {};
