// What is no matrix with memory of its own: maps, refs, blocks, expressions.
#include <stet/eigen.hpp>

#include "eigen/check_matrix.hpp"

namespace expressions_test {

using namespace Eigen;
using stet_test::check_matrix;
using stet_test::numbers;

namespace {

using Columns = MatrixXf;
using Rows = Matrix<float, Dynamic, Dynamic, RowMajor>;
using DoubleColumns = MatrixXd;
using DoubleRows = Matrix<double, Dynamic, Dynamic, RowMajor>;

template <class M>
bool in_place(const M& m) {
  return stet::detail::eigen::elements < M::IsRowMajor ? RowMajor : ColMajor > (m).span().data() == m.data();
}

}  // namespace

TEMPLATE_TEST_CASE("maps and refs are read where they lie", "[eigen]", Columns, Rows, DoubleColumns, DoubleRows) {
  using T = typename TestType::Scalar;
  const TestType m = numbers<TestType>(5, 8);
  CHECK(in_place(m));
  const Map<const TestType> map(m.data(), 5, 8);
  CHECK(in_place(map));
  check_matrix(map);
  const Ref<const TestType> ref(m);
  CHECK(in_place(ref));
  check_matrix(ref);
  TestType writable = m;
  check_matrix(Ref<TestType>(writable));

  // Every second element of every third line.
  const TestType large = numbers<TestType>(30, 30);
  const Map<const TestType, 0, Stride<Dynamic, Dynamic>> strided(large.data(), 5, 8, Stride<Dynamic, Dynamic>(90, 2));
  CHECK_FALSE(in_place(strided));
  check_matrix(strided);
  static_assert(std::is_same_v<typename decltype(strided)::Scalar, T>);
}

TEMPLATE_TEST_CASE("blocks are read in place where they are contiguous", "[eigen]", Columns, Rows) {
  const TestType m = numbers<TestType>(9, 12);
  const auto middle = m.block(2, 3, 5, 8);
  CHECK_FALSE(in_place(middle));
  check_matrix(middle);
  check_matrix(m.template topLeftCorner<4, 6>());
  const auto columns = m.middleCols(1, 4);
  CHECK(in_place(columns) == !TestType::IsRowMajor);
  check_matrix(columns);
  const auto rows = m.middleRows(1, 4);
  CHECK(in_place(rows) == bool{TestType::IsRowMajor});
  check_matrix(rows);
  check_matrix(m.col(3));
  check_matrix(m.row(3));
  check_matrix(m.diagonal());
}

TEMPLATE_TEST_CASE("expressions are evaluated once, to a matrix", "[eigen]", Columns, Rows) {
  const TestType m = numbers<TestType>(6, 6), n = numbers<TestType>(6, 4);
  check_matrix(m.transpose());
  check_matrix((2 * m + m.transpose()).eval().cwiseMax(0.0f));
  check_matrix(m.array() * 0.5f + 1.0f);
  check_matrix(m.template triangularView<Upper>().toDenseMatrix());
  check_matrix(TestType::Constant(3, 4, 0.75f));
  check_matrix(m.rowwise().reverse());
  // A product, whose elements cannot be asked for one by one.
  const stet::QParams p =
      stet::choose_qparams(m * n, stet::Grid::int8(), {.granularity = stet::Granularity::per_column()});
  CHECK(p ==
        stet::choose_qparams((m * n).eval(), stet::Grid::int8(), {.granularity = stet::Granularity::per_column()}));
  CHECK(stet::fake_quantize(m * n, p) == stet::fake_quantize((m * n).eval(), p));
  CHECK(stet::quantize(m * n, p).codes == stet::quantize((m * n).eval(), p).codes);
  const stet::Tensor<float> t = stet::to_tensor(m * n);
  CHECK(stet::map(t) == m * n);
}

}  // namespace expressions_test
