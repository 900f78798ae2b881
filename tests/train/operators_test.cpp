// Every operator of the graph runs on the tape: shape as inferred, value as plain loops say, gradients arrive.
#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <stet/core/random.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/forward.hpp>
#include <stet/operators/custom/float.hpp>
#include <stet/ops/elementwise.hpp>

#include <cmath>
#include <functional>
#include <memory>

namespace operators_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::normal;

namespace {

// Runs a graph of one input and one output in training mode and sends a gradient of ones back.
Tensor<float> run(const Shape& shape, const Tensor<float>& x, const std::function<graph::Value(graph::Value)>& build) {
  Graph g;
  g.output(build(linear(g.input(shape), {.units = static_cast<int>(shape.back()), .bias = false})));
  Model m(std::move(g), Rng(1));
  auto w = m.parameter("linear_1.weight").value.edit();  // the identity, so that a gradient has somewhere to go
  const auto n = static_cast<std::size_t>(shape.back());
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = i / n == i % n ? 1.0f : 0.0f;
  Tape tape;
  Rng rng(2);
  const auto y = forward(tape, m, x, Mode::training, {.rng = &rng});
  CHECK(y.shape() == m.graph().node(m.graph().outputs()[0]).shape.batched(x.shape()[0]));
  tape.backward(y, Tensor<float>::filled(y.shape(), 1.0f));
  CHECK(m.parameter("linear_1.weight").gradient.shape() == m.parameter("linear_1.weight").value.shape());
  return y.value();
}

}  // namespace

TEST_CASE("activations on the tape follow their formulas") {
  const Tensor<float> x = normal({3, 5}, 1);
  const auto check = [&](graph::Value (*op)(const graph::Value&), double (*f)(double)) {
    const auto y = run({5}, x, [&](graph::Value v) { return op(v); });
    for (std::int64_t i = 0; i < x.size(); ++i) {
      CHECK(static_cast<double>(y[i]) == Approx(f(static_cast<double>(x[i]))).margin(1e-6));
    }
  };
  check(graph::relu, [](double v) { return std::max(v, 0.0); });
  check(graph::relu6, [](double v) { return std::min(std::max(v, 0.0), 6.0); });
  check(graph::sigmoid, [](double v) { return 1 / (1 + std::exp(-v)); });
  check(graph::tanh, [](double v) { return std::tanh(v); });
  check(graph::hard_swish, [](double v) { return v * std::min(std::max(v + 3, 0.0), 6.0) / 6; });
  const auto leaky = run({5}, x, [](graph::Value v) { return leaky_relu(v, {.alpha = 0.25f}); });
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK(leaky[i] == (x[i] > 0 ? x[i] : 0.25f * x[i]));
  const auto soft = run({5}, x, [](graph::Value v) { return softmax(v); });
  const auto log_soft = run({5}, x, [](graph::Value v) { return log_softmax(v); });
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK(std::log(soft[i]) == Approx(log_soft[i]).margin(1e-5));
}

TEST_CASE("sums, means and broadcasts count their axes without the batch") {
  const Tensor<float> x = normal({2, 3, 4}, 2);
  const auto at = [&](std::int64_t n, std::int64_t i, std::int64_t j) {
    return static_cast<double>(x[(n * 3 + i) * 4 + j]);
  };
  const auto total = run({3, 4}, x, [](graph::Value v) { return sum(v, {0}); });
  const auto average = run({3, 4}, x, [](graph::Value v) { return mean(v, {-1}, true); });
  const auto centred = run({3, 4}, x, [](graph::Value v) { return v - mean(v, {1}, true); });
  CHECK(total.shape() == Shape{2, 4});
  CHECK(average.shape() == Shape{2, 3, 1});
  CHECK(static_cast<double>(total[6]) == Approx(at(1, 0, 2) + at(1, 1, 2) + at(1, 2, 2)));
  const double row = (at(1, 2, 0) + at(1, 2, 1) + at(1, 2, 2) + at(1, 2, 3)) / 4;
  CHECK(static_cast<double>(average[5]) == Approx(row));
  CHECK(static_cast<double>(centred[22]) == Approx(at(1, 2, 2) - row).margin(1e-6));
}

TEST_CASE("operators that move values move whole samples") {
  const Tensor<float> x = normal({2, 3, 4, 2}, 3);
  const auto index = [](std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
    return ((n * 3 + h) * 4 + w) * 2 + c;
  };
  const auto turned = run({3, 4, 2}, x, [](graph::Value v) { return transpose(v, {2, 0, 1}); });
  CHECK(turned.shape() == Shape{2, 2, 3, 4});
  CHECK(turned[((1 * 2 + 1) * 3 + 2) * 4 + 3] == x[index(1, 2, 3, 1)]);
  const auto padded =
      run({3, 4, 2}, x, [](graph::Value v) { return pad(v, {.top = 1, .bottom = 0, .left = 2, .right = 1}); });
  CHECK(padded.shape() == Shape{2, 4, 7, 2});
  CHECK(padded[((1 * 4 + 3) * 7 + 5) * 2] == x[index(1, 2, 3, 0)]);
  CHECK(padded[((1 * 4 + 0) * 7 + 3) * 2] == 0.0f);
  const auto joined = run({3, 4, 2}, x, [](graph::Value v) { return concat({v, v, v}, 1); });
  CHECK(joined.shape() == Shape{2, 3, 12, 2});
  CHECK(joined[((1 * 3 + 2) * 12 + 9) * 2 + 1] == x[index(1, 2, 1, 1)]);
  const auto flat = run({3, 4, 2}, x, [](graph::Value v) { return reshape(flatten(v), {4, 6}); });
  CHECK(flat.shape() == Shape{2, 4, 6});
  CHECK(flat[30] == x[30]);
}

TEST_CASE("pools and convolutions take their attributes from the graph") {
  const Tensor<float> ones = Tensor<float>::filled({1, 5, 5, 2}, 1.0f);
  CHECK(run({5, 5, 2}, ones, [](graph::Value v) {
          return average_pool(v, {.size = 3, .stride = 1, .padding = Padding::same()});
        })[0] == 1.0f);
  const auto counted = run({5, 5, 2}, ones, [](graph::Value v) {
    return average_pool(v, {.size = 3, .stride = 1, .padding = Padding::same(), .count_padding = true});
  });
  CHECK(counted[0] == Approx(4.0 / 9));
  CHECK(run({5, 5, 2}, ones, [](graph::Value v) { return max_pool(v, {.size = 3, .stride = 2}); }).shape() ==
        Shape{1, 2, 2, 2});
  CHECK(run({5, 5, 2}, ones, [](graph::Value v) { return global_average_pool(v); })[1] == 1.0f);
  CHECK(run({5, 5, 2}, ones, [](graph::Value v) {
          return conv2d(
              v, {.filters = 4, .kernel = 3, .stride = 2, .padding = Padding::of(1), .dilation = 1, .groups = 2});
        }).shape() == Shape{1, 3, 3, 4});
  CHECK(run({5, 5, 2}, ones, [](graph::Value v) {
          return depthwise_conv2d(v, {.kernel = {3, 1}, .padding = Padding::valid(), .dilation = 2, .multiplier = 3});
        }).shape() == Shape{1, 1, 5, 6});
}

TEST_CASE("matmul multiplies sample by sample, with the gradients of a product") {
  Graph g;
  auto a = linear(g.input({2, 3}), {.units = 3, .bias = false});
  auto b = linear(g.input({3, 4}), {.units = 4, .bias = false});
  g.output(matmul(a, b));
  Model m(std::move(g), Rng(1));
  const std::vector<Tensor<float>> in{normal({5, 2, 3}, 1), normal({5, 3, 4}, 2)};
  const auto loss = [&](Model& model) {
    Tape tape;
    const Tensor<float> y = forward(tape, model, in)[0].value();
    double sum = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * static_cast<double>(i % 7);
    return sum;
  };
  Tape tape;
  const auto y = forward(tape, m, in)[0];
  CHECK(y.shape() == Shape{5, 2, 4});
  Tensor<float> dy(y.shape());
  for (std::int64_t i = 0; i < dy.size(); ++i) dy.edit()[static_cast<std::size_t>(i)] = static_cast<float>(i % 7);
  tape.backward(y, dy);
  for (const char* name : {"linear_1.weight", "linear_2.weight"}) {
    for (std::int64_t i = 0; i < m.parameter(name).value.size(); i += 2) {
      Model up = m, down = m;
      up.parameter(name).value.edit()[static_cast<std::size_t>(i)] += 0.125f;
      down.parameter(name).value.edit()[static_cast<std::size_t>(i)] -= 0.125f;
      CHECK((loss(up) - loss(down)) / 0.25 == Approx(m.parameter(name).gradient[i]).epsilon(1e-3).margin(1e-3));
    }
  }
}

namespace {

class Scale final : public graph::CustomOp, public TapeOp {
 public:
  std::string_view kind() const override { return "scale"; }
  Shape infer(std::span<const Shape> inputs) const override { return inputs[0]; }
  std::vector<graph::ParameterSpec> parameters(std::span<const Shape>) const override {
    return {{"factor", {1}, graph::Role::gamma}};
  }
  Var<Tensor<float>> forward(NodeContext& c) const override { return mul(c.input(), c.parameter("factor")); }
};

class NoTape final : public graph::CustomOp {
 public:
  std::string_view kind() const override { return "no_tape"; }
  Shape infer(std::span<const Shape> inputs) const override { return inputs[0]; }
};

class WrongShape final : public graph::CustomOp, public TapeOp {
 public:
  std::string_view kind() const override { return "wrong_shape"; }
  Shape infer(std::span<const Shape>) const override { return {7}; }
  Var<Tensor<float>> forward(NodeContext& c) const override { return c.input(); }
};

}  // namespace

TEST_CASE("a custom operator with parameters trains like a built-in one") {
  Graph g;
  g.output(custom(g.input({3}), std::make_shared<Scale>()));
  Model m(std::move(g), Rng(1));
  Tape tape;
  const Tensor<float> x({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto y = forward(tape, m, x);
  tape.backward(y, Tensor<float>::filled({2, 3}, 1.0f));
  CHECK(m.parameter("scale_1.factor").gradient[0] == 21.0f);
}

TEST_CASE("a custom operator without the capability, or with another shape than promised, is named") {
  Graph g;
  g.output(custom(g.input({3}), std::make_shared<NoTape>()));
  CHECK_THROWS_WITH(infer(Model(std::move(g), Rng(1)), normal({1, 3}, 1)),
                    ContainsSubstring("no_tape_1: operator 'no_tape' cannot run on the tape"));
  Graph h;
  h.output(custom(h.input({3}), std::make_shared<WrongShape>()));
  CHECK_THROWS_WITH(infer(Model(std::move(h), Rng(1)), normal({1, 3}, 1)),
                    ContainsSubstring("wrong_shape_1: forward made [1,3], infer promised [1,7]"));
}

}  // namespace operators_test
