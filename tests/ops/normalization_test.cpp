// Batch normalization: gradients, running statistics, precision, and the fused clamp.
#include <stet/ops/activation.hpp>
#include <stet/ops/normalization.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/tensors.hpp"
#include "support/catch.hpp"

namespace normalization_test {

using namespace stet;
using stet::testing::check_gradient;
using stet_test::equal;
using stet_test::uniform;

namespace {

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all{{7, 3}, {2, 3, 4, 5}, {3, 16}, {5, 33}, {40, 1}, {2, 3, 3, 32}};
  return all;
}

}  // namespace

TEST_CASE("batch_norm's gradients are those of finite differences", "[ops]") {
  for (const Shape& shape : shapes()) {
    CAPTURE(shape.str());
    const Shape c{shape.back()};
    const auto report = check_gradient(
        [&](auto x, auto gamma, auto beta) {
          Tensor<double> mean = Tensor<double>::zeros(c), variance = Tensor<double>::filled(c, 1);
          return batch_norm(x, gamma, beta, mean, variance);
        },
        {uniform(shape, 1), uniform(c, 2), uniform(c, 3)});
    INFO(report.str());
    CHECK(report.ok());
    const auto frozen = check_gradient(
        [&](auto x, auto gamma, auto beta) {
          return batch_norm_frozen(x, gamma, beta, uniform(c, 4), uniform(c, 5, 0.5, 2));
        },
        {uniform(shape, 1), uniform(c, 2), uniform(c, 3)});
    INFO(frozen.str());
    CHECK(frozen.ok());
  }
}

TEST_CASE("the fused clamp is the clamp after batch_norm", "[ops]") {
  for (const Shape& shape : shapes()) {
    CAPTURE(shape.str());
    const Shape c{shape.back()};
    for (const bool frozen : {false, true}) {
      for (const Clamp clamp : {Clamp::relu, Clamp::relu6}) {
        Tensor<double> y[2], dx[2], dgamma[2], dbeta[2], means[2], variances[2];
        for (const int fused : {0, 1}) {
          Tape tape;
          const auto x = tape.variable(uniform(shape, 1));
          const auto gamma = tape.variable(uniform(c, 2, 2, 5));
          const auto beta = tape.variable(uniform(c, 3, -1, 7));
          Tensor<double> mean = Tensor<double>::zeros(c), variance = Tensor<double>::filled(c, 0.3);
          const Clamp inside = fused == 1 ? clamp : Clamp::none;
          auto z = frozen ? batch_norm_frozen(x, gamma, beta, mean, variance, 1e-5, inside)
                          : batch_norm_clamp(x, gamma, beta, mean, variance, inside);
          if (fused == 0) z = clamp == Clamp::relu ? relu(z) : relu6(z);
          tape.backward(z, uniform(shape, 4));
          y[fused] = z.value();
          dx[fused] = tape.gradient(x);
          dgamma[fused] = tape.gradient(gamma);
          dbeta[fused] = tape.gradient(beta);
          means[fused] = mean;
          variances[fused] = variance;
        }
        CHECK(equal(y[0], y[1]));
        CHECK(equal(dx[0], dx[1]));
        CHECK(equal(dgamma[0], dgamma[1]));
        CHECK(equal(dbeta[0], dbeta[1]));
        CHECK(equal(means[0], means[1]));
        CHECK(equal(variances[0], variances[1]));
      }
    }
  }
}

TEST_CASE("batch_norm_relu's gradients are those of finite differences", "[ops]") {
  const Shape c{3};
  const auto report = check_gradient(
      [&](auto x, auto gamma, auto beta) {
        Tensor<double> mean = Tensor<double>::zeros(c), variance = Tensor<double>::filled(c, 1);
        return batch_norm_relu(x, gamma, beta, mean, variance);
      },
      {uniform({2, 3, 2, 3}, 1), uniform(c, 2, 1, 2), uniform(c, 3)});
  INFO(report.str());
  CHECK(report.ok());
}

TEST_CASE("moments survive a mean far from zero", "[ops]") {
  // The same numbers, moved by 4096 and so exact in float: the variance must not move.
  Tensor<float> x = uniform<float>({999, 3}, 1);
  Tensor<float> moved = x;
  for (float& v : x.edit()) v = std::round(v * 256) / 256;
  std::int64_t i = 0;
  for (float& v : moved.edit()) v = x[i++] + 4096;
  const Moments near = batch_moments(x), far = batch_moments(moved);
  for (std::int64_t c = 0; c < 3; ++c) {
    CHECK(far.variance[c] == Approx(near.variance[c]).epsilon(1e-12));
    CHECK(far.mean[c] - 4096 == Approx(near.mean[c]).margin(1e-12));
  }
}

TEST_CASE("running statistics take the unbiased variance with PyTorch's momentum", "[ops]") {
  Tape tape;
  Tensor<double> mean({1}, {2}), variance({1}, {3});
  const Tensor<double> before = mean;
  const Tensor<double> one({1}, {1});
  batch_norm(tape.constant(Tensor<double>({4, 1}, {1, 2, 3, 6})), tape.constant(one), tape.constant(one), mean,
             variance, {.momentum = 0.25});
  CHECK(mean[0] == 0.75 * 2 + 0.25 * 3);
  CHECK(variance[0] == Approx(0.75 * 3 + 0.25 * (14.0 / 3)));
  CHECK(before[0] == 2);
  batch_norm_frozen(tape.constant(Tensor<double>({4, 1}, {1, 2, 3, 6})), tape.constant(one), tape.constant(one), mean,
                    variance);
  CHECK(mean[0] == 0.75 * 2 + 0.25 * 3);
}

TEST_CASE("a channel that is constant normalizes to beta", "[ops]") {
  Tape tape;
  Tensor<float> mean({1}, {0}), variance({1}, {1});
  const auto x = tape.variable(Tensor<float>::filled({6, 1}, 0.1f));
  const auto y =
      batch_norm(x, tape.constant(Tensor<float>({1}, {3})), tape.constant(Tensor<float>({1}, {0.5f})), mean, variance);
  tape.backward(y, uniform<float>({6, 1}, 1));
  for (std::int64_t i = 0; i < 6; ++i) {
    CHECK(y.value()[i] == Approx(0.5f).epsilon(1e-4));
    CHECK(std::isfinite(tape.gradient(x)[i]));
  }
}

TEST_CASE("NaN stays in its channel", "[ops]") {
  Tape tape;
  Tensor<float> mean = Tensor<float>::zeros({2}), variance = Tensor<float>::filled({2}, 1);
  Tensor<float> x = uniform<float>({5, 2}, 1);
  x.edit()[4] = std::nanf("");
  const auto one = tape.constant(Tensor<float>::filled({2}, 1));
  const auto y = batch_norm_relu(tape.constant(x), one, one, mean, variance);
  CHECK(std::isnan(y.value()[0]));
  CHECK(std::isnan(mean[0]));
  CHECK(std::isfinite(y.value()[1]));
  CHECK(std::isfinite(mean[1]));
}

}  // namespace normalization_test
