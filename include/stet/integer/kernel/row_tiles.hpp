#pragma once
// Walks over panels of weights and tiles of rows: what the kernels of several instruction sets do alike.

#include <stet/integer/kernel/packed.hpp>

#include <algorithm>
#include <cstdint>
#include <initializer_list>

namespace stet::kernel {

/// A function for `rows` rows [row, row + rows) and one panel, of which `columns` outputs are written.
struct RowTile {
  std::int64_t rows;
  void (*tile)(const Operands& a, std::int64_t row, const std::int8_t* panel, const std::int32_t* start, std::int32_t* acc,
               std::int64_t stride, std::int64_t columns);
};

/// Accumulators of all rows with all panels; see portable::product. Of the tiles, the first that fits the rows that are left
/// is taken; the last one has one row.
inline void product_by_tiles(const Operands& a, const PackedWeights& w, const std::int32_t* start, std::int32_t* acc,
                             std::int64_t stride, std::initializer_list<RowTile> tiles) {
  for (std::int64_t p = 0; p < w.panels(); ++p) {
    const std::int64_t first = p * panel_outputs;
    const std::int64_t columns = std::min(w.outputs() - first, panel_outputs);
    std::int64_t row = 0;
    for (const RowTile& t : tiles) {
      for (; row + t.rows <= a.count; row += t.rows) t.tile(a, row, w.panel(p), start + first, acc + first, stride, columns);
    }
  }
}

}  // namespace stet::kernel
