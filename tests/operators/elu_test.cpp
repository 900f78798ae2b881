// The exponential linear unit and softplus: values, gradient, training, files.

#include <stet/operators/elu/graph.hpp>
#include <stet/operators/softplus/graph.hpp>

#include "operators/function_checks.hpp"

namespace elu_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using graph::op::Elu;
using graph::op::Softplus;

TEST_CASE("elu and softplus have the values of PyTorch and the slope of their differences", "[operators]") {
  CHECK(scalar_function(Elu{})->value(-1.0) == Approx(-0.6321205588285577).epsilon(1e-14));
  CHECK(scalar_function(Elu{0.5f})->value(-1.0) == Approx(-0.31606027941427883).epsilon(1e-14));
  CHECK(scalar_function(Elu{})->value(2.5) == 2.5);
  CHECK(scalar_function(Softplus{})->value(0.0) == Approx(0.6931471805599453).epsilon(1e-14));
  CHECK(scalar_function(Softplus{})->value(-800.0) == 0.0);
  CHECK(scalar_function(Softplus{})->value(800.0) == 800.0);
  check_derivative(scalar_function(Elu{}), -6.0, -0.01);
  check_derivative(scalar_function(Elu{0.7f}), 0.01, 6.0);
  check_derivative(scalar_function(Softplus{}), -30.0, 30.0);
  Graph g;
  CHECK_THROWS_WITH(elu(g.input({4}), {.alpha = NAN}), ContainsSubstring("must be finite"));
}

TEST_CASE("elu and softplus train, evaluate and run with the same codes on every target", "[operators][bits]") {
  check_function_codes([](const graph::Value& x) { return elu(x, {.alpha = 0.7f}); });
  check_function_codes([](const graph::Value& x) { return softplus(x); });
}

TEST_CASE("elu and softplus come back from files", "[operators]") {
  check_function_files([](const graph::Value& x) { return elu(x); }, "elu");
  check_function_files([](const graph::Value& x) { return elu(x, {.alpha = 0.7f}); }, "elu", "elu with alpha 1 alone");
  check_function_files([](const graph::Value& x) { return softplus(x); }, "softplus", "no softplus for floats");
}

}  // namespace elu_test
