#pragma once
// AdditivePowersOfTwo: levels that are sums of a few powers of two, dense near 0.

#include <stet/core/text.hpp>
#include <stet/quant/scheme.hpp>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace stet {

/// Weights (with sign) or activations (without), 2 to 8 bits, any granularity. Float simulation only: the levels are
/// not equidistant, so it is no AffineScheme. A code is the number of its level, negative for negative values.
/// Formula:   math.md 78, 79: level(code) integer, y = s * level(code), s = max|x| / largest level (at least
///            FLT_EPSILON; 1 if there is nothing to scale). NaN gives the lowest code
/// Rounding:  to the nearest level of x / s, half to the even code
/// Gradient:  rounded_inclusive reaches half the last gap beyond the ends
/// Errors:    Errc::range if the bits are not 2 to 8, or a scale is not positive and finite; Errc::shape as scale_map,
///            or if sizes do not fit
/// Source:    Li 2020, Additive Powers-of-Two Quantization, arXiv 1909.13144, equations 5 and 6. Its normalization of
///            weights and its trained clipping are not part of the scheme
class AdditivePowersOfTwo {
 public:
  using Code = std::int16_t;

  explicit AdditivePowersOfTwo(int bits = 4, const Granularity& granularity = {}, bool is_signed = true)
      : bits_(bits), signed_(is_signed), sharing_(granularity) {
    require(bits >= 2 && bits <= 8, Errc::range, "AdditivePowersOfTwo: bits must be 2 to 8, got {}", bits);
    const int magnitude_bits = is_signed ? bits - 1 : bits;
    const int pairs = magnitude_bits / 2;
    const bool odd = magnitude_bits % 2 == 1;
    const int last = odd ? 3 * pairs + 1 : 3 * pairs;  // exponent of the finest term
    const auto term = [last](int exponent) { return std::int32_t{1} << (last - exponent); };
    levels_ = {0};
    const auto add = [this](std::initializer_list<std::int32_t> terms) {
      const std::vector<std::int32_t> before = levels_;
      for (const std::int32_t t : terms) {
        for (const std::int32_t level : before) levels_.push_back(level + t);
      }
    };
    // Term i of n takes every n-th exponent; with an odd number of bits one exponent goes to a term of its own.
    for (int i = 1; i <= pairs; ++i) add({term(i), term(pairs + i), term(2 * pairs + i + (odd ? 1 : 0))});
    if (odd) add({term(2 * pairs + 1)});
    std::sort(levels_.begin(), levels_.end());
    // In half units every middle between levels is an integer k; there, and between k and k + 1, the code is one.
    const std::int32_t top = levels_.back();
    codes_.reserve(static_cast<std::size_t>(4 * top + 2));
    for (std::int32_t k = 0, j = 0; k <= 2 * top; ++k) {
      const auto middle = [this](std::int32_t i) {
        const auto at = static_cast<std::size_t>(i);
        return at + 1 < levels_.size() ? levels_[at] + levels_[at + 1] : std::numeric_limits<std::int32_t>::max();
      };
      const bool tie = middle(j) == k;
      codes_.push_back(static_cast<Code>(tie && j % 2 == 1 ? j + 1 : j));
      if (tie) ++j;
      codes_.push_back(static_cast<Code>(j));
    }
    for (auto level = levels_.rbegin(); signed_ && level + 1 != levels_.rend(); ++level) {
      values_.push_back(static_cast<float>(-*level));
    }
    for (const std::int32_t level : levels_) values_.push_back(static_cast<float>(level));
  }

  [[nodiscard]] int bits() const { return bits_; }
  [[nodiscard]] bool is_signed() const { return signed_; }
  [[nodiscard]] std::string name() const { return formatted("additive powers of two, {} bits", bits_); }
  [[nodiscard]] std::string describe() const { return name() + (signed_ ? ", signed" : ", unsigned"); }
  [[nodiscard]] Granularity granularity() const { return sharing_; }
  /// The levels that are not negative, ascending, in units of the scale; code i >= 0 stands for the i-th.
  [[nodiscard]] const std::vector<std::int32_t>& levels() const { return levels_; }

  [[nodiscard]] QParams qparams(std::span<const Range> ranges) const {
    QParams p{{signed_ ? -levels_.back() : 0, levels_.back()}, sharing_, {}, std::vector<std::int32_t>(ranges.size())};
    p.scale.clear();
    for (const Range& r : ranges) {
      require(r.finite() && r.lo <= r.hi, Errc::range,
              "AdditivePowersOfTwo: range {}..{} must be finite and ordered", r.lo, r.hi);
      const float clip = signed_ ? r.absmax() : r.hi;
      const float scale = clip / static_cast<float>(levels_.back());
      p.scale.push_back(clip <= 0.0f ? 1.0f : scale > FLT_EPSILON ? scale : FLT_EPSILON);
    }
    return p;
  }
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask, std::span<Code> codes,
              std::span<std::uint32_t> pass) const {
    detail::check_encode("AdditivePowersOfTwo: encode", shape, p, x.size(), codes.size(), pass.size());
    check("AdditivePowersOfTwo: encode", p, shape);
    const auto top = static_cast<float>(levels_.back());
    const float beyond = (top - static_cast<float>(levels_[levels_.size() - 2])) / 2.0f;
    const float first = static_cast<float>(levels_[1]) / 2.0f;
    const float below = signed_ ? top + beyond : std::nextafter(first, top);  // a tie with 0 is 0, and inside
    const auto element = [=, this](float value, const detail::CodeRule<float>& r, Code& code) {
      const float v = value / r.scale;
      code = nearest(v);
      const float end = v < 0.0f && !signed_ ? 0.0f : top;
      switch (mask) {
        case ClipMask::rounded_inclusive: return static_cast<std::uint8_t>(v < top + beyond && -v < below);
        case ClipMask::raw_inclusive: return static_cast<std::uint8_t>(std::abs(v) <= end);
        case ClipMask::raw_exclusive: return static_cast<std::uint8_t>(std::abs(v) < end && (signed_ || v > 0.0f));
      }
      return std::uint8_t{0};
    };
    detail::encode_loop<Code, detail::ElementRule::table>(x, shape, p, codes, pass, element);
  }
  void decode(std::span<const Code> codes, const Shape& shape, const QParams& p, std::span<float> y) const {
    detail::check_decode("AdditivePowersOfTwo: decode", shape, p, codes.size(), y.size());
    check("AdditivePowersOfTwo: decode", p, shape);
    const auto count = static_cast<int>(levels_.size());
    for (const Code code : codes) {
      require(code < count && code > (signed_ ? -count : -1), Errc::range,
              "AdditivePowersOfTwo: decode: code {} is none of {} levels", code, count);
    }
    const float* zero = values_.data() + (signed_ ? count - 1 : 0);
    const auto value = [zero](Code code, const detail::CodeRule<float>& r) { return zero[code] * r.scale; };
    detail::decode_loop<Code, detail::ElementRule::table>(codes, shape, p, y, value);
  }

 private:
  // Number of the level nearest to v, with its sign; half to even.
  [[nodiscard]] Code nearest(float v) const {
    if (!signed_) v = v > 0.0f ? v : 0.0f;
    const float end = static_cast<float>(2 * levels_.back());
    float halves = 2.0f * std::abs(v);
    halves = halves < end ? halves : end;
    const auto whole = static_cast<std::int32_t>(halves);
    const std::int32_t at = 2 * whole + static_cast<std::int32_t>(halves > static_cast<float>(whole));
    const std::int32_t code = codes_[static_cast<std::size_t>(at)];
    const std::int32_t sign = 1 - 2 * static_cast<std::int32_t>(!(v >= 0.0f));
    return static_cast<Code>(sign * code);
  }

  int bits_;
  bool signed_;
  Granularity sharing_;
  std::vector<std::int32_t> levels_;
  std::vector<Code> codes_;    // of magnitudes: at 2k what is k half units, at 2k + 1 what lies between k and k + 1
  std::vector<float> values_;  // of codes, from the lowest on, in units of the scale
};

}  // namespace stet
