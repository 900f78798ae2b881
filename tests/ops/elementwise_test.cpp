// Elementwise operators: the laws of broadcasting, gradients, NaN.
#include <stet/ops/activation.hpp>
#include <stet/ops/elementwise.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/tensors.hpp"
#include "support/catch.hpp"

#include <limits>

namespace elementwise_test {

using namespace stet;
using stet::testing::check_gradient;
using stet_test::distinct;
using stet_test::equal;
using stet_test::uniform;

namespace {

struct Shapes {
  Shape a, b, y;
};

const std::vector<Shapes>& shapes() {
  static const std::vector<Shapes> all{
      {{3, 4}, {3, 4}, {3, 4}},
      {{2, 3, 4}, {4}, {2, 3, 4}},
      {{4}, {2, 3, 4}, {2, 3, 4}},
      {{2, 3, 4}, {}, {2, 3, 4}},
      {{}, {}, {}},
      {{2, 1, 4}, {3, 1}, {2, 3, 4}},
      {{2, 1, 3, 1}, {5, 1, 4}, {2, 5, 3, 4}},
      {{2, 3, 1, 4}, {2, 1, 5, 1}, {2, 3, 5, 4}},
      {{1, 1, 1}, {2, 3}, {1, 2, 3}},
      {{40, 1}, {1, 40}, {40, 40}},
      {{0, 3}, {3}, {0, 3}},
  };
  return all;
}

// Element of an operand at an index of the broadcast shape.
double at(const Tensor<double>& t, const Shape& whole, std::int64_t index) {
  std::int64_t offset = 0, stride = 1;
  for (int axis = whole.rank() - 1; axis >= 0; --axis) {
    const std::int64_t i = index % whole[axis];
    index /= whole[axis];
    const int own = axis - whole.rank() + t.shape().rank();
    if (own < 0) continue;
    offset += t.shape()[own] == 1 ? 0 : i * stride;
    stride *= t.shape()[own];
  }
  return t[offset];
}

}  // namespace

TEST_CASE("broadcasting repeats axes of size one", "[ops]") {
  for (const Shapes& s : shapes()) {
    CAPTURE(s.a.str(), s.b.str());
    Tape tape;
    const auto a = tape.constant(uniform(s.a, 1)), b = tape.constant(uniform(s.b, 2));
    const auto sums = add(a, b), differences = sub(a, b), products = mul(a, b);
    REQUIRE(sums.shape() == s.y);
    bool same = true;
    for (std::int64_t i = 0; i < s.y.elements(); ++i) {
      const double x = at(a.value(), s.y, i), y = at(b.value(), s.y, i);
      same = same && sums.value()[i] == x + y && differences.value()[i] == x - y && products.value()[i] == x * y;
    }
    CHECK(same);
    CHECK(equal(add(b, a).value(), sums.value()));
    CHECK(equal(mul(b, a).value(), products.value()));
  }
}

TEST_CASE("the gradient of broadcasting is the sum over what was repeated", "[ops]") {
  for (const Shapes& s : shapes()) {
    CAPTURE(s.a.str(), s.b.str());
    if (s.y.elements() > 200) continue;
    for (const int op : {0, 1, 2}) {
      const auto report =
          check_gradient([&](auto a, auto b) { return op == 0   ? add(a, b)
                                                      : op == 1 ? sub(a, b)
                                                                : mul(a, b); },
                         {uniform(s.a, 1), uniform(s.b, 2)});
      INFO(report.str());
      CHECK(report.ok());
    }
  }
}

TEST_CASE("an operator with both inputs the same value adds both gradients", "[ops]") {
  const auto square = check_gradient([](auto x) { return mul(x, x); }, {uniform({3, 5}, 1)});
  CHECK(square.ok());
  const auto zero = check_gradient([](auto x) { return sub(x, x); }, {uniform({3, 5}, 1)});
  CHECK(zero.ok());
}

TEST_CASE("the gradients of activations are those of finite differences", "[ops]") {
  const auto x = distinct({11, 13}, 1);  // -9 to 9, no whole numbers: no kink is hit
  const auto check = [&](const char* name, auto f) {
    const auto report = check_gradient(f, {x});
    INFO(name << "\n" << report.str());
    CHECK(report.ok());
  };
  check("relu", [](auto v) { return relu(v); });
  check("relu6", [](auto v) { return relu6(v); });
  check("leaky_relu", [](auto v) { return leaky_relu(v, 0.2); });
  check("sigmoid", [](auto v) { return sigmoid(v); });
  check("tanh", [](auto v) { return tanh(v); });
  check("hard_swish", [](auto v) { return hard_swish(v); });
}

TEST_CASE("activations have their values at the kinks and far out", "[ops]") {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor<float> x({7}, {-inf, -3, 0, 3, 6, 100, inf});
  CHECK(equal(relu_forward(x), Tensor<float>({7}, {0, 0, 0, 3, 6, 100, inf})));
  CHECK(equal(relu6_forward(x), Tensor<float>({7}, {0, 0, 0, 3, 6, 6, 6})));
  CHECK(equal(leaky_relu_forward(x, 0.5f), Tensor<float>({7}, {-inf, -1.5f, 0, 3, 6, 100, inf})));
  const Tensor<float> s = sigmoid_forward(x);
  CHECK(s[0] == 0);
  CHECK(s[2] == 0.5f);
  CHECK(s[6] == 1);
  CHECK(hard_swish_forward(x)[1] == 0);
  CHECK(hard_swish_forward(x)[3] == 3);
  CHECK(hard_swish_forward(x)[5] == 100);
  const Tensor<float> one = Tensor<float>::filled({7}, 1);
  CHECK(equal(relu_backward(relu_forward(x), one), Tensor<float>({7}, {0, 0, 0, 1, 1, 1, 1})));
  CHECK(equal(relu6_backward(relu6_forward(x), one), Tensor<float>({7}, {0, 0, 0, 1, 0, 0, 0})));
}

TEST_CASE("NaN stays NaN in activations", "[ops]") {
  for (const std::int64_t n : {1, 40}) {  // the tail of a loop and its vectors
    const Tensor<float> x = Tensor<float>::filled({n}, std::numeric_limits<float>::quiet_NaN());
    CHECK(std::isnan(relu_forward(x)[0]));
    CHECK(std::isnan(relu6_forward(x)[0]));
    CHECK(std::isnan(leaky_relu_forward(x, 0.1f)[0]));
    CHECK(std::isnan(sigmoid_forward(x)[0]));
    CHECK(std::isnan(tanh_forward(x)[0]));
    CHECK(std::isnan(hard_swish_forward(x)[0]));
  }
}

}  // namespace elementwise_test
