// What an Eigen user writes first, one call after the other, and what is said where a call is a mistake.
#include <stet/eigen.hpp>
#include <stet/quant/mse_observer.hpp>
#include <stet/quant/observer.hpp>

#include "eigen/check_matrix.hpp"

namespace calls_test {

using namespace Eigen;
using stet::Errc;
using stet::Granularity;
using stet::Grid;
using stet::QParams;
using stet_test::numbers;
using stet_test::row_by_row;

namespace {

using Rows = Matrix<float, Dynamic, Dynamic, RowMajor>;

template <class F>
std::string message_of(Errc code, F f) {
  try {
    f();
  } catch (const stet::Error& e) {
    CHECK(e.code() == code);
    CHECK(std::string(e.what()).find('\n') == std::string::npos);
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("sixteen natural calls of an Eigen user", "[eigen]") {
  const MatrixXf w = numbers<MatrixXf>(4, 6), x = numbers<MatrixXf>(6, 3);
  const ArrayXXd doubles = numbers<ArrayXXd>(3, 5);

  const stet::Range range = stet::min_max(w);  // 1
  CHECK(range == stet::Range{w.minCoeff(), w.maxCoeff()});
  const std::vector<stet::Range> ranges = stet::min_max(w, Granularity::per_row());  // 2
  for (int i = 0; i < 4; ++i)
    CHECK(ranges[static_cast<std::size_t>(i)] == stet::Range{w.row(i).minCoeff(), w.row(i).maxCoeff()});
  stet::MovingAverageObserver observer(Granularity::per_column(), 0.5f);
  stet::observe(observer, w);  // 3
  CHECK(observer.ranges()[5] == stet::Range{w.col(5).minCoeff(), w.col(5).maxCoeff()});
  const QParams p = stet::choose_qparams(x, Grid::int8());  // 4
  CHECK(p == stet::choose_qparams(stet::min_max(x), Grid::int8()));
  const QParams p_w = stet::weight_qparams(w, Granularity::per_row());  // 5
  CHECK(p_w.scale.size() == 4);
  CHECK(p_w.scale[1] == w.row(1).cwiseAbs().maxCoeff() / 127);
  const MatrixXf w_rounded = stet::fake_quantize(w, p_w);  // 6
  CHECK((w_rounded - w).cwiseAbs().rowwise().maxCoeff()[1] <= p_w.scale[1] / 2);
  const MatrixXf y_rounded = stet::fake_quantize(w * x, p);  // 7: an expression
  CHECK(y_rounded == stet::fake_quantize(MatrixXf(w * x), p));
  const MatrixXf corner = stet::fake_quantize(w.block(1, 2, 2, 3), p);  // 8: strides
  CHECK(corner == stet::fake_quantize(w, p).block(1, 2, 2, 3));
  const ArrayXXd a =
      stet::fake_quantize(doubles, stet::choose_qparams(doubles, Grid::int8()));  // 9: an array of double
  CHECK(a.isApprox(doubles, 0.01));
  const MatrixXf dw = stet::fake_quantize_backward(w, MatrixXf::Ones(4, 6), p_w);  // 10
  CHECK(dw == MatrixXf::Ones(4, 6));
  const auto q_w = stet::quantize(w, p_w);  // 11
  CHECK(q_w.codes.cast<int>().cwiseAbs().rowwise().maxCoeff() == VectorXi::Constant(4, 127));
  CHECK(MatrixXf(stet::dequantize(q_w)) == w_rounded);  // 12
  const auto q_x = stet::quantize(x, p);
  const MatrixXi sums = stet::product(q_w, q_x);  // 13
  CHECK(sums == q_w.codes.cast<int>() * (q_x.codes.cast<int>().array() - p.zero_point[0]).matrix());
  const stet::Tensor<float> t = stet::to_tensor(w);  // 14
  CHECK(t.shape() == stet::Shape{4, 6});
  CHECK(stet::map(t) == w);  // 15
  stet::Tape tape;
  const auto v = tape.variable(w);  // 16
  CHECK(v.value().span()[1] == w(0, 1));
}

TEST_CASE("per row of a column-major W(out, in) is per output, with axis 0 too", "[eigen]") {
  const MatrixXf w = numbers<MatrixXf>(3, 5);
  const Rows same = w;
  for (const int axis : {0, 1}) {
    const Granularity g = Granularity::per_channel(axis);
    const QParams p = stet::weight_qparams(w, g);
    CHECK(p == stet::weight_qparams(same, g));
    CHECK(p.scale.size() == (axis == 0 ? 3 : 5));
    CHECK(MatrixXf(stet::fake_quantize(same, p)) == stet::fake_quantize(w, p));
    const stet::Tensor<float> t = stet::fake_quantize(stet::to_tensor(w), p);  // the same parameters fit the tensor
    CHECK(stet::map(t) == stet::fake_quantize(w, p));
  }
}

TEST_CASE("an observer of any type sees rows and columns, in any order of memory", "[eigen]") {
  const MatrixXf m = numbers<MatrixXf>(6, 40);
  const Rows same = m;
  for (const Granularity& g : {Granularity::per_row(), Granularity::per_column(), Granularity::per_group(8)}) {
    for (stet::AnyObserver wanted :
         {stet::AnyObserver(stet::MovingAverageObserver(g)), stet::AnyObserver(stet::MseObserver(g))}) {
      stet::AnyObserver columns = wanted, rows = wanted, doubles = wanted;
      wanted.observe(row_by_row(m), stet::Shape{6, 40});
      stet::observe(columns, m);
      stet::observe(rows, same);
      stet::observe(doubles, m.cast<double>());
      CHECK(columns.ranges() == wanted.ranges());
      CHECK(rows.ranges() == wanted.ranges());
      CHECK(doubles.ranges() == wanted.ranges());
    }
  }
}

TEST_CASE("what does not fit is said in rows and columns, in one line", "[eigen]") {
  const MatrixXf m = numbers<MatrixXf>(3, 5);
  const QParams per_row = stet::weight_qparams(m, Granularity::per_row());
  const QParams one = QParams::per_tensor(0.1f, 0);
  CHECK(message_of(Errc::shape, [&] { stet::fake_quantize(m.transpose(), per_row); }) ==
        "fake_quantize: tensor [5,3] needs 5 scales and zero points, got 3 and 3");
  CHECK(message_of(Errc::shape, [&] { stet::quantize(numbers<Rows>(5, 3), per_row); }) ==
        "quantize: tensor [5,3] needs 5 scales and zero points, got 3 and 3");
  CHECK(message_of(Errc::shape, [&] { stet::min_max(m, Granularity::per_channel(2)); }) ==
        "per_channel: axis 2 does not exist in [3,5]");
  CHECK(message_of(Errc::shape, [&] {
          stet::choose_qparams(m, Grid::int8(), {.granularity = Granularity::per_group(2)});
        }) == "per_group: group size 2 does not divide the last dimension of [3,5]");
  CHECK(message_of(Errc::shape, [&] { stet::fake_quantize_backward(m, m.transpose(), one); }) ==
        "fake_quantize_backward: x is a matrix [3,5], dy [5,3]");
  CHECK(message_of(Errc::state, [&] { stet::min_max(MatrixXf(0, 3)); }) == "min_max: there are no values");
  CHECK(message_of(Errc::range, [&] { stet::min_max(m / 0.0f); }).find("15 values are NaN or infinite") !=
        std::string::npos);
  CHECK(message_of(Errc::range, [&] { stet::quantize(m, QParams::per_tensor(0.1f, 128, Grid::uint8())); }) ==
        "quantize: the grid 0..255 does not fit codes of -128..127");
  CHECK(message_of(Errc::unsupported, [&] {
          stet::quantize(m.cast<double>(), one, stet::CodeRounding::shift_then_round);
        }).find("say m.cast<float>()") != std::string::npos);
}

TEST_CASE("empty matrices are quantized to empty ones", "[eigen]") {
  const QParams p = QParams::per_tensor(0.1f, 0);
  CHECK(stet::fake_quantize(MatrixXf(0, 3), p).cols() == 3);
  CHECK(stet::quantize(MatrixXf(2, 0), p).rows() == 2);
  CHECK(stet::to_tensor(MatrixXf(0, 3)).shape() == stet::Shape{0, 3});
}

}  // namespace calls_test
