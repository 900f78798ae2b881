#pragma once
// Affine: what the codes of one activation mean. Weights have one scale per channel and QParams; an activation has this.

#include <stet/quant/qparams.hpp>

#include <cstdint>

namespace stet {

/// One scale, zero point and grid: real = scale * (code - zero_point).
/// Units:     scale real per step; zero_point in steps
struct Affine {
  float scale = 1.0f;
  std::int32_t zero_point = 0;
  Grid grid = Grid::int8();

  friend bool operator==(const Affine&, const Affine&) = default;
};

/// Errors:    Errc::shape if there is not one scale and zero point
inline Affine affine(const QParams& p) {
  require(p.scale.size() == 1 && p.zero_point.size() == 1, Errc::shape,
          "an activation has one scale and one zero point, not {} and {}", p.scale.size(), p.zero_point.size());
  return {p.scale[0], p.zero_point[0], p.grid};
}
inline QParams qparams(const Affine& a) { return QParams::per_tensor(a.scale, a.zero_point, a.grid); }

}  // namespace stet
