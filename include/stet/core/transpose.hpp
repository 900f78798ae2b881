#pragma once
// Transposed copies of matrices.

#include <stet/core/isa.hpp>

#include <cstdint>
#include <cstring>

#define STET_ISA_BODY <stet/core/transpose_body.hpp>
#include <stet/core/for_each_isa.hpp>

namespace stet {

inline namespace STET_FLAGS {

/// Copies a matrix so that its rows become columns.
/// Formula:   to[k * to_stride + c] = from[c * from_stride + k], c in [0, rows), k in [0, length)
template <class T>
void transpose(const T* from, std::int64_t from_stride, std::int64_t rows, std::int64_t length, T* to, std::int64_t to_stride) {
  for (std::int64_t c = 0; c < rows; ++c) {
    for (std::int64_t k = 0; k < length; ++k) to[k * to_stride + c] = from[c * from_stride + k];
  }
}
inline void transpose(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t length, float* to,
                      std::int64_t to_stride) {
  const std::int64_t whole_rows = rows / 8 * 8, whole_length = length / 8 * 8;
  STET_OF_FLOAT_ISA(transpose_squares(from, from_stride, rows, length, to, to_stride));
  transpose<float>(from + whole_rows * from_stride, from_stride, rows - whole_rows, length, to + whole_rows, to_stride);
  transpose<float>(from + whole_length, from_stride, whole_rows, length - whole_length, to + whole_length * to_stride, to_stride);
}

}  // namespace STET_FLAGS

}  // namespace stet
