#pragma once
// Int8 product in plain C++: the yardstick of the others, and the kernel where no other fits.

#include <stet/integer/kernel/packed.hpp>

#include <cstdint>

namespace stet::kernel::implementation::portable {

/// Accumulators of `a.count` rows with one panel of weights.
/// Formula:   acc[r*stride + j] = start[j] + sum over taps of operand * weight, j < columns <= 16
inline void panel_product(const Operands& a, const std::int8_t* panel, const std::int32_t* start, std::int32_t* acc,
                          std::int64_t stride, std::int64_t columns) {
  for (std::int64_t r = 0; r < a.count; ++r) {
    std::uint32_t sum[panel_outputs];  // modulo 2^32: only the final value needs to fit
    for (int j = 0; j < panel_outputs; ++j) sum[j] = static_cast<std::uint32_t>(start[j]);
    const std::int8_t* w = panel;
    for (std::int64_t s = 0; s < a.segments; ++s) {
      const std::uint8_t* x = a.rows[r] + a.offsets[s];
      for (std::int64_t g = 0; g < a.groups; ++g, x += group_taps, w += panel_outputs * group_taps) {
        for (int j = 0; j < panel_outputs; ++j) {
          const std::int8_t* v = w + j * group_taps;
          sum[j] += static_cast<std::uint32_t>(x[0] * v[0] + x[1] * v[1] + x[2] * v[2] + x[3] * v[3]);
        }
      }
    }
    for (std::int64_t j = 0; j < columns; ++j) acc[r * stride + j] = static_cast<std::int32_t>(sum[j]);
  }
}

/// Accumulators of all rows with all panels.
inline void product(const Operands& a, const PackedWeights& w, const std::int32_t* start, std::int32_t* acc,
                    std::int64_t stride) {
  for (std::int64_t p = 0; p < w.panels(); ++p) {
    const std::int64_t first = p * panel_outputs;
    const std::int64_t columns = w.outputs() - first < panel_outputs ? w.outputs() - first : panel_outputs;
    panel_product(a, w.panel(p), start + first, acc + first, stride, columns);
  }
}

}  // namespace stet::kernel::implementation::portable
