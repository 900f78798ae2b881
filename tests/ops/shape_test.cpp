// Operators that move elements, and reductions.
#include <stet/ops/reduction.hpp>
#include <stet/ops/shape.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/tensors.hpp"
#include "support/catch.hpp"

namespace shape_test {

using namespace stet;
using stet::testing::check_gradient;
using stet_test::equal;
using stet_test::uniform;

namespace {

template <class F, std::size_t N>
void check(const char* name, F f, const Tensor<double> (&inputs)[N]) {
  const auto report = check_gradient(f, inputs);
  INFO(name << "\n" << report.str());
  CHECK(report.ok());
}

}  // namespace

TEST_CASE("the gradients of shape operators are those of finite differences", "[ops]") {
  check("reshape", [](auto x) { return reshape(x, {3, 8}); }, {uniform({2, 3, 4}, 1)});
  check("flatten", [](auto x) { return flatten(x); }, {uniform({2, 3, 4}, 1)});
  check("transpose", [](auto x) { return transpose(x, {2, 0, 3, 1}); }, {uniform({2, 3, 4, 2}, 1)});
  check("pad", [](auto x) { return pad(x, {{0, 0}, {1, 2}, {3, 0}}, 0.5); }, {uniform({2, 3, 4}, 1)});
  check("concat, last axis", [](auto a, auto b) { return concat(a, b); },
        {uniform({2, 3, 4}, 1), uniform({2, 3, 1}, 2)});
  check("concat, first axis", [](auto a, auto b) { return concat(a, b, 0); }, {uniform({2, 3}, 1), uniform({4, 3}, 2)});
  check("concat, three",
        [](auto a, auto b, auto c) {
          return concat(std::vector{a, b, c}, 1);
        },
        {uniform({2, 3, 2}, 1), uniform({2, 1, 2}, 2), uniform({2, 2, 2}, 3)});
}

TEST_CASE("the gradients of reductions are those of finite differences", "[ops]") {
  const std::vector<std::vector<int>> lists{{}, {0}, {2}, {-1}, {0, 2}, {1}, {2, 1}, {0, 1, 2}};
  for (const auto& axes : lists) {
    check("sum", [&](auto x) { return sum(x, axes); }, {uniform({2, 3, 4}, 1)});
    check("mean", [&](auto x) { return mean(x, axes); }, {uniform({2, 3, 4}, 1)});
  }
  check("sum of a scalar", [&](auto x) { return sum(x); }, {uniform({}, 1)});
}

TEST_CASE("a reduction drops its axes and adds along them", "[ops]") {
  Tape tape;
  const auto x = tape.constant(Tensor<double>({2, 3, 2}, {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60}));
  CHECK(equal(sum(x).value(), Tensor<double>({}, {231})));
  CHECK(equal(sum(x, {1}).value(), Tensor<double>({2, 2}, {9, 12, 90, 120})));
  CHECK(equal(sum(x, {0, -1}).value(), Tensor<double>({3}, {33, 77, 121})));
  CHECK(equal(mean(x, {0}).value(), Tensor<double>({3, 2}, {5.5, 11, 16.5, 22, 27.5, 33})));
}

TEST_CASE("transposing twice with inverse orders changes nothing", "[ops]") {
  const auto x = uniform({2, 3, 4, 5}, 1);
  const int order[] = {3, 1, 0, 2}, inverse[] = {2, 1, 3, 0};
  const auto y = transpose_forward<double>(x, order);
  CHECK(y.shape() == Shape{5, 3, 2, 4});
  CHECK(y[((4 * 3 + 2) * 2 + 1) * 4 + 3] == x[((1 * 3 + 2) * 4 + 3) * 5 + 4]);
  CHECK(equal(transpose_forward<double>(y, inverse), x));
}

TEST_CASE("padding surrounds with the value and works on codes", "[ops]") {
  const Margin margins[] = {{1, 0}, {0, 2}};
  CHECK(equal(pad_forward<std::int8_t>(Tensor<std::int8_t>({1, 2}, {5, 6}), margins, -7),
              Tensor<std::int8_t>({2, 4}, {-7, -7, -7, -7, 5, 6, -7, -7})));
}

TEST_CASE("concat keeps the order of its parts, on codes too", "[ops]") {
  const Tensor<std::int8_t> parts[] = {Tensor<std::int8_t>({2, 1}, {1, 2}), Tensor<std::int8_t>({2, 2}, {3, 4, 5, 6})};
  CHECK(equal(concat_forward<std::int8_t>(parts, 1), Tensor<std::int8_t>({2, 3}, {1, 3, 4, 2, 5, 6})));
  const Tensor<std::int8_t> empty[] = {Tensor<std::int8_t>(Shape{0, 2}), Tensor<std::int8_t>({1, 2}, {3, 4})};
  CHECK(equal(concat_forward<std::int8_t>(empty, 0), Tensor<std::int8_t>({1, 2}, {3, 4})));
}

}  // namespace shape_test
