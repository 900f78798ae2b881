#pragma once
// Binary: weights -1 and 1 times a scale.

#include <stet/quant/mean_magnitude.hpp>
#include <stet/quant/scheme.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

namespace stet {

/// Weights: codes -1 and 1 times the mean magnitude, any granularity. 0 is not representable, so it is no AffineScheme,
/// but codes and scale are what the integer engine multiplies with.
/// Formula:   math.md 77: s = mean|w|, code = 1 where w >= 0, else -1, y = code * s; s = 0 if all are 0. NaN gives -1
/// Gradient:  masks: raw_inclusive |w| <= s; raw_exclusive |w| < s; rounded_inclusive |w| <= 2s, half the distance of
///            the codes beyond. The papers pass the gradient where |w| <= 1 whatever s is
/// Errors:    Errc::state if there are no values; Errc::range if one is NaN or infinite, or a scale is negative or not
///            finite; Errc::shape as scale_map, or if sizes do not fit
/// Source:    Rastegari 2016, XNOR-Net, arXiv 1603.05279
struct Binary {
  static constexpr bool has_zero = false;
  Granularity sharing{};

  Binary() = default;
  explicit Binary(const Granularity& granularity) : sharing(granularity) {}
  [[nodiscard]] static std::string name() { return "binary"; }
  [[nodiscard]] Grid grid() const { return {-1, 1}; }
  [[nodiscard]] Granularity granularity() const { return sharing; }
  [[nodiscard]] QParams qparams(std::span<const float> x, const Shape& shape) const {
    static_cast<void>(min_max(x, shape, sharing));  // refuses what has no mean
    QParams p{grid(), sharing, {}, {}};
    p.scale.clear();
    for (const double mean : mean_magnitude(x, shape, sharing)) p.scale.push_back(static_cast<float>(mean));
    p.zero_point.assign(p.scale.size(), 0);
    return p;
  }
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask,
              std::span<std::int8_t> codes, std::span<std::uint32_t> pass) const {
    detail::check_encode("Binary: encode", shape, p, x.size(), codes.size(), pass.size());
    check_scales("Binary: encode", p);
    const float steps = mask == ClipMask::rounded_inclusive ? 2.0f : 1.0f;
    const int ends = mask == ClipMask::raw_exclusive ? 0 : 1;
    detail::encode_loop(x, shape, p, codes, pass, [=](float v, const detail::CodeRule<float>& r, std::int8_t& code) {
      const float magnitude = std::abs(v), end = steps * r.scale;
      code = static_cast<std::int8_t>(v >= 0.0f ? 1 : -1);
      return static_cast<std::uint8_t>(static_cast<int>(magnitude < end) | (static_cast<int>(magnitude == end) & ends));
    });
  }
  void decode(std::span<const std::int8_t> codes, const Shape& shape, const QParams& p, std::span<float> y) const {
    detail::check_decode("Binary: decode", shape, p, codes.size(), y.size());
    check_scales("Binary: decode", p);
    detail::decode_loop(codes, shape, p, y, [](std::int8_t code, const detail::CodeRule<float>& r) {
      return static_cast<float>(code) * r.scale;
    });
  }

 private:
  static void check_scales(const char* op, const QParams& p) {
    for (const float s : p.scale) {
      require(s >= 0.0f && std::isfinite(s), Errc::range, "{}: scale {} must be finite and not negative", op, s);
    }
  }
};

}  // namespace stet
