// The register tiles of the product kernel, for one width of vectors; see for_each_isa.hpp. Without a guard.

#include <stet/core/requirements.hpp>

#if defined(STET_ISA_NAMESPACE)

namespace stet::inline STET_FLAGS::implementation::STET_ISA_NAMESPACE {

inline constexpr int vector_bytes = STET_VECTOR_BYTES;
inline constexpr int tile_rows = vector_bytes == 64 ? 8 : 4;

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(vector_bytes)));
};

// Rows x Vectors sums, kept in registers over the whole depth; the last vector holds `last` bytes of columns.
template <class T, int Rows, int Vectors>
void tile(const T* const* row, const Depth& depth, const T* b, std::int64_t b_stride, T* c, std::int64_t c_stride,
          const Start<T>& start, std::size_t last) {
  using V = typename VectorOf<T>::type;
  constexpr std::int64_t width = vector_bytes / static_cast<std::int64_t>(sizeof(T));
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
        const V value = sum[r][v];  // a copy: the address of a sum would keep it in memory
        std::memcpy(to, &value, last);
      }
    }
  }
}

// Rows of one panel, two vectors of columns at a time.
template <class T, int Rows>
void panel(const T* const* row, const Depth& depth, const T* b, std::int64_t b_stride, T* c, std::int64_t c_stride,
           const Start<T>& start, std::int64_t columns) {
  constexpr std::int64_t width = vector_bytes / static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t j = 0; j < columns; j += 2 * width) {
    const std::int64_t left = columns - j;
    const Start<T> from{start.data == nullptr ? nullptr : start.data + j, start.stride};
    if (left > width) {
      const std::int64_t rest = left < 2 * width ? left - width : width;
      tile<T, Rows, 2>(row, depth, b + j, b_stride, c + j, c_stride, from, static_cast<std::size_t>(rest) * sizeof(T));
    } else {
      tile<T, Rows, 1>(row, depth, b + j, b_stride, c + j, c_stride, from, static_cast<std::size_t>(left) * sizeof(T));
    }
  }
}

template <class T>
ProductTiles<T> product_tiles() {
  return {tile_rows, {panel<T, 1>, panel<T, 2>, panel<T, 4>, panel<T, tile_rows>}};
}

}  // namespace stet::inline STET_FLAGS::implementation::STET_ISA_NAMESPACE

#endif
