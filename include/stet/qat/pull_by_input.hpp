#pragma once
// The loop that estimators which look at the quantizer's input share.

#include <stet/qat/estimator.hpp>
#include <stet/quant/code_loop.hpp>

#include <cstdint>

namespace stet::detail {

/// dx = factor(x, dy, rule) * dy, the rule being that of the element's scale. The factor must be finite for any x.
/// A factor that calls functions such as exp says vectorizes = false.
/// Errors:    Errc::shape if x was not kept or is of another shape
template <bool vectorizes = true, class Factor>
Pulled pull_by_input(const char* op, const Tensor<float>& dy, const Kept& kept, const QParams& p, Factor factor) {
  require(kept.x.shape() == dy.shape(), Errc::shape, "{}: gradient {} needs the input it belongs to, got {}", op,
          dy.shape(), kept.x.shape());
  check_codes(op, dy.shape(), p, static_cast<std::size_t>(dy.size()), static_cast<std::size_t>(dy.size()));
  Pulled pulled{Tensor<float>(dy.shape())};
  float* dx = pulled.dx.edit().data();
  const float* x = kept.x.data();
  const float* g = dy.data();
  code_loop<float>(dy.shape(), p, [=](std::int64_t first, std::int64_t count, auto rules) {
    const float* in = x + first;
    const float* from = g + first;
    float* to = dx + first;
    const auto one = [=](std::int64_t i) {
      const CodeRule<float> r = rules(i);
      to[i] = from[i] * factor(in[i], from[i], r);
    };
    if constexpr (vectorizes) {
      lanes(count, one);
    } else {
      for (std::int64_t i = 0; i < count; ++i) one(i);
    }
  });
  return pulled;
}

/// Whether x lies in the range of the grid, ends included; NaN does not.
[[gnu::always_inline]] inline bool in_range(float x, const CodeRule<float>& r) {
  return passes<ClipMask::raw_inclusive>(x, 0.0f, r);
}

/// Scale and ends of one scale of parameters, in double, for surrogates.
struct SurrogateRange {
  double scale, lo, hi;  // lo, hi in steps from the zero point
  SurrogateRange(const QParams& p, std::size_t i)
      : scale(static_cast<double>(p.scale[i])),
        lo(static_cast<double>(p.grid.lo - p.zero_point[i])),
        hi(static_cast<double>(p.grid.hi - p.zero_point[i])) {}
  [[nodiscard]] double clamp(double steps) const { return steps < lo ? lo : steps > hi ? hi : steps; }
};

}  // namespace stet::detail
