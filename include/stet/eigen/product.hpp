#pragma once
// The exact product of two quantized matrices.

#include <stet/eigen/quantize.hpp>
#include <stet/integer/convolution.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace stet {

namespace detail::eigen {

template <class A, class B>
consteval bool check_int8() {
  constexpr bool both =
      std::is_same_v<typename A::Scalar, std::int8_t> && std::is_same_v<typename B::Scalar, std::int8_t>;
  static_assert(both, "stet: product multiplies codes of int8_t by codes of int8_t");
  return both;
}

// The range and sizes of one side; a scale may change across the sum, not along it.
inline void check_side(const char* name, const QParams& p, const Shape& shape, const Granularity& across) {
  check("product", p, shape);
  require(p.grid.fits_int8(), Errc::range, "product: the grid {}..{} of {} does not fit int8", p.grid.lo, p.grid.hi,
          name);
  if (p.granularity.kind != Granularity::Kind::per_tensor && p.granularity != across) {
    fail(Errc::unsupported, "product: {} is quantized {}, so its scale changes along the sum; quantize it per tensor or {}", name,
         describe(p.granularity), describe(across));
  }
}

inline std::int64_t zero_point(const QParams& p, std::int64_t i) {
  return p.zero_point[p.zero_point.size() == 1 ? 0 : static_cast<std::size_t>(i)];
}

template <class A, class B>
auto product_of_codes(const QMatrix<A>& a, const QMatrix<B>& b) {
  const std::int64_t rows = a.rows(), depth = a.cols(), columns = b.cols();
  require(depth == b.rows(), Errc::shape, "product: a is a matrix {}, b {}: the columns of a must be the rows of b",
          shape(a), shape(b));
  check_side("a", a.params, {rows, depth}, Granularity::per_row());
  check_side("b", b.params, {depth, columns}, Granularity::per_column());
  std::int64_t largest = 0;  // of one product
  for (const std::int32_t z : b.params.zero_point)
    largest = std::max<std::int64_t>({largest, 255 * (127 - z), 255 * (z + 128)});
  const std::int64_t most = columns == 0 ? depth : std::numeric_limits<std::int32_t>::max() / largest;
  require(depth <= most, Errc::range,
          "product: a sum of {} products of up to {} can overflow int32; at most {} fit: split the matrices", depth,
          largest, most);
  using Sums = Eigen::Matrix<std::int32_t, A::RowsAtCompileTime, B::ColsAtCompileTime>;
  Sums y;
  y.setZero(rows, columns);
  if (y.size() == 0 || depth == 0) return y;
  const auto left = elements<Eigen::RowMajor>(a.codes);
  const auto right = elements<Eigen::ColMajor>(b.codes);  // in memory the [outputs, inputs] of a layer
  const integer::ConvolutionWeights packed(Tensor<std::int8_t>({columns, depth}, right.span()));
  // What the zero points change: -z_a[i] * (sum of column j of b) - z_b[j] * (sum of row i of a - K z_a[i])
  const Eigen::VectorX<std::int64_t> sums = a.codes.matrix().template cast<std::int64_t>().rowwise().sum();
  integer::linear(integer::Codes({rows, depth}, left.span()), 0, packed,
                  [&](std::int64_t first, std::int64_t count, const std::int32_t* acc, std::int64_t stride) {
                    for (std::int64_t i = first; i < first + count; ++i, acc += stride) {
                      const std::int64_t z = zero_point(a.params, i), row = sums[i] - depth * z;
                      for (std::int64_t j = 0; j < columns; ++j) {
                        const std::int64_t moved =
                            z * packed.sums()[static_cast<std::size_t>(j)] + zero_point(b.params, j) * row;
                        y(i, j) = static_cast<std::int32_t>(acc[j] - moved);
                      }
                    }
                  });
  return y;
}

}  // namespace detail::eigen

/// Multiplies the integers of two quantized matrices, exactly.
/// Formula:   y[i,j] = sum over k of (a[i,k] - z_a[i]) * (b[k,j] - z_b[j])
/// Shapes:    a [I,K] per tensor or per row, b [K,J] per tensor or per column -> y [I,J]
/// Units:     y in steps of s_a[i] * s_b[j]: y.cast<float>() * (s_a * s_b) are real numbers
/// Errors:    Errc::shape if a has not as many columns as b has rows; Errc::unsupported if scales change along the sum;
///            Errc::range if a grid is not of int8 or sums of K products could overflow int32
template <class A, class B>
auto product(const QMatrix<A>& a, const QMatrix<B>& b) {
  if constexpr (detail::eigen::check_int8<A, B>()) return detail::eigen::product_of_codes(a, b);
}

}  // namespace stet
