#pragma once
// Matrix products C (+)= A B: the one seam between stet and whatever multiplies matrices.

#include <stet/core/gemm_kernel.hpp>
#include <stet/core/tensor.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace stet {

/// Whether a matrix is stored as it is named, or as its transpose.
enum class Layout { plain, transposed };

inline namespace STET_FLAGS {

/// Rows of a product that a chunk of work holds at least: with fewer, most of them would run in tiles of few rows.
inline constexpr std::int64_t product_block = 16;

/// A right-hand side, brought into the kernel's order once and multiplied by many blocks of rows (from many threads).
template <class T>
class GemmRight {
 public:
  /// Steps of the depth that are multiplied at a time, so that a panel stays in the cache.
  static constexpr std::int64_t depth_block = 512;

  /// Shapes:    b [depth, columns], or [columns, depth] if transposed, with row stride b_stride
  GemmRight(Layout layout, std::int64_t depth, std::int64_t columns, const T* b, std::int64_t b_stride)
      : GemmRight(depth, columns, pack(layout, depth, columns, b, b_stride)) {}

  /// Of what pack() made of a matrix of the same size.
  GemmRight(std::int64_t depth, std::int64_t columns, Tensor<T> packed)
      : depth_(depth), columns_(columns), packed_(std::move(packed)) {}

  /// The matrix in the kernel's order.
  static Tensor<T> pack(Layout layout, std::int64_t depth, std::int64_t columns, const T* b, std::int64_t b_stride) {
    Tensor<T> packed(Shape{depth * padded_width<T>(columns)});
    T* out = packed.edit().data();
    for (std::int64_t k = 0; k < depth; k += depth_block) {
      const std::int64_t length = std::min(depth_block, depth - k);
      T* to = out + k * padded_width<T>(columns);
      if (layout == Layout::plain) {
        pack_panels(
            length, columns, [=](std::int64_t i, std::int64_t j) { return b[(k + i) * b_stride + j]; }, to);
      } else {
        pack_transposed_panels(length, columns, b + k, b_stride, to);
      }
    }
    return packed;
  }

  /// Formula:   c = a b + bias, or c += a b if `accumulate`
  /// Shapes:    a [rows, depth], or [depth, rows] if transposed; c [rows, columns]; bias [columns] or null
  void product(std::int64_t rows, const T* a, std::int64_t a_stride, T* c, std::int64_t c_stride, const T* bias,
               bool accumulate = false, Layout a_layout = Layout::plain) const {
    const std::int64_t row_step = a_layout == Layout::plain ? a_stride : 1;
    const std::int64_t step = a_layout == Layout::plain ? 1 : a_stride;
    const std::int64_t start = 0;
    for (std::int64_t k = 0; k < std::max<std::int64_t>(depth_, 1); k += depth_block) {
      const std::int64_t length = std::min(depth_block, depth_ - k);
      const bool add = accumulate || k > 0;
      stet::product<T>(
          rows, columns_, [&](std::int64_t r) { return a + r * row_step + k * step; }, Depth{&start, 1, length, step},
          Panels<T>{packed_.data() + k * padded_width<T>(columns_), 0}, c, c_stride,
          Start<T>{add ? c : bias, add ? c_stride : 0});
    }
  }

 private:
  std::int64_t depth_, columns_;
  Tensor<T> packed_;
};

/// Multiplies matrices on the calling thread.
/// Formula:   c = op(a) op(b), or c += op(a) op(b) if `accumulate`; op transposes where the layout says so
/// Shapes:    op(a) [rows, depth], op(b) [depth, columns], c [rows, columns]; row strides of what is stored
template <class T>
void gemm(Layout a_layout, Layout b_layout, std::int64_t rows, std::int64_t columns, std::int64_t depth, const T* a,
          std::int64_t a_stride, const T* b, std::int64_t b_stride, T* c, std::int64_t c_stride, bool accumulate) {
  GemmRight<T>(b_layout, depth, columns, b, b_stride)
      .product(rows, a, a_stride, c, c_stride, nullptr, accumulate, a_layout);
}

}  // namespace STET_FLAGS
}  // namespace stet
