// Arithmetic on the tape: values, and gradients against finite differences.
#include <stet/ops/arithmetic.hpp>
#include <stet/ops/shape.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <cmath>

namespace arithmetic_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet::testing::check_gradient;
using stet_test::distinct;
using stet_test::uniform;

TEST_CASE("operators on the tape compute what they say, with numbers and with each other", "[ops]") {
  Tape tape;
  const auto a = tape.constant(uniform({2, 3}, 1, 0.5, 2.5)), b = tape.constant(uniform({3}, 2, 0.5, 2.5));
  const auto expect = [&](const Var<Tensor<double>>& y, auto f) {
    REQUIRE(y.shape() == Shape{2, 3});
    for (std::int64_t i = 0; i < 2; ++i) {
      for (std::int64_t j = 0; j < 3; ++j) CHECK(y.value()(i, j) == Approx(f(a.value()(i, j), b.value()(j))).epsilon(1e-14));
    }
  };
  expect(a + b, [](double l, double r) { return l + r; });
  expect(a - b, [](double l, double r) { return l - r; });
  expect(a * b, [](double l, double r) { return l * r; });
  expect(a / b, [](double l, double r) { return l / r; });
  expect(2 + a * 3 - 1, [](double l, double) { return 3 * l + 1; });
  expect(1 - a / 4, [](double l, double) { return 1 - l / 4; });
  expect(2 / a, [](double l, double) { return 2 / l; });
  expect(-a + 0 * a, [](double l, double) { return -l; });
  expect(exp(a), [](double l, double) { return std::exp(l); });
  expect(log(a), [](double l, double) { return std::log(l); });
  expect(sqrt(a), [](double l, double) { return std::sqrt(l); });
  expect(abs(a - 1), [](double l, double) { return std::abs(l - 1); });
}

TEST_CASE("gradients of arithmetic are those of finite differences", "[ops]") {
  const Tensor<double> a = uniform({2, 3}, 3, 0.5, 2.5), b = uniform({3}, 4, 0.5, 2.5);
  const auto ok = [](const char* name, const stet::testing::GradientReport& report) {
    INFO(name << "\n" << report.str());
    CHECK(report.ok());
  };
  ok("div", check_gradient([](auto x, auto y) { return x / y; }, {a, b}));
  ok("div, the divisor larger", check_gradient([](auto x, auto y) { return y / x; }, {a, b}));
  ok("operators", check_gradient([](auto x, auto y) { return (x + y) * (x - y) - 2 * x / (1 + y * y) + 3 - y; }, {a, b}));
  ok("numbers", check_gradient([](auto x) { return 1 - x / 4 + 2 / x - (-x) * 0.5 + (x - 7); }, {a}));
  ok("exp", check_gradient([](auto x) { return exp(x); }, {a}));
  ok("log", check_gradient([](auto x) { return log(x); }, {a}));
  ok("sqrt", check_gradient([](auto x) { return sqrt(x); }, {a}));
  ok("abs", check_gradient([](auto x) { return abs(x); }, {distinct({3, 4}, 1)}));
  ok("slice", check_gradient([](auto x) { return slice(x, -1, 1, 3) * 2; }, {a}));
}

TEST_CASE("a slice is a part of its axis, and its gradient goes back there", "[ops]") {
  Tape tape;
  const auto x = tape.variable(uniform({3, 4, 2}, 5));
  const auto y = slice(x, 1, 1, 3);
  REQUIRE(y.shape() == Shape{3, 2, 2});
  CHECK(y.value()(2, 1, 0) == x.value()(2, 2, 0));
  CHECK(slice(x, -1, 0, 2).value().shape() == x.shape());
  CHECK(slice(x, 0, 2, 2).value().empty());
  tape.backward(y, Tensor<double>::filled(y.shape(), 1.0));
  const Tensor<double> dx = tape.gradient(x);
  for (std::int64_t j = 0; j < 4; ++j) CHECK(dx(0, j, 1) == (j == 1 || j == 2 ? 1.0 : 0.0));
  CHECK_THROWS_WITH(slice(x, 1, 2, 5), ContainsSubstring("slice: 3 elements from 2 with step 1 are no part of axis 1 of [3,4,2]"));
  CHECK_THROWS_WITH(slice(x, 3, 0, 1), ContainsSubstring("slice: axis 3 does not exist"));
}

}  // namespace arithmetic_test
