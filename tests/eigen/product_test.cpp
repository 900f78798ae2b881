// The product of two quantized matrices against sums in 64 bits.
#include <stet/eigen.hpp>

#include "support/catch.hpp"

#include <array>
#include <random>

namespace product_test {

using namespace Eigen;
using Catch::Matchers::ContainsSubstring;
using stet::Errc;
using stet::Granularity;
using stet::Grid;
using stet::QMatrix;
using stet::QParams;

namespace {

using Columns = Matrix<std::int8_t, Dynamic, Dynamic, ColMajor>;
using Rows = Matrix<std::int8_t, Dynamic, Dynamic, RowMajor>;

template <class M>
M codes(Index rows, Index columns, unsigned seed) {
  std::mt19937 draw(seed);
  M m;
  m.resize(rows, columns);
  for (Index i = 0; i < m.rows(); ++i) {
    for (Index j = 0; j < m.cols(); ++j) m(i, j) = static_cast<std::int8_t>(static_cast<int>(draw() % 256) - 128);
  }
  return m;
}

QParams params(const Granularity& g, Index scales, std::initializer_list<std::int32_t> zero_points) {
  QParams p{Grid::int8(), g, {}, {}};
  for (Index i = 0; i < scales; ++i) {
    p.scale.push_back(0.01f * static_cast<float>(i + 1));
    p.zero_point.push_back(std::data(zero_points)[static_cast<std::size_t>(i) % zero_points.size()]);
  }
  return p;
}

std::int64_t zero_point(const QParams& p, Index i) {
  return p.zero_point[p.granularity.kind == Granularity::Kind::per_tensor ? 0 : static_cast<std::size_t>(i)];
}

template <class A, class B>
void check_product(const QMatrix<A>& a, const QMatrix<B>& b) {
  const auto y = product(a, b);
  static_assert(std::is_same_v<typename decltype(y)::Scalar, std::int32_t>);
  REQUIRE(y.rows() == a.rows());
  REQUIRE(y.cols() == b.cols());
  bool same = true;
  for (Index i = 0; i < y.rows(); ++i) {
    for (Index j = 0; j < y.cols(); ++j) {
      std::int64_t sum = 0;
      for (Index k = 0; k < a.cols(); ++k) {
        sum += (a.codes(i, k) - zero_point(a.params, i)) * (b.codes(k, j) - zero_point(b.params, j));
      }
      same = same && sum == y(i, j);
    }
  }
  CHECK(same);
}

template <class A, class B>
void check_sizes(Index rows, Index depth, Index columns) {
  const A a = codes<A>(rows, depth, 1);
  const B b = codes<B>(depth, columns, 2);
  const auto whole = Granularity::per_tensor();
  check_product(QMatrix<A>{a, params(whole, 1, {0})}, QMatrix<B>{b, params(whole, 1, {0})});
  check_product(QMatrix<A>{a, params(whole, 1, {-128})}, QMatrix<B>{b, params(whole, 1, {127})});
  check_product(QMatrix<A>{a, params(Granularity::per_row(), rows, {3, -128, 127, 0})},
                QMatrix<B>{b, params(Granularity::per_column(), columns, {-7, 127, -128})});
}

}  // namespace

TEST_CASE("the product of quantized matrices is exact in every storage order", "[eigen]") {
  for (const auto& [rows, depth, columns] : {std::array<Index, 3>{1, 1, 1}, {5, 7, 3}, {33, 130, 17}, {64, 256, 40}}) {
    check_sizes<Columns, Columns>(rows, depth, columns);
    check_sizes<Columns, Rows>(rows, depth, columns);
    check_sizes<Rows, Columns>(rows, depth, columns);
    check_sizes<Rows, Rows>(rows, depth, columns);
  }
  check_sizes<Matrix<std::int8_t, 5, 7>, Matrix<std::int8_t, 7, 3, RowMajor>>(5, 7, 3);
  check_sizes<Matrix<std::int8_t, 1, Dynamic>, Columns>(1, 7, 3);
  check_sizes<Columns, Matrix<std::int8_t, Dynamic, 1>>(5, 7, 1);
  check_sizes<Matrix<std::int8_t, Dynamic, 1>, Matrix<std::int8_t, 1, Dynamic>>(5, 1, 3);
  check_sizes<Array<std::int8_t, Dynamic, Dynamic>, Array<std::int8_t, 7, Dynamic, RowMajor>>(5, 7, 3);
}

TEST_CASE("the deepest product that int32 holds is exact at its extremes, one deeper is refused", "[eigen]") {
  const auto deep = [](Index depth, std::int32_t z_a, std::int8_t a, std::int32_t z_b, std::int8_t b) {
    return product(QMatrix<Rows>{Rows::Constant(2, depth, a), QParams::per_tensor(1, z_a)},
                   QMatrix<Columns>{Columns::Constant(depth, 3, b), QParams::per_tensor(1, z_b)});
  };
  CHECK(deep(33025, -128, 127, 127, -128)(1, 2) == -33025 * 255 * 255);
  CHECK(deep(33025, 127, -128, 127, -128)(1, 2) == 33025 * 255 * 255);
  CHECK_THROWS_WITH(deep(33026, 0, 0, -128, 0), ContainsSubstring("a sum of 33026 products") &&
                                                    ContainsSubstring("can overflow int32; at most 33025 fit"));
  CHECK(deep(65793, -128, 127, 0, -128)(1, 2) == -65793 * 255 * 128);
  CHECK_THROWS_AS(deep(65794, 0, 0, 0, 0), stet::Error);
}

TEST_CASE("products that mean nothing are refused", "[eigen]") {
  const auto whole = Granularity::per_tensor();
  const QMatrix<Columns> a{codes<Columns>(3, 4, 1), params(whole, 1, {0})},
      b{codes<Columns>(4, 2, 1), params(whole, 1, {0})};
  CHECK_THROWS_WITH(product(b, a),
                    ContainsSubstring("a is a matrix [4,2], b [3,4]: the columns of a must be the rows of b"));
  QMatrix<Columns> along = a;
  along.params = params(Granularity::per_column(), 4, {0});
  CHECK_THROWS_WITH(product(along, b),
                    ContainsSubstring("a is quantized per channel of axis 1, so its scale changes along the sum"));
  along = b;
  along.params = params(Granularity::per_row(), 4, {0});
  CHECK_THROWS_WITH(product(a, along), ContainsSubstring("b is quantized per channel of axis 0"));
  along.params = params(Granularity::per_column(), 3, {0});
  CHECK_THROWS_WITH(product(a, along), ContainsSubstring("tensor [4,2] needs 2 scales"));
  along.params = QParams::per_tensor(1, 0, Grid::uint8());
  CHECK_THROWS_WITH(product(a, along), ContainsSubstring("the grid 0..255 of b does not fit int8"));
}

TEST_CASE("a product without depth is zero, without rows or columns empty", "[eigen]") {
  const auto empty = [](Index rows, Index depth, Index columns) {
    return product(QMatrix<Columns>{Columns(rows, depth), QParams::per_tensor(1, 5)},
                   QMatrix<Columns>{Columns(depth, columns), QParams::per_tensor(1, 5)});
  };
  CHECK(empty(2, 0, 3) == MatrixXi::Zero(2, 3));
  CHECK(empty(0, 4, 3).cols() == 3);
  CHECK(empty(3, 4, 0).rows() == 3);
}

TEST_CASE("an integer layer and the product of matrices have the same accumulators", "[eigen]") {
  const QMatrix<Rows> x{codes<Rows>(6, 20, 3), params(Granularity::per_tensor(), 1, {-11})};
  const QMatrix<Rows> w{codes<Rows>(5, 20, 4), params(Granularity::per_row(), 5, {0})};  // [outputs, inputs]
  Matrix<std::int32_t, Dynamic, Dynamic, RowMajor> layer(6, 5);
  stet::integer::linear(stet::to_tensor(x.codes), -11, stet::integer::ConvolutionWeights(stet::to_tensor(w.codes)),
                        [&](std::int64_t first, std::int64_t count, const std::int32_t* acc, std::int64_t stride) {
                          std::copy_n(acc, count * stride, layer.data() + first * stride);
                        });
  const Columns transposed = w.codes.transpose();
  CHECK(product(x, QMatrix<Columns>{transposed, params(Granularity::per_column(), 5, {0})}) == layer);
}

}  // namespace product_test
