#pragma once
// The register-tiled product kernel: rows of A are read where they lie (also overlapping, as a convolution's do), B as
// panels of a few vectors, and every element of C is one sum over the depth in order, so that a result depends on the
// shape alone and not on how rows are cut into calls.

#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>

#include <cstdint>
#include <cstring>

// The widest vectors that the compile flags allow, and whether they fuse multiply and add, name the namespace.
#if defined(__AVX512F__)
#define STET_PRODUCT product_avx512
#elif defined(__AVX__) && defined(__FMA__)
#define STET_PRODUCT product_avx_fma
#elif defined(__AVX__)
#define STET_PRODUCT product_avx
#else
#define STET_PRODUCT product_128
#endif

namespace stet {
inline namespace STET_PRODUCT {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
inline constexpr int tile_rows = 8;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32;
inline constexpr int tile_rows = 4;
#else
inline constexpr int vector_bytes = 16;
inline constexpr int tile_rows = 4;
#endif

/// Elements of one vector, and columns of a full panel of B.
template <class T>
inline constexpr std::int64_t vector_width = vector_bytes / static_cast<std::int64_t>(sizeof(T));
template <class T>
inline constexpr std::int64_t panel_width = 2 * vector_width<T>;

/// Columns that a matrix of n columns occupies in panels: the next multiple of the vector width.
template <class T>
constexpr std::int64_t padded_width(std::int64_t n) {
  return (n + vector_width<T> - 1) / vector_width<T> * vector_width<T>;
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

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(vector_bytes)));
};

// Rows x Vectors sums, kept in registers over the whole depth.
template <class T, int Rows, int Vectors>
void product_tile(const T* const* row, const Depth& depth, const T* b, std::int64_t b_stride, T* c,
                  std::int64_t c_stride, const Start<T>& start, std::int64_t columns) {
  using V = typename VectorOf<T>::type;
  constexpr std::int64_t width = vector_width<T>;
  const auto last = static_cast<std::size_t>(columns - (Vectors - 1) * width) * sizeof(T);
  V sum[static_cast<std::size_t>(Rows)][static_cast<std::size_t>(Vectors)];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      V value{};
      if (start.data != nullptr) {
        const T* from = start.data + r * start.stride + v * width;
        if (v + 1 < Vectors || last == vector_bytes) {
          std::memcpy(&value, from, vector_bytes);
        } else {
          std::memcpy(&value, from, last);
        }
      }
      sum[r][v] = value;
    }
  }
  for (std::int64_t s = 0; s < depth.segment_count; ++s) {
    const T* a[static_cast<std::size_t>(Rows)];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) a[r] = row[r] + depth.segments[s];
    std::int64_t offset = 0;
    for (std::int64_t k = 0; k < depth.length; ++k) {
      V right[static_cast<std::size_t>(Vectors)];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) std::memcpy(&right[v], b + v * width, vector_bytes);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        const T left = a[r][offset];
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) sum[r][v] += left * right[v];
      }
      b += b_stride;
      offset += depth.step;
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      T* to = c + r * c_stride + v * width;
      if (v + 1 < Vectors || last == vector_bytes) {
        std::memcpy(to, &sum[r][v], vector_bytes);
      } else {
        std::memcpy(to, &sum[r][v], last);
      }
    }
  }
}

// As many tiles of Rows rows as fit from row i on; returns the first row that is left.
template <class T, int Rows, class Row>
std::int64_t product_rows(std::int64_t i, std::int64_t rows, const Row& row, const Depth& depth, const T* b,
                          std::int64_t b_stride, T* c, std::int64_t c_stride, const Start<T>& start,
                          std::int64_t columns) {
  for (; i + Rows <= rows; i += Rows) {
    const T* pointers[static_cast<std::size_t>(Rows)];
    for (int r = 0; r < Rows; ++r) pointers[r] = row(i + r);
    const Start<T> from{start.data == nullptr ? nullptr : start.data + i * start.stride, start.stride};
    if (columns > vector_width<T>) {
      product_tile<T, Rows, 2>(pointers, depth, b, b_stride, c + i * c_stride, c_stride, from, columns);
    } else {
      product_tile<T, Rows, 1>(pointers, depth, b, b_stride, c + i * c_stride, c_stride, from, columns);
    }
  }
  return i;
}

/// Product of rows of A, wherever they lie, with panels of B.
/// Formula:   c[i, j] = start[i, j] + sum over segments s and steps k of row(i)[segments[s] + k*step] * b[s*length + k, j]
/// Shapes:    rows x columns; b [depth.total(), columns]; in place, b must be readable up to padded_width(columns)
template <class T, class Row>
void product(std::int64_t rows, std::int64_t columns, const Row& row, const Depth& depth, const Panels<T>& b, T* c,
             std::int64_t c_stride, const Start<T>& start) {
  for (std::int64_t j = 0; j < columns; j += panel_width<T>) {
    const std::int64_t wide = columns - j < panel_width<T> ? columns - j : panel_width<T>;
    const T* panel = b.row_stride > 0 ? b.data + j : b.data + j * depth.total();
    const std::int64_t stride = b.row_stride > 0 ? b.row_stride : padded_width<T>(wide);
    const Start<T> from{start.data == nullptr ? nullptr : start.data + j, start.stride};
    std::int64_t i = 0;
    i = product_rows<T, tile_rows>(i, rows, row, depth, panel, stride, c + j, c_stride, from, wide);
    if constexpr (tile_rows > 4) {
      i = product_rows<T, 4>(i, rows, row, depth, panel, stride, c + j, c_stride, from, wide);
    }
    i = product_rows<T, 2>(i, rows, row, depth, panel, stride, c + j, c_stride, from, wide);
    product_rows<T, 1>(i, rows, row, depth, panel, stride, c + j, c_stride, from, wide);
  }
}

/// Neighbours in k that pack_panels reads together where the columns of B are contiguous: a line of the cache.
template <class T>
inline constexpr std::int64_t line_run = 64 / static_cast<std::int64_t>(sizeof(T));

// Panel that begins with column j.
template <class T, std::int64_t run, class F>
void pack_panel(std::int64_t depth, std::int64_t columns, std::int64_t j, F value, T* out) {
  const std::int64_t wide = columns - j < panel_width<T> ? columns - j : panel_width<T>;
  const std::int64_t stride = padded_width<T>(wide);
  T* panel = out + j * depth;
  for (std::int64_t first = 0; first < depth; first += run) {
    const std::int64_t last = depth - first < run ? depth : first + run;
    for (std::int64_t c = 0; c < wide; ++c) {
      for (std::int64_t k = first; k < last; ++k) panel[k * stride + c] = value(k, j + c);
    }
    for (std::int64_t k = first; k < last; ++k) {
      for (std::int64_t c = wide; c < stride; ++c) panel[k * stride + c] = T{0};
    }
  }
}

/// Panels of B: value(k, j) for k in [0, depth) and j in [0, columns), missing columns of the last vector zero. `run`
/// neighbours in k are read together: 1 if neighbours in j are neighbours in memory, else line_run. `value` should hold
/// copies, which compilers can keep in registers.
/// Shapes:    out [depth * padded_width(columns)]
template <class T, std::int64_t run, class F>
void pack_panels(std::int64_t depth, std::int64_t columns, const F& value, T* out) {
  const std::int64_t panels = (columns + panel_width<T> - 1) / panel_width<T>;
  parallel_chunks(panels, depth * panel_width<T>, [&](Chunk chunk) {
    for (std::int64_t p = chunk.first; p < chunk.last; ++p) pack_panel<T, run>(depth, columns, p * panel_width<T>, value, out);
  });
}

}  // namespace STET_PRODUCT
}  // namespace stet
