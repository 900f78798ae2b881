// Every function of stet/eigen.hpp on one matrix, array or expression, against the functions on spans with its elements
// copied row by row: whatever its storage order, a matrix is [rows, columns].
#pragma once

#include <stet/eigen.hpp>
#include <stet/quant/min_max_observer.hpp>

#include "support/catch.hpp"

#include <array>
#include <concepts>
#include <cstdint>
#include <vector>

namespace stet_test {

template <class D>
auto row_by_row(const Eigen::DenseBase<D>& m) {
  std::vector<typename D::Scalar> v;
  for (Eigen::Index i = 0; i < m.rows(); ++i) {
    for (Eigen::Index j = 0; j < m.cols(); ++j) v.push_back(m.derived().coeff(i, j));
  }
  return v;
}

/// Order and fixed sizes.
template <class M>
consteval std::array<int, 3> storage() {
  return {M::IsRowMajor, M::RowsAtCompileTime, M::ColsAtCompileTime};
}

/// Values of different ranges in every row and column, some of them ties.
template <class M>
M numbers(Eigen::Index rows, Eigen::Index columns) {
  M m;
  m.resize(rows, columns);
  for (Eigen::Index i = 0; i < rows; ++i) {
    for (Eigen::Index j = 0; j < columns; ++j) {
      const Eigen::Index sign = (i + j) % 2 == 0 ? 1 : -1;
      m(i, j) =
          static_cast<typename M::Scalar>(sign * ((3 * i + 7 * j) % 11 + 1)) / static_cast<typename M::Scalar>(4 + i);
    }
  }
  return m;
}

template <class X>
void check_matrix(const X& x) {
  using namespace stet;
  using M = typename X::PlainObject;
  using T = typename X::Scalar;
  const M m = x;
  const Shape shape{m.rows(), m.cols()};
  const std::vector<T> values = row_by_row(m);
  const std::vector<float> floats(values.begin(), values.end());
  std::vector<T> gradients = values, y(values.size());
  for (std::size_t i = 0; i < gradients.size(); ++i) gradients[i] = static_cast<T>(i) - 7;
  // The gradient lies in the other order.
  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, M::IsRowMajor ? Eigen::ColMajor : Eigen::RowMajor> dy(m.rows(),
                                                                                                         m.cols());
  for (Eigen::Index i = 0; i < m.rows(); ++i) {
    for (Eigen::Index j = 0; j < m.cols(); ++j) dy(i, j) = gradients[static_cast<std::size_t>(i * m.cols() + j)];
  }

  CHECK(min_max(x) == min_max(floats));
  for (const Granularity& g : {Granularity::per_tensor(), Granularity::per_row(), Granularity::per_column(),
                               Granularity::per_group(m.cols() % 2 == 0 ? 2 : 1)}) {
    INFO(describe(g) << " of " << shape.str());
    const std::vector<Range> ranges = min_max(floats, shape, g);
    CHECK(min_max(x, g) == ranges);
    MinMaxObserver observer(g);
    observe(observer, x);
    CHECK(observer.ranges() == ranges);
    CHECK(weight_qparams(x, g) == weight_qparams(ranges, g));
    const QParamsOptions options{.granularity = g};
    const QParams p = choose_qparams(x, Grid::activation(4), options);
    CHECK(p == choose_qparams(ranges, Grid::activation(4), options));

    const auto q = quantize(x, p);
    using Codes = std::remove_cvref_t<decltype(q.codes)>;
    static_assert(std::same_as<typename Codes::Scalar, std::int8_t>);
    static_assert(storage<Codes>() == storage<M>());
    std::vector<std::int32_t> codes(values.size());
    quantize(values, shape, p, codes);
    CHECK(row_by_row(q.codes.template cast<std::int32_t>()) == codes);
    CHECK(row_by_row(quantize<std::int32_t>(x, p).codes) == codes);
    CHECK(q.params == p);

    fake_quantize(values, shape, p, y);
    const auto rounded = fake_quantize(x, p);
    static_assert(std::same_as<std::remove_cvref_t<decltype(rounded)>, M>);
    CHECK(row_by_row(rounded) == y);
    CHECK(row_by_row(dequantize<T>(q)) == y);
    std::vector<float> decoded(values.size());
    dequantize(codes, shape, p, decoded);
    CHECK(row_by_row(dequantize(q)) == decoded);

    QParams half = p;  // so that values lie outside the grid
    for (float& s : half.scale) s /= 2;
    fake_quantize_backward(values, gradients, shape, half, y);
    CHECK(y != gradients);
    const auto dx = fake_quantize_backward(x, dy, half);
    static_assert(std::same_as<std::remove_cvref_t<decltype(dx)>, typename decltype(dy)::PlainObject>);
    CHECK(row_by_row(dx) == y);
  }

  const Tensor<T> t = to_tensor(x);
  CHECK(t.shape() == (M::IsVectorAtCompileTime ? Shape{m.size()} : shape));
  CHECK(std::vector<T>(t.span().begin(), t.span().end()) == values);
}

}  // namespace stet_test
