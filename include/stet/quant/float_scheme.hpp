#pragma once
// FloatScheme: codes that are small floating-point numbers, with or without a scale.

#include <stet/core/text.hpp>
#include <stet/quant/float_format.hpp>
#include <stet/quant/scheme.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

namespace stet {

/// Encode and decode of codes in a floating-point format; a base without state.
/// Formula:   math.md 81, 82: code = format(fl32(x / s)), y = fl32(s * value(code))
template <FloatFormat F>
struct FloatCodes {
  using Code = std::conditional_t<(F.bits() > 8), std::uint16_t, std::uint8_t>;

  /// Rounding:  half to even
  /// Gradient:  rounded_inclusive: what rounds to a number of the format, before overflow; raw_inclusive and
  ///            raw_exclusive: |x / s| <= and < its largest number
  /// Errors:    Errc::shape if sizes do not fit; Errc::range if a scale is not positive and finite
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask, std::span<Code> codes,
              std::span<std::uint32_t> pass) const {
    detail::check_encode("FloatCodes: encode", shape, p, x.size(), codes.size(), pass.size());
    check_scales("FloatCodes: encode", p);
    const float largest = max_value<F>();
    detail::with_mask(mask, [&](auto policy) {
      detail::encode_loop(x, shape, p, codes, pass, [=](float in, const detail::CodeRule<float>& r, Code& code) {
        const float v = in / r.scale;
        const std::uint32_t unbounded = detail::unbounded_float_code<F>(v);
        code = static_cast<Code>(detail::bounded_float_code<F>(v, unbounded));
        const float magnitude = std::abs(v);
        if constexpr (decltype(policy)::value == ClipMask::rounded_inclusive) {
          return static_cast<std::uint8_t>(unbounded <= F.max_code());
        } else if constexpr (decltype(policy)::value == ClipMask::raw_inclusive) {
          return static_cast<std::uint8_t>(magnitude <= largest);
        } else {
          return static_cast<std::uint8_t>(magnitude < largest);
        }
      });
    });
  }
  /// Errors:    as encode
  void decode(std::span<const Code> codes, const Shape& shape, const QParams& p, std::span<float> y) const {
    detail::check_decode("FloatCodes: decode", shape, p, codes.size(), y.size());
    check_scales("FloatCodes: decode", p);
    detail::decode_loop(codes, shape, p, y, [](Code code, const detail::CodeRule<float>& r) {
      return from_float_code<F>(code) * r.scale;
    });
  }

 private:
  static void check_scales(const char* op, const QParams& p) {
    for (const float s : p.scale) {
      require(s > 0.0f && std::isfinite(s), Errc::range, "{}: scale {} must be positive and finite", op, s);
    }
  }
};

/// Values in a floating-point format. Float simulation only: the values are not equidistant, so it is no AffineScheme.
/// QParams::grid and zero_point mean nothing here; an estimator that reads them needs an affine scheme.
/// Formula:   math.md 81, 82: the scale is 1, so that y is x rounded to the format; or, if scaled, it maps the largest
///            magnitude of each tensor, channel or group to the largest number: s = max(fl32(max|x| / largest),
///            2^-100), 1 for zeros
/// Rounding:  half to even
/// Errors:    Errc::range if a range is not finite; otherwise as FloatCodes
/// Source:    FloatFormat; scaled FP8: Micikevicius 2022, arXiv 2209.05433, section 3
template <FloatFormat F>
struct FloatScheme : FloatCodes<F> {
  bool scaled = false;
  Granularity sharing{};

  /// Scale 1.
  FloatScheme() = default;
  /// Scales chosen from ranges, shared as said.
  explicit FloatScheme(const Granularity& granularity) : scaled(true), sharing(granularity) {}

  [[nodiscard]] std::string name() const {
    return formatted("float e{}m{}{}", F.exponent_bits, F.mantissa_bits, scaled ? ", scaled" : "");
  }
  [[nodiscard]] std::string describe() const { return "float " + F.describe() + (scaled ? ", scaled" : ""); }
  [[nodiscard]] Granularity granularity() const { return sharing; }
  [[nodiscard]] QParams qparams(std::span<const Range> ranges) const {
    QParams p{Grid{}, sharing, std::vector<float>(ranges.size(), 1.0f), std::vector<std::int32_t>(ranges.size())};
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      require(ranges[i].finite(), Errc::range, "FloatScheme: range {}..{} must be finite", ranges[i].lo, ranges[i].hi);
      const float most = ranges[i].absmax();
      if (!scaled || !(most > 0.0f)) continue;
      const float scale = most / max_value<F>();
      p.scale[i] = scale > 0x1p-100f ? scale : 0x1p-100f;
    }
    return p;
  }
};

using Float16 = FloatScheme<FloatFormat::float16()>;
using BFloat16 = FloatScheme<FloatFormat::bfloat16()>;
using Fp8E4M3 = FloatScheme<FloatFormat::fp8_e4m3()>;
using Fp8E5M2 = FloatScheme<FloatFormat::fp8_e5m2()>;

}  // namespace stet
