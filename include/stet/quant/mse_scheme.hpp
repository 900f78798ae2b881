#pragma once
// MseIntN: symmetric weights whose scale has the least squared error.

#include <stet/quant/mse_range.hpp>
#include <stet/quant/scheme.hpp>

#include <span>
#include <string>

namespace stet {

/// Weights: 2 to 8 bits, symmetric narrow, any granularity, with the scale of the least mean squared error: values beyond
/// it are clipped. A search, so recipes keep what was found when the model was prepared.
/// Formula:   weight_qparams of mse_range
/// Errors:    Errc::range if the bits do not fit the codes; Errc::state if there are no values; Errc::range if one is NaN
///            or infinite; Errc::shape as scale_map
struct MseIntN : AffineCodes<> {
  static constexpr bool keeps_scale = true;
  int bits = 8;
  Granularity sharing{};

  explicit MseIntN(int bit_count, const Granularity& granularity = {}) : bits(bit_count), sharing(granularity) {
    require(bits <= 8, Errc::range, "MseIntN: {} bits do not fit codes of 8 bits", bits);
    static_cast<void>(Grid::narrow(bits));  // refuses fewer than 2
  }
  [[nodiscard]] std::string describe() const { return formatted("{} bits, least error", bits); }
  [[nodiscard]] Grid grid() const { return Grid::narrow(bits); }
  [[nodiscard]] Granularity granularity() const { return sharing; }
  [[nodiscard]] QParams qparams(std::span<const float> x, const Shape& shape) const {
    return weight_qparams(mse_range(x, shape, sharing, grid(), true), sharing, grid());
  }
};

}  // namespace stet
