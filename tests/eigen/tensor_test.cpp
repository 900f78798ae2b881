// Matrices become tensors, tensors are seen as matrices, and matrices enter the tape.
#include <stet/eigen.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/loss.hpp>
#include <stet/qat/fake_quantize.hpp>

#include "eigen/check_matrix.hpp"

namespace tensor_test {

using namespace Eigen;
using Catch::Matchers::ContainsSubstring;
using stet::Shape;
using stet::Tensor;
using stet_test::numbers;

TEST_CASE("a tensor is seen as a matrix without a copy", "[eigen]") {
  const Tensor<float> t({2, 2, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  const auto m = stet::map(t);
  CHECK(m.data() == t.data());
  CHECK(m.rows() == 4);
  CHECK(m(3, 1) == 10);
  using Fixed = Matrix<float, 4, 3, RowMajor>;
  CHECK(stet::map<Fixed>(t).data() == t.data());
  CHECK_THROWS_WITH((stet::map<Matrix<float, 3, 4, RowMajor>>(t)),
                    ContainsSubstring("a tensor [2,2,3] is a matrix of 4 rows and 3 columns"));

  const Tensor<double> line({3}, {1, 2, 3});
  CHECK(stet::map(line).rows() == 1);
  CHECK(stet::map<RowVectorXd>(line) == RowVector3d(1, 2, 3));
  CHECK(stet::map<VectorXd>(line) == Vector3d(1, 2, 3));
  CHECK(stet::map<Vector3d>(line) == Vector3d(1, 2, 3));
  CHECK_THROWS_AS(stet::map<VectorXf>(t), stet::Error);
  const Tensor<float> scalar({}, {7}), none(Shape{0, 3}), flat(Shape{3, 0});
  CHECK(stet::map(scalar)(0, 0) == 7);
  CHECK(stet::map(none).cols() == 3);
  CHECK(stet::map(flat).rows() == 3);
}

TEST_CASE("edit writes a tensor in place, and copies first what others share", "[eigen]") {
  Tensor<float> t({2, 3}, {0, 1, 2, 3, 4, 5});
  const float* memory = t.data();
  stet::edit(t).row(1) *= 2;
  CHECK(t.data() == memory);
  CHECK(t[5] == 10);
  const Tensor<float> kept = t;
  stet::edit(t).setZero();
  CHECK(kept[5] == 10);
  CHECK(t[5] == 0);
  stet::edit<Matrix<float, 2, 3, RowMajor>>(t) << 1, 2, 3, 4, 5, 6;
  CHECK(t[3] == 4);
}

TEST_CASE("matrix, tensor, matrix", "[eigen]") {
  const MatrixXf m = numbers<MatrixXf>(3, 4);
  const Tensor<float> t = stet::to_tensor(m);
  CHECK(t[1] == m(0, 1));
  CHECK(MatrixXf(stet::map(t)) == m);
  const VectorXd v = numbers<VectorXd>(5, 1);
  const Tensor<double> of_v = stet::to_tensor(v);
  CHECK(of_v.shape() == Shape{5});
  CHECK(stet::map<VectorXd>(of_v) == v);
  CHECK(stet::to_tensor(v.transpose()).shape() == Shape{5});
  CHECK(stet::to_tensor(MatrixXd(v)).shape() == Shape{5, 1});
  CHECK(stet::to_tensor(MatrixXi::Identity(2, 2)).span()[3] == 1);
  CHECK(stet::to_tensor(m.leftCols(2) * 2.0f).span()[2] == 2 * m(1, 0));
}

TEST_CASE("matrices are values on the tape", "[eigen]") {
  const MatrixXf w = numbers<MatrixXf>(2, 3), x = numbers<MatrixXf>(4, 3);
  stet::Tape tape;
  const auto vw = tape.variable(w);
  static_assert(std::is_same_v<std::remove_cvref_t<decltype(vw)>, stet::Var<Tensor<float>>>);
  const auto y = linear(tape.constant(x), vw);  // x w^T
  CHECK(stet::map(y.value()).isApprox(x * w.transpose()));
  const MatrixXf dy = numbers<MatrixXf>(4, 2);
  tape.backward(y, stet::to_tensor(dy));
  CHECK(stet::map(tape.gradient(vw)).isApprox(dy.transpose() * x));
}

TEST_CASE("maps, refs, blocks and expressions enter the tape as what they are at that moment", "[eigen]") {
  MatrixXf m = numbers<MatrixXf>(4, 5);
  stet::Tape tape;
  const Ref<const MatrixXf> ref = m;
  const Map<MatrixXf> map(m.data(), 4, 5);
  const auto a = tape.variable(ref), b = tape.variable(map), c = tape.constant(m.block(1, 1, 2, 3)),
             d = tape.variable(m * m.transpose());
  const auto e = tape.variable(m.col(2).array().cast<double>());
  const MatrixXf before = m;
  m.setZero();
  CHECK(stet::map(a.value()) == before);
  CHECK(stet::map(b.value()) == before);
  CHECK(stet::map(c.value()) == before.block(1, 1, 2, 3));
  CHECK(stet::map(d.value()) == before * before.transpose());
  CHECK(e.shape() == Shape{4});
  CHECK_FALSE(c.wanted());
}

TEST_CASE("gradients of fake quantization agree with the tape's", "[eigen]") {
  const MatrixXf w = numbers<MatrixXf>(4, 6), dy = numbers<MatrixXf>(4, 6);
  const stet::QParams p = stet::QParams::per_tensor(0.01f, 3);
  stet::Tape tape;
  const auto v = tape.variable(w);
  const auto y = fake_quantize(v, p);
  CHECK(stet::map(y.value()) == stet::fake_quantize(w, p));
  tape.backward(y, stet::to_tensor(dy));
  CHECK(stet::map(tape.gradient(v)) == stet::fake_quantize_backward(w, dy, p));
}

}  // namespace tensor_test
