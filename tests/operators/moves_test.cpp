// Operators that move values: upsampling, slices and channels of zeros, from gradients to files.

#include <stet/ops/shape.hpp>
#include <stet/ops/upsample.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/on_targets.hpp"
#include "support/tensors.hpp"

namespace moves_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// Halves of the channels, one of them made smaller and larger again; a crop; a flat value in parts.
Model network() {
  Graph g;
  auto x = relu(conv2d(g.input({6, 5, 3}), {.filters = 6, .kernel = 3}).named("stem")).named("act");
  const auto halves = split(x, {2, 4}, -1);
  auto small = conv2d(max_pool(halves[1].named("second"), {.size = {2, 1}}), {.filters = 3, .kernel = 1}).named("small");
  x = concat({upsample(small, {2, 1}).named("larger"), halves[0]}, 2).named("joined");
  x = pad_channels(x, 1, 2).named("wider");
  x = upsample(slice(slice(x, 0, 1, 5).named("crop"), 1, 2, 5), 2).named("twice");
  x = slice(flip(x, 1).named("mirror"), 0, 6, -1, -2).named("every_second");
  auto y = relu(linear(flatten(x), {.units = 8}).named("many"));
  y = pad_channels(slice(y, 0, 2, 8).named("some"), 0, 3).named("more");
  g.output(linear(y, {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}

}  // namespace

TEST_CASE("upsample repeats rows and columns, its gradient is their sum", "[operators]") {
  Rng rng(2);
  Tensor<double> x(Shape{2, 3, 2, 2});
  for (double& v : x.edit()) v = rng.normal();
  Tape tape;
  const auto in = tape.variable(x);
  const auto y = upsample(in, Pair(2, 3));
  REQUIRE(y.shape() == Shape{2, 6, 6, 2});
  Tensor<double> dy(y.shape());
  for (double& v : dy.edit()) v = rng.normal();
  tape.backward(y, dy);
  Tensor<double> sums = Tensor<double>::zeros(x.shape());
  for (std::int64_t i = 0; i < y.shape().elements(); ++i) {
    const std::int64_t c = i % 2, w = i / 2 % 6, h = i / 12 % 6, n = i / 72;
    const std::int64_t from = ((n * 3 + h / 2) * 2 + w / 3) * 2 + c;
    CHECK(y.value()[i] == x[from]);
    sums.edit()[static_cast<std::size_t>(from)] += dy[i];
  }
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK(tape.gradient(in)[i] == Approx(sums[i]));
  Graph g;
  const auto value = g.input({4, 4, 2});
  CHECK_THROWS_WITH(upsample(value, {0, 2}), ContainsSubstring("factors 0 and 2 must be at least 1"));
  CHECK_THROWS_WITH(upsample(flatten(value), 2), ContainsSubstring("wants an image"));
}

TEST_CASE("slices and splits name parts of a value", "[operators]") {
  Graph g;
  const auto x = g.input({4, 5, 6});
  CHECK(slice(x, -1, 2, 5).shape() == Shape{4, 5, 3});
  CHECK(graph::attributes(g.node(slice(x, 1, 0, 2).id()).op) == "axis 1 0..2");
  CHECK(slice(x, 1, 4, -1, -2).shape() == Shape{4, 3, 6});
  CHECK(graph::attributes(g.node(slice(x, 1, 4, -1, -2).id()).op) == "axis 1 4..-1 step -2");
  CHECK(graph::attributes(g.node(flip(x, -1).id()).op) == "axis 2 5..-1 step -1");
  CHECK_THROWS_WITH(slice(x, 0, 2, 2), ContainsSubstring("2..2 with step 1 is no part of axis 0 of [4,5,6]"));
  CHECK_THROWS_WITH(slice(x, 0, 0, 5), ContainsSubstring("0..5 with step 1 is no part"));
  CHECK_THROWS_WITH(slice(x, 0, 0, 2, -1), ContainsSubstring("0..2 with step -1 is no part"));
  CHECK_THROWS_WITH(slice(x, 0, 0, 2, 0), ContainsSubstring("with step 0 is no part"));
  CHECK_THROWS_WITH(flip(x, 3), ContainsSubstring("axis 3 does not exist"));
  CHECK_THROWS_WITH(slice(x, 3, 0, 1), ContainsSubstring("axis 3 does not exist"));
  const auto parts = split(x, {1, 2, 3}, 2);
  REQUIRE(parts.size() == 3);
  CHECK(parts[2].shape() == Shape{4, 5, 3});
  CHECK_THROWS_WITH(split(x, {1, 2}, 2), ContainsSubstring("3 elements of axis 2 are not all of [4,5,6]"));
}

TEST_CASE("slices with steps have the gradient of what they took", "[operators]") {
  for (const Progression& part : {Progression{.first = 1, .count = 2, .step = 2}, Progression{.first = 3, .count = 4, .step = -1}}) {
    const auto report = testing::check_gradient([&](auto x) { return slice(x, 1, part); }, {uniform({2, 4, 3}, 1)});
    INFO(report.str());
    CHECK(report.ok());
  }
  Tape tape;
  const auto x = tape.constant(Tensor<float>(Shape{1, 4}, std::vector<float>{0, 1, 2, 3}));
  const auto y = slice(x, 1, {.first = 3, .count = 2, .step = -2});
  CHECK(y.value()[0] == 3.0f);
  CHECK(y.value()[1] == 1.0f);
  CHECK_THROWS_WITH(slice(x, 1, {.first = 2, .count = 3, .step = 1}),
                    ContainsSubstring("3 elements from 2 with step 1 are no part of axis 1"));
}

TEST_CASE("what moves trains, evaluates and runs with the same codes on every target", "[operators][bits]") {
  check_codes_on_targets(network());
}

TEST_CASE("what moves comes back from files", "[operators]") {
  const Model model = network();
  const auto kept = [](const Model& loaded) {
    CHECK(count_kind(loaded, "slice") == 7);
    CHECK(count_kind(loaded, "pad_channels") == 2);
    CHECK(count_kind(loaded, "upsample") == 2);
  };
  check_tflite_floats(model, kept);
  check_onnx_floats(model, kept);
  check_tflite_codes(integers_of(model), random_images({6, 5, 3}, 3, 5));
}

}  // namespace moves_test
