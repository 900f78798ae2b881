#pragma once
// Requantizer: what turns the accumulators of one layer into codes, its multipliers formed exactly as the target does.

#include <stet/core/rounding.hpp>
#include <stet/integer/clamp.hpp>
#include <stet/integer/multiplier.hpp>
#include <stet/integer/target.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

namespace stet::integer {

/// Everything that turns accumulators of one layer into codes, resolved. Made by make_requantizer.
/// Entries repeat after `channels`, up to lcm(channels, 32), so that rows can be processed without a seam.
struct Requantizer {
  Requantization rule = Requantization::double_rounding;
  std::int64_t channels = 0;
  std::int32_t zero_point = 0;
  Bounds bounds{};
  bool relu = false;                     ///< whether pass bits ask for acc + bias > 0
  std::vector<std::int32_t> bias;        ///< in steps of s_x*s_w[c]
  std::vector<float> scale;              ///< of float_half_even
  std::vector<double> factor;            ///< of half_away_double
  std::vector<std::int32_t> multiplier;  ///< of double_rounding
  std::vector<std::int32_t> shift;       ///< of double_rounding
};

/// Forms the multipliers of a layer exactly as the rule does.
/// Formula:   integer and double rules: m = (double)s_in*s_w[c]/s_out; float rule: m = (s_in*s_w[c])/s_out in float
/// Shapes:    s_w one scale, or one per channel; bias one code per channel
/// Units:     scales real per step; bias in steps of s_in*s_w[c]; z_out, bounds in steps
/// Errors:    Errc::shape if s_w is neither one scale nor one per channel; Errc::range if a scale is not positive and
///            finite, z_out or the bounds lie outside int8, or the bounds are empty; Errc::unsupported if a multiplier
///            is 256 or more (XNNPACK refuses to load the model)
/// Source:    LiteRT kernels/kernel_util.cc, PopulateConvolutionQuantizationParams;
///            XNNPACK operators/convolution-nhwc.c
inline Requantizer make_requantizer(Requantization rule, float s_in, std::span<const float> s_w, float s_out,
                                    std::int32_t z_out, std::span<const std::int32_t> bias, std::int32_t lo,
                                    std::int32_t hi, bool relu) {
  const std::size_t channels = bias.size();
  require(channels > 0 && (s_w.size() == 1 || s_w.size() == channels), Errc::shape,
          "make_requantizer: {} channels need 1 or {} weight scales, got {}", channels, channels, s_w.size());
  const auto positive = [](float s) { return std::isfinite(s) && s > 0.0f; };
  require(positive(s_in) && positive(s_out), Errc::range,
          "make_requantizer: input scale {} and output scale {} must be positive and finite", s_in, s_out);
  require(z_out >= -128 && z_out <= 127, Errc::range, "make_requantizer: zero point {} lies outside int8", z_out);
  require(-128 <= lo && lo <= hi && hi <= 127, Errc::range, "make_requantizer: bounds {}..{} are not a range of int8",
          lo, hi);
  Requantizer r{rule, static_cast<std::int64_t>(channels), z_out, {lo, hi}, relu, {}, {}, {}, {}, {}};
  const std::size_t period = std::lcm(channels, std::size_t{32});
  r.bias.resize(period);
  for (std::size_t i = 0; i < period; ++i) r.bias[i] = bias[i % channels];
  for (std::size_t i = 0; i < period; ++i) {
    const float w = s_w.size() == 1 ? s_w[0] : s_w[i % channels];
    require(positive(w), Errc::range, "make_requantizer: weight scale {} is {}, must be positive and finite",
            i % channels, w);
    const float product = rounded_product(s_in, w);
    const float single = product / s_out;
    const double wide = static_cast<double>(s_in) * static_cast<double>(w) / static_cast<double>(s_out);
    require(std::isfinite(single) && wide < 256.0 && single < 256.0f, Errc::unsupported,
            "make_requantizer: channel {} has multiplier {}, must be below 256; raise the output scale", i % channels,
            wide);
    switch (rule) {
      case Requantization::float_half_even:
        r.scale.push_back(single);
        break;
      case Requantization::half_away_double:
        r.factor.push_back(wide);
        break;
      case Requantization::double_rounding: {
        const QuantizedMultiplier m = quantize_multiplier(wide);
        r.multiplier.push_back(m.multiplier);
        r.shift.push_back(m.shift);
        break;
      }
    }
  }
  return r;
}

/// Checks that no input can overflow the accumulators of a layer.
/// Formula:   B = max(hi-z, z-lo)*sum|w| + |bias|; B * 2^max(shift, 0) < 2^31 per channel
/// Shapes:    weight_magnitudes: sum of |codes| per channel
/// Errors:    Errc::shape if the numbers of channels differ; Errc::range if B is too large, naming the channel
inline void check_accumulators(const char* op, std::span<const std::int64_t> weight_magnitudes, std::int32_t z_in,
                               Bounds input, const Requantizer& r) {
  require(static_cast<std::int64_t>(weight_magnitudes.size()) == r.channels, Errc::shape,
          "{}: weights have {} outputs, requantization has {}", op, weight_magnitudes.size(), r.channels);
  const std::int64_t reach = std::max(input.hi - z_in, z_in - input.lo);
  for (std::size_t c = 0; c < weight_magnitudes.size(); ++c) {
    const std::int64_t bound = reach * weight_magnitudes[c] + std::abs(std::int64_t{r.bias[c]});
    const int left = r.shift.empty() ? 0 : std::max(r.shift[c], 0);
    require(bound < (std::int64_t{1} << 31) >> left, Errc::range,
            "{}: accumulators of channel {} may reach {} with a left shift of {}, which does not fit int32", op, c,
            bound, left);
  }
}

}  // namespace stet::integer
