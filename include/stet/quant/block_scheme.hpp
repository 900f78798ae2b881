#pragma once
// Block scales: microscaling (MX) formats, in which 32 neighbours share a power of two.

#include <stet/core/text.hpp>
#include <stet/quant/float_scheme.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

namespace stet {

/// Neighbours along the last axis that share a scale in MX formats.
inline constexpr std::int64_t mx_block = 32;

namespace detail {

/// One power of two per block, such that its largest magnitude has the exponent of the largest element.
/// Formula:   math.md 83: e = clamp(floor(log2 max|x|) - element_exponent, lowest, 127), 0 for a block of zeros
inline QParams mx_qparams(std::span<const Range> ranges, int element_exponent, int lowest, int unit_exponent,
                          const Grid& grid) {
  QParams p{grid, Granularity::per_group(mx_block), std::vector<float>(ranges.size()),
            std::vector<std::int32_t>(ranges.size())};
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    require(ranges[i].finite(), Errc::range, "mx: range {}..{} must be finite", ranges[i].lo, ranges[i].hi);
    const float most = ranges[i].absmax();
    int e = most > 0.0f ? std::ilogb(most) - element_exponent : 0;
    e = e < lowest ? lowest : e > 127 ? 127 : e;
    p.scale[i] = std::ldexp(1.0f, e + unit_exponent);
  }
  return p;
}

}  // namespace detail

/// Microscaling with floating-point elements: 32 neighbours along the last axis share an 8-bit power of two (E8M0).
/// Float simulation only. QParams::scale holds the power of two; grid and zero_point mean nothing.
/// Formula:   math.md 83, 84: X = 2^(floor(log2 max|x|) - element exponent), within 2^-127 .. 2^127;
///            code = format(x / X)
/// Shapes:    the last dimension must be a multiple of 32 (no padding)
/// Rounding:  half to even; what is too large saturates
/// Errors:    Errc::shape if 32 does not divide the last dimension; Errc::range if a range is not finite
/// Source:    OCP Microscaling Formats (MX) 1.0, section 6.3; Rouhani 2023, arXiv 2310.10537
template <FloatFormat F>
struct MxFloat : FloatCodes<F> {
  [[nodiscard]] static std::string name() { return formatted("MX e{}m{}", F.exponent_bits, F.mantissa_bits); }
  [[nodiscard]] static std::string describe() { return "MX " + F.describe(); }
  [[nodiscard]] Granularity granularity() const { return Granularity::per_group(mx_block); }
  [[nodiscard]] QParams qparams(std::span<const Range> ranges) const {
    return detail::mx_qparams(ranges, F.max_exponent(), -127, 0, Grid{});
  }
};

using MxFp8E4M3 = MxFloat<FloatFormat::fp8_e4m3()>;
using MxFp8E5M2 = MxFloat<FloatFormat::fp8_e5m2()>;
using MxFp6E2M3 = MxFloat<FloatFormat::fp6_e2m3()>;
using MxFp6E3M2 = MxFloat<FloatFormat::fp6_e3m2()>;
using MxFp4E2M1 = MxFloat<FloatFormat::fp4_e2m1()>;

/// Microscaling with 8-bit integer elements in units of 1/64: affine with one power-of-two scale s = X / 64 per block,
/// but no integer engine here has scales per block.
/// Formula:   math.md 83, 84: X = 2^floor(log2 max|x|), within 2^-120 .. 2^127; code = clamp(rne(64 x / X), -127, 127),
///            without -128, as the format permits
/// Shapes:    the last dimension must be a multiple of 32 (no padding)
/// Rounding:  half to even
/// Errors:    as MxFloat
/// Source:    as MxFloat
struct MxInt8 : AffineCodes<> {
  [[nodiscard]] static std::string name() { return "MX int8"; }
  [[nodiscard]] Grid grid() const { return Grid::int8_narrow(); }
  [[nodiscard]] Granularity granularity() const { return Granularity::per_group(mx_block); }
  [[nodiscard]] QParams qparams(std::span<const Range> ranges) const {
    return detail::mx_qparams(ranges, 0, -120, -6, grid());
  }
};

}  // namespace stet
