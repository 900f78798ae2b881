// What does not fit is an error that names operation, argument, wanted and got.
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>
#include <stet/ops/dropout.hpp>
#include <stet/ops/elementwise.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/loss.hpp>
#include <stet/ops/normalization.hpp>
#include <stet/ops/pooling.hpp>
#include <stet/ops/reduction.hpp>
#include <stet/ops/shape.hpp>
#include <stet/ops/softmax.hpp>

#include "support/catch.hpp"

#include <string>

namespace errors_test {

using namespace stet;

namespace {

// Code and message of the error that f throws.
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return std::string(name(e.code())) + ": " + e.what();
  }
  return "no error";
}

struct Values {
  Tape tape;
  Var<Tensor<float>> operator()(const Shape& shape) { return tape.constant(Tensor<float>::zeros(shape)); }
};

}  // namespace

TEST_CASE("convolutions name what does not fit", "[ops]") {
  Values v;
  CHECK(error_of([&] {
          conv2d(v({8, 32, 32, 4}), v({5, 3, 3, 3}));
        }) ==
        "shape: conv2d: weight expects 3 input channels, input has 4 (input [8,32,32,4], weight [5,3,3,3], groups 1)");
  CHECK(error_of([&] {
          conv2d(v({8, 32, 4}), v({5, 3, 3, 4}));
        }) == "shape: conv2d: input must be [N,H,W,C], got [8,32,4]");
  CHECK(error_of([&] {
          conv2d(v({1, 3, 3, 4}), v({5, 4}));
        }) == "shape: conv2d: weight must be [O,kh,kw,C/groups], got [5,4]");
  CHECK(error_of([&] {
          conv2d(v({1, 3, 3, 4}), v({5, 1, 1, 2}), {.groups = 2});
        }) == "shape: conv2d: groups 2 must divide input channels 4 and filters 5");
  CHECK(error_of([&] {
          conv2d(v({1, 3, 3, 4}), v({5, 1, 1, 4}), {.groups = 0});
        }) == "range: conv2d: groups is 0, must be at least 1");
  CHECK(error_of([&] {
          conv2d(v({1, 3, 3, 1}), v({5, 1, 1, 1}), v({4}));
        }) == "shape: conv2d: bias must be [5], got [4]");
  CHECK(error_of([&] {
          conv2d(v({1, 3, 3, 1}), v({5, 4, 1, 1}), {.padding = Padding::valid()});
        }) == "shape: conv2d: window of 4 does not fit into input of 3 with padding 0 and 0");
  CHECK(error_of([&] {
          conv2d(v({1, 3, 3, 1}), v({5, 1, 1, 1}), {.stride = 0});
        }) == "range: conv2d: kernel 1, stride 0 and dilation 1 must be at least 1");
  CHECK(error_of([&] {
          conv2d(v({1, 3, 3, 1}), v({5, 0, 1, 1}));
        }) == "range: conv2d: kernel 0, stride 1 and dilation 1 must be at least 1");
  CHECK(error_of([&] {
          depthwise_conv2d(v({1, 3, 3, 4}), v({1, 3, 3, 6}));
        }) ==
        "shape: depthwise_conv2d: weight has 6 channels, must be a multiple of the input's 4 (input [1,3,3,4], weight "
        "[1,3,3,6])");
  CHECK(error_of([&] {
          depthwise_conv2d(v({1, 3, 3, 4}), v({4, 3, 3, 1}));
        }) == "shape: depthwise_conv2d: weight must be [1,kh,kw,C*multiplier], got [4,3,3,1]");
  CHECK(error_of([&] {
          depthwise_conv2d(v({1, 3, 3, 4}), v({1, 3, 3, 4}), v({3}));
        }) == "shape: depthwise_conv2d: bias must be [4], got [3]");
}

TEST_CASE("linear layers and products name what does not fit", "[ops]") {
  Values v;
  CHECK(error_of([&] {
          linear(v({2, 3}), v({4, 5}));
        }) == "shape: linear: weight expects 5 inputs, input has 3 (input [2,3], weight [4,5])");
  CHECK(error_of([&] {
          linear(v({2, 3, 1}), v({4, 3}));
        }) == "shape: linear: input must be [N,in], got [2,3,1] (flatten it first)");
  CHECK(error_of([&] { linear(v({2, 3}), v({4, 3}), v({5})); }) == "shape: linear: bias must be [4], got [5]");
  CHECK(error_of([&] { matmul(v({2, 3}), v({4, 3})); }) == "shape: matmul: inner sizes differ, [2,3] times [4,3]");
  CHECK(error_of([&] { matmul(v({2}), v({4, 3})); }) == "shape: matmul: operands must be matrices, got [2] and [4,3]");
}

TEST_CASE("normalization names what does not fit", "[ops]") {
  Values v;
  Tensor<float> three = Tensor<float>::zeros({3}), two = Tensor<float>::zeros({2});
  const auto message = [&](const Shape& x, const Shape& gamma, Tensor<float>& mean, BatchNormOptions options) {
    Tensor<float> variance = Tensor<float>::filled({3}, 1);
    return error_of([&] { batch_norm(v(x), v(gamma), v({3}), mean, variance, options); });
  };
  CHECK(message({4, 3}, {2}, three, {}) == "shape: batch_norm: gamma must be [3], got [2] (input [4,3])");
  CHECK(message({4, 3}, {3}, two, {}) == "shape: batch_norm: running mean must be [3], got [2] (input [4,3])");
  CHECK(message({3}, {3}, three, {}) == "shape: batch_norm: input must be [..., C] with at least two axes, got [3]");
  CHECK(message({1, 3}, {3}, three, {}) ==
        "shape: batch_norm: batch statistics need more than one row, input is [1,3]");
  CHECK(message({4, 3}, {3}, three, {.eps = 0}) == "range: batch_norm: eps is 0, must be positive");
  CHECK(message({4, 3}, {3}, three, {.momentum = 1.5}) == "range: batch_norm: momentum is 1.5, must be in 0..1");
  CHECK(three[0] == 0);
}

TEST_CASE("pools name what does not fit", "[ops]") {
  Values v;
  CHECK(error_of([&] { max_pool(v({4, 3})); }) == "shape: max_pool: input must be [N,H,W,C], got [4,3]");
  CHECK(error_of([&] {
          avg_pool(v({1, 2, 2, 1}), {.size = 3});
        }) == "shape: avg_pool: window of 3 does not fit into input of 2 with padding 0 and 0");
  CHECK(error_of([&] {
          max_pool(v({1, 4, 4, 1}), {.padding = Padding::of(2)});
        }) == "shape: max_pool: padding must be smaller than the window of 2x2");
  CHECK(error_of([&] {
          max_pool(v({1, 20, 20, 1}), {.size = 17});
        }) == "unsupported: max_pool: window of 17x17 has more than 256 taps");
  CHECK(error_of([&] {
          global_average_pool(v({1, 0, 4, 1}));
        }) == "shape: global_average_pool: input [1,0,4,1] has no pixels");
}

TEST_CASE("elementwise, shape and reduction operators name what does not fit", "[ops]") {
  Values v;
  CHECK(error_of([&] {
          add(v({2, 3}), v({2, 4}));
        }) == "shape: add: shapes [2,3] and [2,4] do not broadcast, axis 1 has 3 and 4");
  CHECK(error_of([&] { reshape(v({2, 3}), {7}); }) == "shape: reshape: [2,3] has 6 elements, [7] has 7");
  CHECK(error_of([&] { flatten(v({})); }) == "shape: flatten: input must have a batch axis, got a scalar");
  CHECK(error_of([&] {
          transpose(v({2, 3}), {0, 0});
        }) == "shape: transpose: the order must name each of the 2 axes of [2,3] once");
  CHECK(error_of([&] {
          transpose(v({2, 3}), {0, 2});
        }) == "shape: transpose: the order must name each of the 2 axes of [2,3] once");
  CHECK(error_of([&] { pad(v({2, 3}), {{1, 1}}); }) == "shape: pad: input [2,3] needs 2 margins, got 1");
  CHECK(error_of([&] {
          pad(v({2, 3}), {{1, 1}, {-1, 0}});
        }) == "range: pad: margin -1 and 0 of axis 1 must not be negative");
  CHECK(error_of([&] {
          concat(v({2, 3}), v({3, 3}));
        }) == "shape: concat: inputs [2,3] and [3,3] differ in more than axis 1");
  CHECK(error_of([&] { concat(v({2, 3}), v({2, 3}), 2); }) == "range: concat: axis 2 does not exist, the rank is 2");
  CHECK(error_of([&] { concat(std::vector<Var<Tensor<float>>>{}); }) == "shape: concat: no inputs");
  CHECK(error_of([&] { sum(v({2, 3}), {0, -2}); }) == "range: sum: axis -2 is named twice");
  CHECK(error_of([&] { mean(v({2, 3}), {3}); }) == "range: mean: axis 3 does not exist, the rank is 2");
  CHECK(error_of([&] { mean(v({0, 3})); }) == "shape: mean: input [0,3] has no elements");
}

TEST_CASE("softmax, losses and dropout name what does not fit", "[ops]") {
  Values v;
  Rng rng(1);
  const auto loss = [&](const Shape& logits, std::initializer_list<std::int32_t> labels, double smoothing) {
    const Tensor<std::int32_t> l(Shape{static_cast<std::int64_t>(labels.size())}, labels);
    return error_of([&] { softmax_cross_entropy(v(logits), l, {.label_smoothing = smoothing}); });
  };
  CHECK(loss({2, 3}, {0, 3}, 0) == "range: softmax_cross_entropy: label 3 of row 1 is not in 0..2");
  CHECK(loss({2, 3}, {0, -1}, 0) == "range: softmax_cross_entropy: label -1 of row 1 is not in 0..2");
  CHECK(loss({2, 3}, {0}, 0) == "shape: softmax_cross_entropy: labels must be [2], got [1]");
  CHECK(loss({6}, {0}, 0) ==
        "shape: softmax_cross_entropy: logits must be [N,C] with at least one row and class, got [6]");
  CHECK(loss({2, 3}, {0, 1}, 1.5) == "range: softmax_cross_entropy: label smoothing is 1.5, must be in 0..1");
  CHECK(error_of([&] { mse(v({2}), v({3})); }) == "shape: mse: shapes [2] and [3] differ");
  CHECK(error_of([&] { mse(v({0}), v({0})); }) == "shape: mse: input [0] has no elements");
  CHECK(error_of([&] { softmax(v({2, 0})); }) == "shape: softmax: the last axis of [2,0] has no classes");
  CHECK(error_of([&] { dropout(v({2}), 1, rng); }) == "range: dropout: probability is 1, must be in [0, 1)");
  CHECK(error_of([&] { dropout(v({2}), -0.5, rng); }) == "range: dropout: probability is -0.5, must be in [0, 1)");
}

}  // namespace errors_test
