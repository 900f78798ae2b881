#pragma once
// The register-tiled product kernel: rows of A are read where they lie (also overlapping, as a convolution's do), B as
// panels of a few vectors, and every element of C is one sum over the depth in order, so that a result depends on the
// shape, the machine and the flags alone and not on how rows are cut into calls.

#include <stet/core/isa.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/core/transpose.hpp>

#include <cstdint>
#include <cstring>

namespace stet {

/// Bytes of the columns of B that lie together: a line of the cache, whole vectors on every machine.
inline constexpr std::int64_t column_bytes = 64;
/// Elements of that, and columns of a full panel of B.
template <class T>
inline constexpr std::int64_t column_width = column_bytes / static_cast<std::int64_t>(sizeof(T));
template <class T>
inline constexpr std::int64_t panel_width = 2 * column_width<T>;

/// Columns that a matrix of n columns occupies in panels: the next multiple of column_width.
template <class T>
constexpr std::int64_t padded_width(std::int64_t n) {
  return (n + column_width<T> - 1) / column_width<T> * column_width<T>;
}

/// How the depth of a product runs through a row of A: element (segment s, step k) of row i lies at
/// row(i)[segments[s] + k * step].
struct Depth {
  const std::int64_t* segments;
  std::int64_t segment_count;
  std::int64_t length;  ///< steps of one segment
  std::int64_t step;
  [[nodiscard]] std::int64_t total() const { return segment_count * length; }
};

/// B, [depth, columns], either as packed panels or in place with a row stride.
template <class T>
struct Panels {
  const T* data;
  std::int64_t row_stride;  ///< 0: packed panels of pack_panels
};

/// What C starts from: zeros (null), a bias row (stride 0) or the rows of C itself.
template <class T>
struct Start {
  const T* data;
  std::int64_t stride;
};

/// Tiles of an instruction set: functions that multiply 1, 2, 4 or `rows` rows with a panel of at most panel_width columns.
template <class T>
struct ProductTiles {
  using Tile = void (*)(const T* const* row, const Depth& depth, const T* b, std::int64_t b_stride, T* c,
                        std::int64_t c_stride, const Start<T>& start, std::int64_t columns);
  int rows;
  Tile tile[4];
};

}  // namespace stet

#define STET_ISA_BODY <stet/core/gemm_tile_body.hpp>
#include <stet/core/for_each_isa.hpp>

namespace stet {

inline namespace STET_FLAGS {

/// The tiles of this process.
template <class T>
const ProductTiles<T>& product_tiles() {
  static const ProductTiles<T> tiles = STET_OF_FLOAT_ISA(product_tiles<T>());
  return tiles;
}

/// Product of rows of A, wherever they lie, with panels of B.
/// Formula:   c[i, j] = start[i, j] + sum over segments s and steps k of row(i)[segments[s] + k*step] * b[s*length + k, j]
/// Shapes:    rows x columns; b [depth.total(), columns]; in place, b must be readable up to padded_width(columns)
template <class T, class Row>
void product(std::int64_t rows, std::int64_t columns, const Row& row, const Depth& depth, const Panels<T>& b, T* c,
             std::int64_t c_stride, const Start<T>& start) {
  constexpr int most_rows = 8;
  const ProductTiles<T>& tiles = product_tiles<T>();
  for (std::int64_t j = 0; j < columns; j += panel_width<T>) {
    const std::int64_t wide = columns - j < panel_width<T> ? columns - j : panel_width<T>;
    const T* panel = b.row_stride > 0 ? b.data + j : b.data + j * depth.total();
    const std::int64_t stride = b.row_stride > 0 ? b.row_stride : padded_width<T>(wide);
    for (std::int64_t i = 0; i < rows;) {
      const std::int64_t left = rows - i;
      const int count = left >= tiles.rows ? tiles.rows : left >= 4 ? 4 : left >= 2 ? 2 : 1;
      const T* pointers[most_rows];
      for (int r = 0; r < count; ++r) pointers[r] = row(i + r);
      const Start<T> from{start.data == nullptr ? nullptr : start.data + j + i * start.stride, start.stride};
      const auto tile = tiles.tile[count >= tiles.rows ? 3 : count / 2];
      tile(pointers, depth, panel, stride, c + j + i * c_stride, c_stride, from, wide);
      i += count;
    }
  }
}

// Columns of the last vector of a panel that B does not have are zero.
template <class T>
void clear_missing_columns(std::int64_t depth, std::int64_t wide, T* panel) {
  const std::int64_t stride = padded_width<T>(wide);
  for (std::int64_t k = 0; k < depth && wide < stride; ++k) {
    for (std::int64_t c = wide; c < stride; ++c) panel[k * stride + c] = T{0};
  }
}

// Calls f(first column, columns, panel) for every panel, in parallel.
template <class T, class F>
void for_each_panel(std::int64_t depth, std::int64_t columns, T* out, const F& f) {
  const std::int64_t panels = (columns + panel_width<T> - 1) / panel_width<T>;
  parallel_chunks(panels, depth * panel_width<T>, [&](Chunk chunk) {
    for (std::int64_t p = chunk.first; p < chunk.last; ++p) {
      const std::int64_t j = p * panel_width<T>;
      const std::int64_t wide = columns - j < panel_width<T> ? columns - j : panel_width<T>;
      f(j, wide, out + j * depth);
      clear_missing_columns(depth, wide, out + j * depth);
    }
  });
}

/// Panels of B: value(k, j) for k in [0, depth) and j in [0, columns), missing columns of the last vector zero. Neighbours
/// in j should be neighbours in memory, and `value` hold copies, which compilers can keep in registers.
/// Shapes:    out [depth * padded_width(columns)]
template <class T, class F>
void pack_panels(std::int64_t depth, std::int64_t columns, const F& value, T* out) {
  for_each_panel(depth, columns, out, [=](std::int64_t j, std::int64_t wide, T* panel) {
    const std::int64_t stride = padded_width<T>(wide);
    for (std::int64_t k = 0; k < depth; ++k) {
      for (std::int64_t c = 0; c < wide; ++c) panel[k * stride + c] = value(k, j + c);
    }
  });
}

/// Panels of the transpose of a matrix [columns, depth] whose rows lie `stride` apart.
/// Shapes:    out [depth * padded_width(columns)]
template <class T>
void pack_transposed_panels(std::int64_t depth, std::int64_t columns, const T* from, std::int64_t stride, T* out) {
  for_each_panel(depth, columns, out, [=](std::int64_t j, std::int64_t wide, T* panel) {
    constexpr std::int64_t line = 64 / static_cast<std::int64_t>(sizeof(T));  // what is read of a row is a line of the cache
    const std::int64_t to = padded_width<T>(wide);
    for (std::int64_t k = 0; k < depth; k += line) {
      transpose(from + j * stride + k, stride, wide, depth - k < line ? depth - k : line, panel + k * to, to);
    }
  });
}

}  // namespace STET_FLAGS
}  // namespace stet
