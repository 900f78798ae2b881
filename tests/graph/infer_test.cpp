#include "support/catch.hpp"

#include <stet/graph/builder.hpp>

#include <memory>

namespace infer_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("every operator infers the shape of its value") {
  Graph g;
  auto x = g.input({9, 12, 8});
  CHECK(conv2d(x, {.filters = 4, .kernel = 3}).shape() == Shape{9, 12, 4});
  CHECK(conv2d(x, {.filters = 4, .kernel = {3, 5}, .stride = 2}).shape() == Shape{5, 6, 4});
  CHECK(conv2d(x, {.filters = 4, .kernel = 3, .padding = Padding::valid(), .dilation = 2}).shape() == Shape{5, 8, 4});
  CHECK(conv2d(x, {.filters = 4, .kernel = 3, .padding = Padding::of(1, 0, 2, 0), .groups = 4}).shape() ==
        Shape{8, 12, 4});
  CHECK(depthwise_conv2d(x, {.stride = 2, .multiplier = 2}).shape() == Shape{5, 6, 16});
  CHECK(batch_norm(x).shape() == x.shape());
  CHECK((x + x).shape() == x.shape());
  CHECK((x - mean(x, {0, 1}, true)).shape() == x.shape());
  CHECK((mean(x, {0}, true) * mean(x, {1}, true)).shape() == Shape{9, 12, 8});
  for (const auto& y : {relu(x), relu6(x), leaky_relu(x), sigmoid(x), tanh(x), hard_swish(x), gelu(x), softmax(x),
                        log_softmax(x), dropout(x, {.rate = 0.1f})}) {
    CHECK(y.shape() == x.shape());
  }
  CHECK(max_pool(x).shape() == Shape{4, 6, 8});
  CHECK(max_pool(x, {.size = 3, .stride = 2, .padding = Padding::same()}).shape() == Shape{5, 6, 8});
  CHECK(average_pool(x, {.size = {9, 4}}).shape() == Shape{1, 3, 8});
  CHECK(global_average_pool(x).shape() == Shape{8});
  CHECK(concat({x, x}).shape() == Shape{9, 12, 16});
  CHECK(concat({x, x, x}, 0).shape() == Shape{27, 12, 8});
  CHECK(pad(x, {.top = 1, .bottom = 2, .left = 3}).shape() == Shape{12, 15, 8});
  CHECK(reshape(x, {108, 8}).shape() == Shape{108, 8});
  CHECK(flatten(x).shape() == Shape{864});
  CHECK(transpose(x, {2, 0, -2}).shape() == Shape{8, 9, 12});
  CHECK(sum(x, {0, 2}).shape() == Shape{12});
  CHECK(sum(x, {-1}, true).shape() == Shape{9, 12, 1});
  CHECK(linear(x, {.units = 5}).shape() == Shape{9, 12, 5});
  CHECK(matmul(reshape(x, {108, 8}), reshape(x, {8, 108})).shape() == Shape{108, 108});
}

TEST_CASE("an error of inference names the node, what it wants and what it got") {
  Graph g;
  auto x = g.input({8, 8, 3});
  auto flat = g.input({10});
  conv2d(x, {.filters = 4, .kernel = 3});
  CHECK_THROWS_WITH(conv2d(flat, {.filters = 4}), "conv2d_2: wants an image [height,width,channels], got [10]");
  CHECK_THROWS_WITH(conv2d(x, {}), ContainsSubstring("conv2d_3: filters must be at least 1"));
  CHECK_THROWS_WITH(conv2d(x, {.filters = 4, .groups = 2}), ContainsSubstring("groups 2 must divide the 3 channels"));
  CHECK_THROWS_WITH(conv2d(x, {.filters = 4, .kernel = 0}), ContainsSubstring("kernel 0"));
  CHECK_THROWS_WITH(conv2d(x, {.filters = 4, .kernel = 9, .padding = Padding::valid()}),
                    ContainsSubstring("window of 9 does not fit into input of 8"));
  CHECK_THROWS_WITH(depthwise_conv2d(x, {.multiplier = 0}), ContainsSubstring("depthwise_conv2d_1: multiplier"));
  CHECK_THROWS_WITH(linear(x, {}), ContainsSubstring("linear_1: units"));
  CHECK_THROWS_WITH(matmul(x, flat), ContainsSubstring("matmul_1: wants [..,M,K] and [..,K,N] with the same dimensions in front, got [8,8,3] and [10]"));
  CHECK_THROWS_WITH(batch_norm(x, {.eps = 0.0f}), ContainsSubstring("batch_norm_1: eps"));
  CHECK_THROWS_WITH(batch_norm(x, {.momentum = 1.5f}), ContainsSubstring("momentum"));
  CHECK_THROWS_WITH(x + flat, ContainsSubstring("add_1: wants equal shapes"));
  CHECK_THROWS_WITH(sub(x, pad(x, {.top = 1})), ContainsSubstring("sub_1"));
  CHECK_THROWS_WITH(dropout(x, {.rate = 1.0f}), ContainsSubstring("dropout_1: rate must be in [0, 1)"));
  CHECK_THROWS_WITH(max_pool(x, {.size = 9}), ContainsSubstring("max_pool_1: window of 9"));
  CHECK_THROWS_WITH(average_pool(x, {.size = 2, .padding = Padding::of(2)}),
                    ContainsSubstring("must be smaller than the window"));
  CHECK_THROWS_WITH(global_average_pool(flat), ContainsSubstring("global_average_pool_1: wants an image"));
  CHECK_THROWS_WITH(concat({x, flat}), ContainsSubstring("concat_1: shapes must agree"));
  CHECK_THROWS_WITH(concat({x}, 3), ContainsSubstring("axis 3 does not exist"));
  CHECK_THROWS_WITH(pad(x, {.top = -1}), ContainsSubstring("pad_2: -1,0,0,0 must not be negative"));
  CHECK_THROWS_WITH(reshape(x, {191}), ContainsSubstring("reshape_1: [8,8,3] has 192 elements, [191] has 191"));
  CHECK_THROWS_WITH(transpose(x, {0, 1}), ContainsSubstring("transpose_1"));
  CHECK_THROWS_WITH(transpose(x, {0, 1, 1}), ContainsSubstring("transpose_2"));
  CHECK_THROWS_WITH(mean(x, {}), ContainsSubstring("mean_1: names no axis"));
  CHECK_THROWS_WITH(sum(x, {3}), ContainsSubstring("sum_1: axes 3"));
  CHECK_THROWS_WITH(sum(x, {1, 0}), ContainsSubstring("ascending"));
  CHECK_THROWS_WITH(g.input({0, 3}), ContainsSubstring("has no elements"));
  CHECK_THROWS_WITH(g.add(graph::op::Add{}, {0}), ContainsSubstring("add_2: wants 2 inputs, got 1"));
}

TEST_CASE("an error that adds no node leaves the graph as it was") {
  Graph g;
  auto x = g.input({8, 8, 3});
  CHECK_THROWS_AS(conv2d(x, {}), Error);
  CHECK(g.size() == 1);
}

TEST_CASE("operators declare their parameters in the library's order of dimensions") {
  Graph g;
  auto x = g.input({9, 12, 8});
  const auto specs = [&](const graph::Value& v) {
    std::string text;
    for (const auto& s : g.parameter_specs(v.id())) text += s.suffix + s.shape.str() + " ";
    return text;
  };
  CHECK(specs(conv2d(x, {.filters = 6, .kernel = {3, 5}, .groups = 2})) == "weight[6,3,5,4] bias[6] ");
  CHECK(specs(conv2d(x, {.filters = 6, .bias = false})) == "weight[6,1,1,8] ");
  CHECK(specs(depthwise_conv2d(x, {.kernel = 3, .multiplier = 2})) == "weight[1,3,3,16] bias[16] ");
  CHECK(specs(linear(flatten(x), {.units = 10})) == "weight[10,864] bias[10] ");
  CHECK(specs(batch_norm(x)) == "gamma[8] beta[8] mean[8] variance[8] ");
  CHECK(specs(relu(x)).empty());
}

namespace {

class Square final : public graph::CustomOp {
 public:
  std::string_view kind() const override { return "square"; }
  Shape infer(std::span<const Shape> inputs) const override {
    require(inputs[0].rank() == 1, Errc::shape, "square: wants [n], got {}", inputs[0]);
    return inputs[0];
  }
};

}  // namespace

TEST_CASE("a custom operator takes part in naming, inference and errors") {
  Graph g;
  auto x = g.input({4});
  auto y = custom(custom(x, std::make_shared<Square>()), std::make_shared<Square>());
  CHECK(y.name() == "square_2");
  CHECK(y.shape() == Shape{4});
  CHECK_THROWS_WITH(custom(g.input({2, 2}), std::make_shared<Square>()), "square_3: wants [n], got [2,2]");
  CHECK_THROWS_WITH(custom(x, nullptr), ContainsSubstring("null"));
}

}  // namespace infer_test
