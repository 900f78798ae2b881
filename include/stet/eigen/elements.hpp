#pragma once
// How stet reads and writes Eigen's memory: what is refused at compile time, elements in one order, loops over them.

#include <stet/quant/qparams.hpp>

#include <Eigen/Core>

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#if !EIGEN_VERSION_AT_LEAST(3, 4, 0)
#error "stet needs Eigen 3.4 or newer"
#endif

namespace stet::detail::eigen {

/// A matrix that lies in memory as a Tensor does.
template <class T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Matrix or array like D, with elements of another type.
template <class D, class T>
using Like = typename std::remove_cvref_t<decltype(std::declval<const D&>().template cast<T>())>::PlainObject;

/// What cannot be meant is refused in one line; the callers return nothing then.
template <class D>
consteval bool check_dense() {
  constexpr bool dense = std::is_base_of_v<Eigen::DenseBase<D>, D>;
  static_assert(dense, "stet: sparse, diagonal and triangular matrices have no dense memory; assign to a Matrix first");
  return dense;
}
template <class D>
consteval bool check_real() {
  if constexpr (check_dense<D>()) {
    constexpr bool real = std::is_same_v<typename D::Scalar, float> || std::is_same_v<typename D::Scalar, double>;
    static_assert(real, "stet: real numbers are float or double here; say m.cast<float>()");
    return real;
  }
  return false;
}
template <class X, class D>
consteval bool check_real() {
  if constexpr (check_real<X>() && check_real<D>()) {
    constexpr bool same = std::is_same_v<typename X::Scalar, typename D::Scalar>;
    static_assert(same, "stet: values and gradient are both float or both double");
    return same;
  }
  return false;
}

template <class D>
Shape shape(const D& m) {
  return {m.rows(), m.cols()};
}

/// The elements of a matrix in an order, contiguous: its own memory where it lies so, else a copy.
template <int order, class T>
class Elements {
 public:
  template <class D>
  explicit Elements(const D& m) : size_(static_cast<std::size_t>(m.size())) {
    if constexpr (bool(D::Flags & Eigen::DirectAccessBit) &&
                  (D::IsVectorAtCompileTime || bool(D::IsRowMajor) == (order == Eigen::RowMajor))) {
      data_ = m.data();
      if (m.innerStride() == 1 && (m.outerSize() <= 1 || m.outerStride() == m.innerSize())) return;
    }
    copy_ = m.matrix();
    data_ = copy_.data();
  }
  Elements(const Elements&) = delete;
  Elements& operator=(const Elements&) = delete;
  ~Elements() = default;
  [[nodiscard]] std::span<const T> span() const { return {data_, size_}; }

 private:
  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, order> copy_;
  std::size_t size_;
  const T* data_ = nullptr;
};
template <int order, class D>
Elements<order, typename D::Scalar> elements(const D& m) {
  return Elements<order, typename D::Scalar>(m);
}

/// Calls f(order, shape, granularity): the storage order in which a matrix like D is read, and what a shape and a
/// granularity of its rows and columns are there. Groups run along rows, so they are read in that order.
template <class D, class F>
auto in_order(const Shape& s, Granularity g, F f) {
  if constexpr (!D::IsRowMajor) {
    if (g.kind != Granularity::Kind::per_group) {
      if (g.kind == Granularity::Kind::per_channel) g.axis = 1 - g.axis;
      return f(std::integral_constant<int, Eigen::ColMajor>(), Shape{s[1], s[0]}, g);
    }
  }
  return f(std::integral_constant<int, Eigen::RowMajor>(), s, g);
}

/// Calls f(span of x..., shape, params, span of the result), with the elements of all of them in one order.
template <class Result, class F, class X, class... More>
Result elementwise(const char* op, QParams p, F f, const X& x, const More&... more) {
  check(op, p, shape(x));
  return in_order<Result>(shape(x), p.granularity, [&](auto order, const Shape& lying, const Granularity& g) {
    p.granularity = g;
    std::conditional_t<order() == (Result::IsRowMajor ? Eigen::RowMajor : Eigen::ColMajor), Result,
                       RowMajor<typename Result::Scalar>>
        result;
    result.resize(x.rows(), x.cols());
    const std::span<typename Result::Scalar> y(result.data(), static_cast<std::size_t>(result.size()));
    f(elements<order()>(x).span(), elements<order()>(more).span()..., lying, p, y);
    return Result(std::move(result));
  });
}

}  // namespace stet::detail::eigen
