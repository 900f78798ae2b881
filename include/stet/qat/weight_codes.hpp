#pragma once
// Weight codes: how the weights of a layer become integers, once per step.

#include <stet/core/finite.hpp>
#include <stet/core/lanes.hpp>
#include <stet/core/rounding.hpp>
#include <stet/core/tensor.hpp>
#include <stet/integer/kernel/code_sums.hpp>
#include <stet/integer/kernel/packed.hpp>
#include <stet/qat/any_scheme.hpp>
#include <stet/quant/granularity.hpp>
#include <stet/quant/scale_channels.hpp>

#include <algorithm>
#include <cfloat>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <utility>
#include <vector>

namespace stet {

/// Weight codes of one step: one scale per output channel or one for all.
struct WeightCodes {
  Tensor<std::int8_t> codes{};
  std::vector<float> scale{};
};

/// Where the output channels of weights lie: along the leading axis, or the last one for depthwise weights.
inline ScaleMap channel_of(const Shape& weights, int axis) {
  return {weights.product(axis + 1, weights.rank()), weights[axis]};
}

/// A code at twice the scale, rounded half to even.
inline std::int8_t halved(std::int8_t code) {
  return static_cast<std::int8_t>(round_half_even(0.5 * static_cast<double>(code)));
}

/// Sum of absolute codes per output channel.
inline std::vector<std::int64_t> magnitudes(const Tensor<std::int8_t>& codes, const ScaleMap& channel) {
  std::vector<std::int64_t> sum(static_cast<std::size_t>(channel.count), 0);
  const std::int8_t* q = codes.data();
  channel.runs(codes.size(), [&](std::size_t c, std::int64_t first, std::int64_t last) {
    sum[c] += kernel::code_sums(q + first, last - first).magnitude;
  });
  return sum;
}

/// Which weights share a scale: a scheme sees weights with their output channels first, in a layer they lie along `axis`.
inline Granularity weight_granularity(const AnyScheme& scheme, int axis) {
  return scheme.per_channel() ? Granularity::per_channel(axis) : Granularity::per_tensor();
}

namespace detail {

// Elements between the layer's order and that of rows, one per output channel.
template <class T>
Tensor<T> reordered(const Tensor<T>& from, Tensor<T> to, const ScaleMap& channel, bool to_rows) {
  const std::int64_t each = from.size() / channel.count;
  const std::span<T> out = to.edit();
  for (std::int64_t i = 0; i < from.size(); ++i) {
    const std::int64_t row = i / (channel.inner * channel.count) * channel.inner + i % channel.inner;
    const std::int64_t k = channel.index(i) * each + row;
    out[static_cast<std::size_t>(to_rows ? k : i)] = from[to_rows ? i : k];
  }
  return to;
}

// Weights as a scheme sees them.
inline Tensor<float> scheme_view(const Tensor<float>& w, int axis, const AnyScheme& scheme) {
  if (axis == 0 || !scheme.per_channel()) return w;
  const ScaleMap channel = channel_of(w.shape(), axis);
  return reordered(w, Tensor<float>(Shape{channel.count, w.size() / channel.count}), channel, true);
}

// A scheme's parameters for weights that an integer layer can have: zero points are 0, and there is no scale of 0, which
// a scheme without a code for 0 would give weights that are all 0.
inline QParams integer_qparams(const Tensor<float>& rows, const AnyScheme& scheme) {
  QParams p = scheme.qparams(rows);
  for (float& s : p.scale) s = std::max(s, FLT_EPSILON);
  for (const std::int32_t z : p.zero_point) {
    if (z != 0) fail(Errc::unsupported, "weights of scheme {}: zero point {}; integer weights have 0", scheme.describe(), z);
  }
  return p;
}

// Codes times a factor that keeps those of the grid within int8.
inline void shift_codes(std::span<std::int8_t> codes, const Grid& grid, int factor, const AnyScheme& scheme) {
  const std::int8_t* q = codes.data();
  const auto n = static_cast<std::int64_t>(codes.size());
  const auto outside = [&](std::int64_t i) { return static_cast<std::int32_t>(q[i] < grid.lo) | static_cast<std::int32_t>(q[i] > grid.hi); };
  if (lanes_reduce(n, std::int32_t{0}, outside, [](std::int32_t a, std::int32_t b) { return a | b; }) != 0) {
    for (const std::int8_t code : codes) {
      if (!grid.contains(code)) fail(Errc::range, "weights of scheme {}: code {} lies outside its grid", scheme.describe(), static_cast<int>(code));
    }
  }
  if (factor == 1) return;
  std::int8_t* to = codes.data();
  lanes(n, [=](std::int64_t i) { to[i] = static_cast<std::int8_t>(to[i] * factor); });
}

// Halves codes and doubles their scale, per channel or for all that share one, until no product of them overflows.
inline void fit_product(WeightCodes& q, const ScaleMap& channel) {
  constexpr std::int64_t most = kernel::most_magnitude;
  if (q.codes.size() / channel.count * 127 <= most) return;
  const bool per_channel = q.scale.size() > 1;
  for (;;) {
    const std::vector<std::int64_t> sum = magnitudes(q.codes, channel);
    const bool any = std::any_of(sum.begin(), sum.end(), [](std::int64_t m) { return m > most; });
    if (!any) return;
    const auto codes = q.codes.edit();
    channel.runs(static_cast<std::int64_t>(codes.size()), [&](std::size_t c, std::int64_t first, std::int64_t last) {
      if (per_channel && sum[c] <= most) return;
      for (std::int8_t& code : codes.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first))) {
        code = halved(code);
      }
    });
    for (std::size_t c = 0; c < q.scale.size(); ++c) {
      if (!per_channel || sum[c] > most) q.scale[c] *= 2.0f;
    }
  }
}

}  // namespace detail

/// Why no integer kernel multiplies with weights of a scheme; empty if one does.
inline std::string weight_refusal(const AnyScheme& scheme) {
  const SchemeTraits& t = scheme.traits();
  if (!t.grid) return "its codes do not mean scale * code";
  if (!t.int8_codes || t.grid->lo < -127 || t.grid->hi > 127 || t.grid->hi < 1) {
    return formatted("its codes are not int8 within -127..127 ({}..{}{})", t.grid->lo, t.grid->hi,
                       t.int8_codes ? "" : ", in wider ones");
  }
  if (t.granularity.kind == Granularity::Kind::per_group || t.granularity.axis != 0) {
    return formatted("its scales are {}, those of integer weights per tensor or per channel of axis 0, the outputs",
                       describe(t.granularity));
  }
  for (const std::int32_t z : scheme.qparams(Tensor<float>({1, 2}, {-1.0f, 0.5f})).zero_point) {
    if (z != 0) return formatted("its zero point is {} for values from -1 to 0.5, that of integer weights 0", z);
  }
  return {};
}

/// Quantizes weights for one step.
/// Formula:   the scheme's codes with `scale`, or if that is empty with the scales that it chooses; per tensor with batch
///            norm: of k*w, with one scale (docs/math.md, equation 40).
///            Below 8 bits codes are stored times 2^t and the scale times 2^-t, t as large as int8 allows, so that the
///            bias, which is rounded to that scale, stays fine; codes are halved, and their scale doubled, until the sum
///            of their magnitudes is one that every kernel can add up (docs/math.md, equation 23)
/// Shapes:    w any, output channels along `axis`; k empty or [C]; scale empty or one per channel, or one
/// Units:     scale real per code before the shift by t
/// Rounding:  the scheme's
/// Errors:    Errc::range if a weight is not finite, a scale is invalid or a code outside the scheme's grid; Errc::shape
///            if the number of scales is wrong; Errc::unsupported if a zero point is not 0
inline WeightCodes quantize_weights(const Tensor<float>& w, int axis, const AnyScheme& scheme,
                                    std::span<const float> k = {}, std::span<const float> scale = {}) {
  const ScaleMap channel = channel_of(w.shape(), axis);
  Tensor<float> scaled = w;
  if (!k.empty()) scale_channels(scaled.edit(), channel, k);
  const Grid grid = scheme.traits().grid.value_or(Grid{});
  QParams p{grid, scheme.traits().granularity, {scale.begin(), scale.end()}, std::vector<std::int32_t>(scale.size(), 0)};
  const Tensor<float> rows = detail::scheme_view(scaled, axis, scheme);
  if (scale.empty()) {
    p = detail::integer_qparams(rows, scheme);  // asks for the range, which refuses what is not finite
  } else {
    if (!all_finite(rows.span())) detail::require_finite("quantize_weights", scan_range(rows.span()));
    stet::check("quantize_weights", p, rows.shape());
  }
  Tensor<std::int8_t> codes = scheme.codes(rows, p);
  const int top = std::max(-grid.lo, grid.hi);
  int factor = 1;
  while (2 * factor * top <= 127) factor *= 2;
  detail::shift_codes(codes.edit(), grid, factor, scheme);
  for (float& s : p.scale) s /= static_cast<float>(factor);
  if (codes.shape() != w.shape()) codes = detail::reordered(codes, Tensor<std::int8_t>(w.shape()), channel, false);
  WeightCodes result{std::move(codes), std::move(p.scale)};
  detail::fit_product(result, channel);
  return result;
}

}  // namespace stet
