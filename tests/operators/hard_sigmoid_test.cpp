// The hard sigmoid: values, gradient, training, files.

#include <stet/operators/hard_sigmoid/graph.hpp>

#include "operators/function_checks.hpp"

namespace hard_sigmoid_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;
using graph::op::HardSigmoid;

TEST_CASE("hard_sigmoid is a line between 0 and 1", "[operators]") {
  const auto f = scalar_function(HardSigmoid{});
  // torch.nn.functional.hardsigmoid
  CHECK(f->value(-4.0) == 0.0);
  CHECK(f->value(1.5) == Approx(0.75).margin(1e-7));
  CHECK(f->value(3.5) == 1.0);
  CHECK(f->derivative(-3.5) == 0.0);
  CHECK(f->derivative(3.5) == 0.0);
  check_derivative(f, -2.9, 2.9);
  check_derivative(scalar_function(HardSigmoid{0.2f, 0.4f}), -1.9, 2.9);
  Graph g;
  const auto x = g.input({4});
  CHECK_THROWS_WITH(hard_sigmoid(x, {.alpha = INFINITY}), ContainsSubstring("must be finite"));
  CHECK(graph::attributes(g.node(hard_sigmoid(x, {.alpha = 0.25f}).id()).op) == "alpha 0.25 beta 0.5");
}

TEST_CASE("hard_sigmoid trains, evaluates and runs with the same codes on every target", "[operators][bits]") {
  check_function_codes([](const graph::Value& x) { return hard_sigmoid(x); });
}

TEST_CASE("hard_sigmoid comes back from files", "[operators]") {
  check_function_files([](const graph::Value& x) { return hard_sigmoid(x); }, "hard_sigmoid");
  check_function_files([](const graph::Value& x) { return hard_sigmoid(x, {.alpha = 0.2f, .beta = 0.4f}); }, "hard_sigmoid");
}

}  // namespace hard_sigmoid_test
