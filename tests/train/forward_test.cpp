// forward: the same as composing tape operators by hand, on straight, branching and residual networks.
#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <stet/core/random.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/forward.hpp>
#include <stet/ops/activation.hpp>
#include <stet/ops/convolution.hpp>
#include <stet/ops/depthwise.hpp>
#include <stet/ops/elementwise.hpp>
#include <stet/ops/linear.hpp>
#include <stet/ops/loss.hpp>
#include <stet/ops/normalization.hpp>
#include <stet/ops/pooling.hpp>
#include <stet/ops/reduction.hpp>
#include <stet/ops/shape.hpp>

#include <algorithm>
#include <memory>

namespace forward_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::normal;
using stet_test::equal;

namespace {

Graph straight() {
  Graph g;
  auto x = g.input({8, 8, 3});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2})));
  x = relu6(batch_norm(depthwise_conv2d(x, {.kernel = 3, .bias = false})));
  x = max_pool(x);
  g.output(linear(flatten(x), {.units = 5}));
  return g;
}

Graph residual() {
  Graph g;
  auto x = g.input({8, 8, 4});
  auto y = relu(batch_norm(conv2d(x, {.filters = 4, .kernel = 3, .bias = false})));
  y = batch_norm(conv2d(y, {.filters = 4, .kernel = 3, .bias = false}));
  x = relu(x + y);
  auto shortcut = conv2d(x, {.filters = 8, .stride = 2, .bias = false});
  y = conv2d(x, {.filters = 8, .kernel = 3, .stride = 2});
  g.output(linear(global_average_pool(concat({shortcut + y, shortcut})), {.units = 3}));
  return g;
}

// A model whose batch norms are not at their initial values.
Model stirred(const Graph& graph, std::uint64_t seed) {
  Model m(graph, Rng(seed));
  Rng rng(seed + 1);
  for (auto& p : m.parameters()) {
    for (float& x : p.parameter.value.edit()) x += 0.2f * static_cast<float>(rng.normal());
  }
  for (auto& b : m.buffers()) {
    for (float& x : b.value.edit()) x = static_cast<float>(rng.uniform(0.5, 1.5));
  }
  return m;
}

}  // namespace

TEST_CASE("training forward and gradients equal the operators composed by hand") {
  Model m = stirred(straight(), 1);
  Model n = m;
  const Tensor<float> x = normal({4, 8, 8, 3}, 2);
  const Tensor<std::int32_t> labels({4}, {0, 1, 2, 4});

  Tape tape;
  const auto y = forward(tape, m, x);
  tape.backward(softmax_cross_entropy(y, labels));

  Tape by_hand;
  const auto p = [&](const char* name) { return by_hand.parameter(n.parameter(name)); };
  auto h = conv2d(by_hand.constant(x), p("conv2d_1.weight"), p("conv2d_1.bias"), {.stride = 2});
  h = relu(batch_norm(h, p("batch_norm_1.gamma"), p("batch_norm_1.beta"), n.buffer("batch_norm_1.mean"),
                      n.buffer("batch_norm_1.variance"), {.eps = static_cast<double>(1e-5f), .momentum = 0.1f}));
  h = depthwise_conv2d(h, p("depthwise_conv2d_1.weight"));
  h = relu6(batch_norm(h, p("batch_norm_2.gamma"), p("batch_norm_2.beta"), n.buffer("batch_norm_2.mean"),
                       n.buffer("batch_norm_2.variance"), {.eps = static_cast<double>(1e-5f), .momentum = 0.1f}));
  h = linear(flatten(max_pool(h)), p("linear_1.weight"), p("linear_1.bias"));
  by_hand.backward(softmax_cross_entropy(h, labels));

  CHECK(equal(y.value(), h.value()));
  for (const auto& parameter : m.parameters()) {
    INFO(parameter.name);
    const Tensor<float>& a = parameter.parameter.gradient;
    const Tensor<float>& b = n.parameter(parameter.name).gradient;
    REQUIRE(a.shape() == b.shape());
    for (std::int64_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-5).margin(1e-6));
  }
  for (const auto& b : m.buffers()) CHECK(equal(b.value, n.buffer(b.name)));
}

TEST_CASE("evaluation records nothing and changes nothing") {
  Model m = stirred(residual(), 3);
  const Model before = m;
  const Tensor<float> x = normal({3, 8, 8, 4}, 4);
  Tape tape;
  const auto y = forward(tape, m, x, Mode::evaluation);
  CHECK_FALSE(y.wanted());
  CHECK(equal(y.value(), infer(before, x)));
  for (const auto& b : before.buffers()) CHECK(equal(b.value, m.buffer(b.name)));
  for (const auto& p : m.parameters()) CHECK(p.parameter.gradient.empty());
}

TEST_CASE("evaluation of an image does not depend on the others of its batch") {
  const Model m = stirred(residual(), 5);
  const Tensor<float> x = normal({7, 8, 8, 4}, 6);
  const Tensor<float> all = infer(m, x);
  for (std::int64_t i = 0; i < 7; ++i) {
    const Tensor<float> one =
        infer(m, Tensor<float>({1, 8, 8, 4}, x.span().subspan(static_cast<std::size_t>(i) * 256, 256)));
    for (std::int64_t c = 0; c < 3; ++c) CHECK(one[c] == all[i * 3 + c]);
  }
}

TEST_CASE("a residual network has the gradient of finite differences") {
  Model m = stirred(residual(), 7);
  const Tensor<float> x = normal({4, 8, 8, 4}, 8);
  const Tensor<std::int32_t> labels({4}, {0, 1, 2, 1});
  const auto loss = [&](Model& model) {
    Tape tape;
    return static_cast<double>(softmax_cross_entropy(forward(tape, model, x), labels).value()[0]);
  };
  {
    Tape tape;
    tape.backward(softmax_cross_entropy(forward(tape, m, x), labels));
  }
  for (const char* name : {"conv2d_1.weight", "conv2d_3.weight", "batch_norm_2.gamma", "linear_1.bias"}) {
    INFO(name);
    // Along the gradient the loss falls at the rate of its squared length.
    const Tensor<float> d = m.parameter(name).gradient;
    double squares = 0;
    for (const float v : d.span()) squares += static_cast<double>(v) * static_cast<double>(v);
    const double step = 1e-3 / std::sqrt(squares);
    Model up = m, down = m;
    for (std::int64_t i = 0; i < d.size(); ++i) {
      const auto move = static_cast<float>(step * static_cast<double>(d[i]));
      up.parameter(name).value.edit()[static_cast<std::size_t>(i)] += move;
      down.parameter(name).value.edit()[static_cast<std::size_t>(i)] -= move;
    }
    CHECK((loss(up) - loss(down)) / (2 * step) == Approx(squares).epsilon(0.02));
  }
}

TEST_CASE("the observer sees every value, and what it sees does not depend on fusion") {
  const Model m = stirred(straight(), 9);
  const Tensor<float> x = normal({2, 8, 8, 3}, 10);
  std::vector<int> seen;
  Tensor<float> last;
  const auto y = infer(m, x, {.observe = [&](int node, const Tensor<float>& value) {
                         CHECK(value.shape() == m.graph().node(node).shape.batched(2));
                         seen.push_back(node);
                         last = value;
                       }});
  CHECK(seen.size() == m.graph().nodes().size());
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  CHECK(equal(last, y));
  CHECK(equal(y, infer(m, x)));
}

TEST_CASE("values are released after their last use") {
  Graph g;
  auto x = g.input({1 << 16});
  for (int i = 0; i < 20; ++i) x = tanh(x);
  g.output(x);
  const Model m(std::move(g), Rng(1));
  const Tensor<float> in = normal({4, 1 << 16}, 1);  // 1 MiB
  const auto before = MemoryPool::instance().statistics().live_bytes;
  MemoryPool::instance().reset_peak();
  const auto out = infer(m, in);
  CHECK(MemoryPool::instance().statistics().peak_bytes - before < 4u << 20);
}

TEST_CASE("dropout drops in training only, and asks for random numbers") {
  Graph g;
  g.output(dropout(g.input({1000}), {.rate = 0.25f}));
  Model m(std::move(g), Rng(1));
  const auto x = Tensor<float>::filled({2, 1000}, 1.0f);
  CHECK(equal(infer(m, x), x));
  Tape tape;
  CHECK_THROWS_WITH(forward(tape, m, x), ContainsSubstring("dropout_1: needs random numbers"));
  Rng a(5), b(5);
  const auto y = forward(tape, m, x, Mode::training, {.rng = &a}).value();
  const auto zeros = std::count(y.span().begin(), y.span().end(), 0.0f);
  CHECK(zeros > 400);
  CHECK(zeros < 600);
  CHECK(equal(y, forward(tape, m, x, Mode::training, {.rng = &b}).value()));
}

TEST_CASE("several inputs and outputs go through the list form") {
  Graph g;
  auto a = g.input({4}), b = g.input({4});
  g.output(a + b);
  g.output(a * b);
  const Model m(std::move(g), Rng(1));
  const std::vector<Tensor<float>> in{normal({3, 4}, 1), normal({3, 4}, 2)};
  const auto out = infer(m, in);
  REQUIRE(out.size() == 2);
  CHECK(out[0][5] == in[0][5] + in[1][5]);
  CHECK(out[1][5] == in[0][5] * in[1][5]);
  CHECK_THROWS_WITH(infer(m, in[0]), ContainsSubstring("2 inputs and 2 outputs"));
  CHECK_THROWS_WITH(infer(m, std::span<const Tensor<float>>(in.data(), 1)), ContainsSubstring("has 2 inputs, got 1"));
  const std::vector<Tensor<float>> uneven{normal({3, 4}, 1), normal({2, 4}, 2)};
  CHECK_THROWS_WITH(infer(m, uneven), ContainsSubstring("input 'input_2' wants [N] + [4]"));
}

TEST_CASE("an input of the wrong shape is refused by name") {
  const Model m(straight(), Rng(1));
  CHECK_THROWS_WITH(infer(m, normal({2, 8, 8, 4}, 1)), ContainsSubstring("input 'input_1' wants [N] + [8,8,3]"));
  CHECK_THROWS_WITH(infer(m, normal({8, 8, 3}, 1)), ContainsSubstring("input_1"));
  CHECK_THROWS_AS(infer(m, Tensor<float>({0, 8, 8, 3})), Error);
}

}  // namespace forward_test
