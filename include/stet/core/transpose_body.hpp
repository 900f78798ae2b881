// Transposed copies for one instruction set; see for_each_isa.hpp. Without a guard.

#include <stet/core/requirements.hpp>

#if defined(STET_ISA_NAMESPACE)

namespace stet::inline STET_FLAGS::implementation::STET_ISA_NAMESPACE {

// Eight rows of eight floats, `from_stride` apart, become eight columns: to[k * to_stride + c] = from[c * from_stride + k].
inline void transpose_eight(const float* from, std::int64_t from_stride, float* to, std::int64_t to_stride) {
  typedef float V __attribute__((vector_size(32)));
  V r[8], t[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) std::memcpy(&r[i], from + i * from_stride, sizeof(V));
#pragma GCC unroll 8
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i += 4) {
    r[i] = __builtin_shufflevector(t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    r[i + 1] = __builtin_shufflevector(t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    r[i + 2] = __builtin_shufflevector(t[i + 1], t[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    r[i + 3] = __builtin_shufflevector(t[i + 1], t[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 4; ++i) {
    t[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    t[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) std::memcpy(to + i * to_stride, &t[i], sizeof(V));
}

// Squares of eight of `rows` rows and `length` columns; the rest is left to the caller.
inline void transpose_squares(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t length, float* to,
                              std::int64_t to_stride) {
  for (std::int64_t k = 0; k + 8 <= length; k += 8) {
    for (std::int64_t c = 0; c + 8 <= rows; c += 8) {
      transpose_eight(from + c * from_stride + k, from_stride, to + k * to_stride + c, to_stride);
    }
  }
}

}  // namespace stet::inline STET_FLAGS::implementation::STET_ISA_NAMESPACE

#endif
