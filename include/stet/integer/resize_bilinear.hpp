#pragma once
// Bilinear interpolation of codes, by the rule of each target.

#include <stet/core/interpolation.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/rounding.hpp>
#include <stet/integer/codes.hpp>
#include <stet/integer/target.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace stet::integer {

/// An output of an axis between two codes: (lo*(2^bits - weight) + hi*weight) / 2^bits.
struct FixedPosition {
  std::int32_t lo = 0, hi = 0, weight = 0;
};

/// How rows and columns are interpolated: weights of so many bits, and one rounding of the sum of the four products.
struct ResizeParameters {
  ResizeRule rule = ResizeRule::fixed_10_half_away;
  std::vector<FixedPosition> rows{}, columns{};
};

/// Bits behind the point of an axis's weights.
constexpr int weight_bits(ResizeRule rule) {
  return rule == ResizeRule::fixed_10_half_away ? 10 : rule == ResizeRule::float_11_half_up ? 11 : 8;
}

/// The distance of two outputs on an axis, and the place of the first, in 2^-10 of a sample.
/// Rounding:  the distance to the nearest, half up
/// Source:    LiteRT reference/resize_bilinear.h
struct FixedSteps {
  std::int64_t step = 0, first = 0;
  FixedSteps(std::int64_t in, std::int64_t out, Coordinates c) : step((1024 * in + out / 2) / out) {
    if (c == Coordinates::align_corners && out > 1) step = (1024 * (in - 1) + (out - 1) / 2) / (out - 1);
    if (c == Coordinates::half_pixel) first = step / 2 - 512;
  }
};

namespace detail {

// The distance is rounded before it is multiplied, so positions of many outputs drift; behind the last sample the
// reference kernel would read other memory.
inline std::vector<FixedPosition> positions_of_10_bits(std::int64_t in, std::int64_t out, Coordinates c) {
  const FixedSteps steps(in, out, c);
  std::vector<FixedPosition> positions;
  for (std::int64_t i = 0; i < out; ++i) {
    const std::int64_t place = std::max<std::int64_t>(steps.first + i * steps.step, 0), lo = place / 1024;
    require(lo < in, Errc::unsupported, "resize_bilinear: {} samples to {}: rounded positions lie behind the last sample", in, out);
    const std::int64_t hi = std::min((place + 1023) / 1024, in - 1);
    positions.push_back(
        {static_cast<std::int32_t>(lo), static_cast<std::int32_t>(hi), static_cast<std::int32_t>(hi == lo ? 0 : place % 1024)});
  }
  return positions;
}

// Single operations in float, none of which may be contracted.
inline std::vector<FixedPosition> positions_of_11_bits(std::int64_t in, std::int64_t out, Coordinates c) {
  const std::int64_t cut = c == Coordinates::align_corners && out > 1 ? 1 : 0;
  const float step = static_cast<float>(in - cut) / static_cast<float>(out - cut), last = static_cast<float>(in - 1);
  const float first = c == Coordinates::half_pixel ? rounded_product(0.5f, step) - 0.5f : 0.0f;
  std::vector<FixedPosition> positions;
  for (std::int64_t i = 0; i < out; ++i) {
    float place = rounded_product(static_cast<float>(i), step);
    if (c == Coordinates::half_pixel) place = std::clamp(place + first, 0.0f, last);
    const auto lo = static_cast<std::int64_t>(place);
    const float weight = round_half_even((place - static_cast<float>(lo)) * 2048.0f);
    positions.push_back(
        {static_cast<std::int32_t>(lo), static_cast<std::int32_t>(std::min(lo + 1, in - 1)), static_cast<std::int32_t>(weight)});
  }
  return positions;
}

inline std::vector<FixedPosition> positions_of_8_bits(std::int64_t in, std::int64_t out, Coordinates c) {
  std::vector<FixedPosition> positions;
  for (const SamplePosition& p : sample_positions(in, out, c)) {
    const std::int64_t whole = 256 * p.rest / p.parts, left = 256 * p.rest % p.parts;
    const bool up = 2 * left > p.parts || (2 * left == p.parts && whole % 2 != 0);
    positions.push_back(
        {static_cast<std::int32_t>(p.lo), static_cast<std::int32_t>(p.hi), static_cast<std::int32_t>(whole + (up ? 1 : 0))});
  }
  return positions;
}

inline std::vector<FixedPosition> fixed_positions(ResizeRule rule, std::int64_t in, std::int64_t out, Coordinates c) {
  if (rule == ResizeRule::fixed_10_half_away) return positions_of_10_bits(in, out, c);
  if (rule == ResizeRule::float_11_half_up) return positions_of_11_bits(in, out, c);
  return positions_of_8_bits(in, out, c);
}

// A sum of products of weights of 2·bits bits, which are 2^(2·bits) in all, to a code between those it was made of.
constexpr std::int8_t rounded_sum(ResizeRule rule, std::int32_t sum, int bits) {
  const std::int32_t half = 1 << (2 * bits - 1);
  if (rule == ResizeRule::float_11_half_up) return static_cast<std::int8_t>((sum + half) >> (2 * bits));
  if (rule == ResizeRule::fixed_10_half_away) return static_cast<std::int8_t>((sum + (sum > 0 ? half : -half)) / (1 << (2 * bits)));
  const std::int32_t whole = sum >> (2 * bits);
  return static_cast<std::int8_t>((sum + half - 1 + (whole & 1)) >> (2 * bits));
}

template <ResizeRule rule>
void resize_bilinear(const Codes& x, const ResizeParameters& p, std::int8_t* y) {
  const Shape& s = x.shape();
  constexpr int bits = weight_bits(rule);
  constexpr std::int32_t one = 1 << bits;
  const std::int64_t c = s[3];
  for (std::int64_t n = 0; n < s[0]; ++n) {
    for (const FixedPosition& h : p.rows) {
      const std::int8_t* const upper = x.data() + (n * s[1] + h.lo) * s[2] * c;
      const std::int8_t* const lower = x.data() + (n * s[1] + h.hi) * s[2] * c;
      for (const FixedPosition& w : p.columns) {
        const std::int8_t *a = upper + w.lo * c, *b = upper + w.hi * c, *d = lower + w.lo * c, *e = lower + w.hi * c;
        const std::int32_t wa = (one - h.weight) * (one - w.weight), wb = (one - h.weight) * w.weight, wd = h.weight * (one - w.weight),
                           we = h.weight * w.weight;
        lanes(c, [=](std::int64_t i) { y[i] = rounded_sum(rule, wa * a[i] + wb * b[i] + wd * d[i] + we * e[i], bits); });
        y += c;
      }
    }
  }
}

}  // namespace detail

/// How a target resizes images of height [0] and width [1] to others.
/// Errors:    Errc::range as sample_positions; Errc::unsupported if the target's rounded positions lie behind the image
inline ResizeParameters make_resize(const Target& target, const Shape& image, std::int64_t height, std::int64_t width,
                                    Coordinates coordinates) {
  const auto positions = [&](std::int64_t in, std::int64_t out) {
    require(in >= 1 && in <= 65535 && out >= 1 && out <= 65535, Errc::range, "resize_bilinear: {} samples cannot be resized to {}", in,
            out);
    return detail::fixed_positions(target.resize, in, out, coordinates);
  };
  return {target.resize, positions(image[0], height), positions(image[1], width)};
}

/// Interpolates codes, whose scale and zero point stay.
/// Formula:   round(Σ weight_k q_k / 2^(2·bits)) over the four neighbours; |Σ| <= 2^29
/// Shapes:    x [N,H,W,C] -> out [N,rows,columns,C]
/// Rounding:  the rule's
/// Errors:    Errc::shape if x is no image or out has another size
inline void resize_bilinear(const Codes& x, const ResizeParameters& p, std::span<std::int8_t> out) {
  const Shape& s = x.shape();
  require(s.rank() == 4, Errc::shape, "resize_bilinear: expected [N,H,W,C], got {}", s);
  detail::require_size("resize_bilinear",
                       {s[0], static_cast<std::int64_t>(p.rows.size()), static_cast<std::int64_t>(p.columns.size()), s[3]}, out.size());
  for (const FixedPosition& h : p.rows) require(h.hi < s[1], Errc::shape, "resize_bilinear: {} has no row {}", s, h.hi);
  for (const FixedPosition& w : p.columns) require(w.hi < s[2], Errc::shape, "resize_bilinear: {} has no column {}", s, w.hi);
  if (p.rule == ResizeRule::fixed_10_half_away) return detail::resize_bilinear<ResizeRule::fixed_10_half_away>(x, p, out.data());
  if (p.rule == ResizeRule::float_11_half_up) return detail::resize_bilinear<ResizeRule::float_11_half_up>(x, p, out.data());
  detail::resize_bilinear<ResizeRule::exact_8_half_even>(x, p, out.data());
}

}  // namespace stet::integer
