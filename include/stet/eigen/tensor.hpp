#pragma once
// Matrices from and to tensors and the tape.

#include <stet/autograd/tape.hpp>
#include <stet/eigen/elements.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace stet {

/// Copies a matrix into a tensor; of a vector (by its type) into a tensor of one dimension.
/// Shapes:    m with R rows and C columns -> [R, C]; a vector of n -> [n]
template <class D>
auto to_tensor(const Eigen::EigenBase<D>& m) {
  if constexpr (detail::eigen::check_dense<D>()) {
    using T = typename D::Scalar;
    Tensor<T> t(D::IsVectorAtCompileTime ? Shape{m.size()} : detail::eigen::shape(m.derived()));
    Eigen::Map<detail::eigen::RowMajor<T>>(t.edit().data(), m.rows(), m.cols()).noalias() = m.derived().matrix();
    return t;
  }
}

namespace detail::eigen {

/// The memory of a tensor as a matrix M, or as a RowMajor one where M is void.
template <class M, class T>
auto view(const char* op, const Shape& s, T* data) {
  using Value = std::remove_const_t<T>;
  using Named = std::conditional_t<std::is_void_v<M>, RowMajor<Value>, M>;
  static_assert(std::same_as<typename Named::Scalar, Value>, "stet: the matrix and the tensor hold different types");
  static_assert(
      Named::IsRowMajor || Named::IsVectorAtCompileTime,
      "stet: a tensor is row-major: name a matrix with Eigen::RowMajor, or copy it, MatrixXf m = map(tensor)");
  const std::int64_t columns = s.rank() == 1 && Named::ColsAtCompileTime == 1 ? 1 : s.back();
  const std::int64_t rows = columns == 0 ? s.product(0, std::max(s.rank() - 1, 0)) : s.elements() / columns;
  const auto fits = [](std::int64_t n, int fixed) { return fixed == Eigen::Dynamic || n == fixed; };
  require(fits(rows, Named::RowsAtCompileTime) && fits(columns, Named::ColsAtCompileTime), Errc::shape,
          "{}: a tensor {} is a matrix of {} rows and {} columns, not the one of fixed size that was named", op, s,
          rows, columns);
  return Eigen::Map<std::conditional_t<std::is_const_v<T>, const Named, Named>>(data, rows, columns);
}

}  // namespace detail::eigen

/// A tensor's memory as a matrix, without a copy; valid as long as the tensor is, until it is written.
/// map<M>(t) names the type M, a vector or a row-major matrix.
/// Shapes:    t [.., C] -> a matrix of all rows of C columns: [N,H,W,C] has N*H*W; [n] one row, or a column if M is one
/// Errors:    Errc::shape if M has other fixed sizes
template <class M = void, class T>
auto map(const Tensor<T>& t) {
  return detail::eigen::view<M>("map", t.shape(), t.data());
}
template <class M = void, class T>
auto map(Tensor<T>&& t) {
  static_assert(std::is_void_v<T>, "stet: map of a temporary tensor would outlive its memory; name the tensor first");
  return map<M>(std::as_const(t));
}
/// The same for writing; copies the values first if the storage is shared, as Tensor::edit.
template <class M = void, class T>
auto edit(Tensor<T>& t) {
  return detail::eigen::view<M>("edit", t.shape(), t.edit().data());
}

/// Matrices enter a tape as tensors: tape.variable(m), tape.constant(a * b).
template <class D>
  requires std::derived_from<D, Eigen::EigenBase<D>>
struct TensorOf<D> {
  static auto of(const D& m) { return to_tensor(m); }
};

}  // namespace stet
