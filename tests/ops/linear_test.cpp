// Linear layers and matrix products.
#include <stet/ops/linear.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/tensors.hpp"
#include "support/catch.hpp"

namespace linear_test {

using namespace stet;
using stet::testing::check_gradient;
using stet_test::equal;
using stet_test::uniform;
using stet_test::whole;

TEST_CASE("the gradients of linear and matmul are those of finite differences", "[ops]") {
  struct Sizes {
    std::int64_t rows, inputs, outputs;
  };
  for (const Sizes& s : {Sizes{1, 1, 1}, Sizes{3, 5, 2}, Sizes{9, 4, 17}, Sizes{2, 40, 3}}) {
    CAPTURE(s.rows, s.inputs, s.outputs);
    const auto x = uniform({s.rows, s.inputs}, 1);
    const auto plain =
        check_gradient([](auto v, auto w) { return linear(v, w); }, {x, uniform({s.outputs, s.inputs}, 2)});
    INFO(plain.str());
    CHECK(plain.ok());
    const auto biased = check_gradient([](auto v, auto w, auto b) { return linear(v, w, b); },
                                       {x, uniform({s.outputs, s.inputs}, 2), uniform({s.outputs}, 3)});
    INFO(biased.str());
    CHECK(biased.ok());
    const auto product =
        check_gradient([](auto a, auto b) { return matmul(a, b); }, {x, uniform({s.inputs, s.outputs}, 2)});
    INFO(product.str());
    CHECK(product.ok());
  }
}

TEST_CASE("linear is its definition beyond every block size", "[ops]") {
  const auto x = whole<float>({300, 1030}, 1, -3, 3);
  const auto w = whole<float>({45, 1030}, 2, -3, 3);
  const auto b = whole<float>({45}, 3, -3, 3);
  const auto y = linear_forward(x, w, &b);
  const auto dy = whole<float>({300, 45}, 4, -3, 3);
  const auto dw = linear_backward_weight(x, dy);
  const auto dx = linear_backward_input(dy, w);
  bool same = true;
  for (std::int64_t n = 0; n < 300; n += 7) {
    for (std::int64_t o = 0; o < 45; ++o) {
      float sum = b[o];
      for (std::int64_t i = 0; i < 1030; ++i) sum += x[n * 1030 + i] * w[o * 1030 + i];
      same = same && sum == y[n * 45 + o];
    }
    for (std::int64_t i = 0; i < 1030; ++i) {
      float sum = 0;
      for (std::int64_t o = 0; o < 45; ++o) sum += dy[n * 45 + o] * w[o * 1030 + i];
      same = same && sum == dx[n * 1030 + i];
    }
  }
  for (std::int64_t o = 0; o < 45; o += 11) {
    for (std::int64_t i = 0; i < 1030; ++i) {
      float sum = 0;
      for (std::int64_t n = 0; n < 300; ++n) sum += dy[n * 45 + o] * x[n * 1030 + i];
      same = same && sum == dw[o * 1030 + i];
    }
  }
  CHECK(same);
}

TEST_CASE("linear's weight gradient takes codes for the input", "[ops]") {
  const auto codes = whole<std::int8_t>({270, 37}, 1, -128, 127);
  Tensor<float> real(codes.shape());
  std::int64_t i = 0;
  for (float& v : real.edit()) v = static_cast<float>(codes[i++] + 5);
  const auto dy = whole<float>({270, 6}, 2, -9, 9);
  CHECK(equal(linear_backward_weight(codes, dy, -5), linear_backward_weight(real, dy)));
}

TEST_CASE("an empty batch has an empty result and zero weight gradients", "[ops]") {
  Tape tape;
  const auto x = tape.variable(Tensor<float>(Shape{0, 4}));
  const auto w = tape.variable(uniform<float>({3, 4}, 1));
  const auto y = linear(x, w);
  CHECK(y.shape() == Shape{0, 3});
  tape.backward(y, Tensor<float>(y.shape()));
  CHECK(equal(tape.gradient(w), Tensor<float>::zeros({3, 4})));
}

}  // namespace linear_test
