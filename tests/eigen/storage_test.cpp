// Storage order, sizes, kind and type of a matrix change nothing but the type of the result.
#include <stet/eigen.hpp>

#include "eigen/check_matrix.hpp"

namespace storage_test {

using namespace Eigen;
using stet_test::check_matrix;
using stet_test::numbers;

namespace {

// The sizes of M, or 5 rows and 8 columns where they are dynamic.
template <class M>
M filled() {
  return numbers<M>(M::RowsAtCompileTime == Dynamic ? 5 : M::RowsAtCompileTime,
                    M::ColsAtCompileTime == Dynamic ? 8 : M::ColsAtCompileTime);
}

template <class T>
struct Of {
  using Columns = Matrix<T, Dynamic, Dynamic, ColMajor>;
  using Rows = Matrix<T, Dynamic, Dynamic, RowMajor>;
  using FixedColumns = Matrix<T, 5, 8, ColMajor>;
  using FixedRows = Matrix<T, 5, 8, RowMajor>;
  using FixedHeight = Matrix<T, 5, Dynamic, ColMajor>;
  using FixedWidth = Matrix<T, Dynamic, 8, RowMajor>;
  using Bounded = Matrix<T, Dynamic, Dynamic, ColMajor, 6, 9>;
  using ArrayColumns = Array<T, Dynamic, Dynamic, ColMajor>;
  using ArrayRows = Array<T, Dynamic, Dynamic, RowMajor>;
  using FixedArray = Array<T, 5, 8, ColMajor>;
  using Column = Matrix<T, Dynamic, 1>;
  using Row = Matrix<T, 1, Dynamic>;
  using FixedColumn = Matrix<T, 5, 1>;
  using FixedRow = Matrix<T, 1, 8>;
};
using F = Of<float>;
using D = Of<double>;

}  // namespace

TEMPLATE_TEST_CASE("a matrix of float is [rows, columns] in any storage", "[eigen]", F::Columns, F::Rows,
                   F::FixedColumns, F::FixedRows, F::FixedHeight, F::FixedWidth, F::Bounded, F::ArrayColumns,
                   F::ArrayRows, F::FixedArray, F::Column, F::Row, F::FixedColumn, F::FixedRow) {
  check_matrix(filled<TestType>());
}

TEMPLATE_TEST_CASE("a matrix of double is [rows, columns] in any storage", "[eigen]", D::Columns, D::Rows,
                   D::FixedColumns, D::FixedRows, D::ArrayColumns, D::FixedArray, D::Column, D::Row) {
  check_matrix(filled<TestType>());
}

}  // namespace storage_test
