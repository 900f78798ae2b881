#pragma once
// The other routine of PyTorch from ranges to scales and zero points: that of its fused observer and fake quantizer.

#include <stet/core/rounding.hpp>
#include <stet/quant/qparams.hpp>
#include <stet/quant/range.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace stet {

/// How choose_qparams_fused makes scale and zero point from a range.
struct FusedQParamsOptions {
  bool symmetric = false;     ///< the zero point is the middle of the grid, where the range has both signs
  Granularity granularity{};  ///< which elements the ranges belong to; copied into the result
};

namespace detail {

/// Scales below this are raised to it.
inline constexpr float smallest_fused_scale = 6.1e-5f;

// Both ends of the range as the scale will mean them, rounded to float as the routine stores them.
inline Range symmetric_ends(const Range& r, const Grid& grid) {
  const std::int32_t half = (grid.hi - grid.lo) / 2;
  const float below = r.lo / static_cast<float>(-(half + 1));
  const float above = r.hi / static_cast<float>(half);
  const double step = static_cast<double>(below > above ? below : above);
  return {static_cast<float>(step * -(half + 1)), static_cast<float>(step * half)};
}

inline void choose_one_fused(const Range& range, const Grid& grid, bool symmetric, float& scale,
                             std::int32_t& zero_point) {
  require(range.finite() && range.lo <= range.hi, Errc::range,
          "choose_qparams_fused: range {}..{} must be finite and ordered", range.lo, range.hi);
  const bool middle = symmetric && range.lo < 0.0f && range.hi > 0.0f;
  const Range ends = middle ? symmetric_ends(range, grid) : range;
  auto [lo, hi] = ends.with_zero();
  const std::int32_t steps = grid.hi - grid.lo;
  scale = static_cast<float>((static_cast<double>(hi) - static_cast<double>(lo)) / steps);
  require(std::isfinite(scale), Errc::range, "choose_qparams_fused: the width of range {}..{} exceeds float", range.lo,
          range.hi);
  if (scale == 0.0f || std::isinf(1.0f / scale)) scale = 0.1f;
  if (scale < smallest_fused_scale) {
    const float stretch = smallest_fused_scale / scale;
    scale = smallest_fused_scale;
    if (lo == 0.0f) {
      hi = scale * static_cast<float>(steps);
    } else if (hi == 0.0f) {
      lo = -scale * static_cast<float>(steps);
    } else {
      lo *= stretch;
      hi *= stretch;
    }
  }
  const double s = static_cast<double>(scale);
  const double from_lo = grid.lo - static_cast<double>(lo) / s;
  const double from_hi = grid.hi - static_cast<double>(hi) / s;
  const double error_lo = std::abs(static_cast<double>(grid.lo)) + std::abs(static_cast<double>(lo) / s);
  const double error_hi = std::abs(static_cast<double>(grid.hi)) + std::abs(static_cast<double>(hi) / s);
  double z = error_lo < error_hi ? from_lo : from_hi;
  if (middle) z = (static_cast<double>(grid.lo) + grid.hi) / 2;
  zero_point = z < grid.lo   ? grid.lo
               : z > grid.hi ? grid.hi
                             : static_cast<std::int32_t>(round_half_even(z));
}

}  // namespace detail

/// Chooses scale and zero point for each range as PyTorch's fused moving-average operator does. Not the routine of its
/// observers (choose_qparams): affine scales may differ in the last bit, zero points by one; the symmetric divisor is h
/// or h + 1, not (p - n) / 2.
/// Formula:   math.md 70, 71: s = fl32((hi' - lo') / (p - n)) in double, at least 6.1e-5; z from the end of the range
///            with the smaller |n| + |lo'/s| or |p| + |hi'/s|; symmetric: lo' and hi' are -(h+1) and h steps of one
///            size, h = (p - n) / 2 rounded down, z = rne((n + p) / 2), but only where lo < 0 < hi, else affine
/// Shapes:    one range per scale of options.granularity
/// Units:     ranges real; scale real per step; zero point in steps
/// Rounding:  half to even
/// Errors:    Errc::range if a range is not finite and ordered, or too wide for float; Errc::state if there are no
///            ranges; Errc::shape if there is more than one per tensor
/// Source:    PyTorch 2.13, ChooseQuantizationParams in aten/src/ATen/native/quantized/cpu/QuantUtils.h (golden set
///            fused_moving_average)
inline QParams choose_qparams_fused(std::span<const Range> ranges, const Grid& grid,
                                    const FusedQParamsOptions& options = {}) {
  require(!ranges.empty(), Errc::state, "choose_qparams_fused: no ranges; observe values first");
  require(options.granularity.kind != Granularity::Kind::per_tensor || ranges.size() == 1, Errc::shape,
          "choose_qparams_fused: per tensor needs 1 range, got {}", ranges.size());
  QParams p{grid, options.granularity, std::vector<float>(ranges.size()), std::vector<std::int32_t>(ranges.size())};
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    detail::choose_one_fused(ranges[i], grid, options.symmetric, p.scale[i], p.zero_point[i]);
  }
  return p;
}
inline QParams choose_qparams_fused(const Range& range, const Grid& grid, const FusedQParamsOptions& options = {}) {
  return choose_qparams_fused(std::span<const Range>(&range, 1), grid, options);
}

}  // namespace stet
