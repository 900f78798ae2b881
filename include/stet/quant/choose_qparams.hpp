#pragma once
// From ranges to scales and zero points, as PyTorch's min/max observers compute them.

#include <stet/core/rounding.hpp>
#include <stet/quant/qparams.hpp>
#include <stet/quant/range.hpp>

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace stet {

/// Whether a scale is rounded to a power of two, and how: `up` never shrinks the range, `nearest` is nearest in log2.
enum class PowerOfTwo { no, up, nearest };

/// How choose_qparams makes scale and zero point from a range.
struct QParamsOptions {
  bool symmetric = false;     ///< the zero point does not depend on the range
  float eps = FLT_EPSILON;    ///< smallest scale
  Granularity granularity{};  ///< which elements the ranges belong to; copied into the result
  PowerOfTwo power_of_two = PowerOfTwo::no;
  bool reduce_range = false;                           ///< give up one bit: use reduced(grid)
  std::optional<std::int32_t> symmetric_zero_point{};  ///< instead of the rule of symmetric_zero_point(grid)
  std::optional<float> zero_range_scale{};             ///< scale of a range that is {0, 0}, instead of eps
};

/// Whether a range is so narrow that at the smallest scale all its values have the code of 0: it says nothing about values.
constexpr bool negligible(const Range& range, float eps = QParamsOptions{}.eps) { return range.absmax() <= eps / 2.0f; }

/// Half of a grid, both ends rounded down: -128..127 -> -64..63, 0..255 -> 0..127, -127..127 -> -64..63.
constexpr Grid reduced(const Grid& grid) { return {grid.lo >> 1, grid.hi >> 1}; }

/// Zero point of symmetric quantization: 0 on a signed grid, 128 on 0..255, else the middle, rounded down.
constexpr std::int32_t symmetric_zero_point(const Grid& grid) {
  if (grid.lo < 0 && grid.hi >= 0) return 0;
  if (grid == Grid::uint8()) return 128;
  return (grid.lo + grid.hi) >> 1;
}

/// Rounds a positive scale to a power of two.
/// Formula:   up: 2^ceil(log2 s); nearest: 2^rne(log2 s), decided exactly (no power of two times sqrt(2) is a float)
/// Errors:    Errc::range if the result is not a normal number
inline float round_scale(float scale, PowerOfTwo rule) {
  if (rule == PowerOfTwo::no) return scale;
  int exponent = 0;
  const double f = 2.0 * std::frexp(static_cast<double>(scale), &exponent);  // scale = f * 2^(exponent-1), 1 <= f < 2
  const bool up = rule == PowerOfTwo::up ? f > 1.0 : f * f > 2.0;
  const float rounded = static_cast<float>(std::ldexp(1.0, exponent - (up ? 0 : 1)));
  require(std::isnormal(rounded), Errc::range, "choose_qparams: no power of two near scale {}", scale);
  return rounded;
}

namespace detail {

inline void choose_one(const Range& range, const Grid& grid, const QParamsOptions& options, float& scale,
                       std::int32_t& zero_point) {
  require(range.finite() && range.lo <= range.hi, Errc::range,
          "choose_qparams: range {}..{} must be finite and ordered", range.lo, range.hi);
  const auto [lo, hi] = range.with_zero();
  const auto steps = static_cast<float>(grid.hi - grid.lo);
  float s = options.symmetric ? Range{lo, hi}.absmax() / (steps / 2.0f) : (hi - lo) / steps;
  if (s < options.eps) s = options.eps;
  if (lo == 0.0f && hi == 0.0f && options.zero_range_scale) s = *options.zero_range_scale;
  require(std::isfinite(s), Errc::range, "choose_qparams: the width of range {}..{} exceeds float", range.lo, range.hi);
  s = round_scale(s, options.power_of_two);
  scale = s;
  if (options.symmetric) {
    zero_point = options.symmetric_zero_point ? *options.symmetric_zero_point : symmetric_zero_point(grid);
    return;
  }
  const float below = round_half_even(lo / s);  // at most the number of steps, up to rounding, unless s was shrunk
  const float z = static_cast<float>(grid.lo) - below;
  zero_point = z > static_cast<float>(grid.hi) ? grid.hi : static_cast<std::int32_t>(z);
}

}  // namespace detail

/// Chooses scale and zero point for each range.
/// Formula:   lo = min(lo,0), hi = max(hi,0); affine: s = max((hi-lo)/(p-n), eps), z = clamp(n - rne(lo/s), n, p);
///            symmetric: s = max(max(-lo,hi) / ((p-n)/2), eps), z = symmetric_zero_point(grid)
/// Shapes:    one range per scale of options.granularity
/// Units:     ranges real; scale real per step; zero point in steps
/// Rounding:  half to even
/// Errors:    Errc::range if a range is not finite and ordered, or a zero point is given that is outside the grid;
///            Errc::state if there are no ranges
/// Source:    PyTorch 2.13, torch/ao/quantization/observer.py (golden set qparams)
inline QParams choose_qparams(std::span<const Range> ranges, const Grid& grid, const QParamsOptions& options = {}) {
  require(!ranges.empty(), Errc::state, "choose_qparams: no ranges; observe values first");
  require(options.granularity.kind != Granularity::Kind::per_tensor || ranges.size() == 1, Errc::shape,
          "choose_qparams: per tensor needs 1 range, got {}", ranges.size());
  require(std::isfinite(options.eps) && options.eps > 0.0f, Errc::range, "choose_qparams: eps {} must be positive",
          options.eps);
  QParams p{options.reduce_range ? reduced(grid) : grid, options.granularity, std::vector<float>(ranges.size()),
            std::vector<std::int32_t>(ranges.size())};
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    detail::choose_one(ranges[i], p.grid, options, p.scale[i], p.zero_point[i]);
    require(p.grid.contains(p.zero_point[i]), Errc::range, "choose_qparams: zero point {} lies outside the grid {}..{}",
            p.zero_point[i], p.grid.lo, p.grid.hi);
  }
  return p;
}
inline QParams choose_qparams(const Range& range, const Grid& grid, const QParamsOptions& options = {}) {
  return choose_qparams(std::span<const Range>(&range, 1), grid, options);
}

/// The weight rule of stet: symmetric on a narrow grid, scale 1 for a channel of zeros.
/// Formula:   s = max(absmax / p, FLT_EPSILON), s = 1 where absmax = 0; z = 0
/// Errors:    Errc::range if the grid is not symmetric; otherwise as choose_qparams
inline QParams weight_qparams(std::span<const Range> ranges, const Granularity& granularity,
                              const Grid& grid = Grid::int8_narrow()) {
  require(grid.lo == -grid.hi, Errc::range, "weight_qparams: the grid must be symmetric, got {}..{}", grid.lo, grid.hi);
  return choose_qparams(ranges, grid, {.symmetric = true, .granularity = granularity, .zero_range_scale = 1.0f});
}
/// The same with the ranges taken from the weights.
inline QParams weight_qparams(const Tensor<float>& weights, const Granularity& granularity,
                              const Grid& grid = Grid::int8_narrow()) {
  return weight_qparams(min_max(weights, granularity), granularity, grid);
}

}  // namespace stet
