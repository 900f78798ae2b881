// Maxima and minima of two values: values, gradient, training, files.

#include <stet/ops/extremum.hpp>
#include <stet/qat/extremum.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/on_targets.hpp"
#include "support/tensors.hpp"

namespace extremum_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Model network() {
  Graph g;
  auto x = relu(batch_norm(conv2d(g.input({6, 5, 3}), {.filters = 6, .kernel = 3}).named("stem")).named("norm")).named("act");
  x = maximum(conv2d(x, {.filters = 6}).named("left"), conv2d(x, {.filters = 6}).named("right")).named("largest");
  x = minimum(x, max_pool(x, {.size = {6, 1}}).named("row")).named("least");
  g.output(linear(global_average_pool(x), {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}

}  // namespace

TEST_CASE("maximum and minimum choose, and give the gradient to what was chosen", "[operators]") {
  for (const bool largest : {true, false}) {
    const auto report = testing::check_gradient([&](auto a, auto b) { return extremum(a, b, largest); },
                                                {distinct({2, 3, 4, 2}, 1), distinct({2, 3, 1, 2}, 2, 0.03)});
    INFO(report.str());
    CHECK(report.ok());
  }
  Tape tape;
  const auto a = tape.variable(Tensor<double>(Shape{3}, std::vector<double>{1, 2, 3})),
             b = tape.variable(Tensor<double>(Shape{3}, std::vector<double>{2, 2, 2}));
  const auto y = extremum(a, b, true);
  CHECK(y.value()[0] == 2.0);
  CHECK(y.value()[2] == 3.0);
  tape.backward(y, Tensor<double>::filled({3}, 4.0));
  CHECK(tape.gradient(a)[0] == 0.0);
  CHECK(tape.gradient(a)[1] == 2.0);  // half to each
  CHECK(tape.gradient(b)[1] == 2.0);
  CHECK(tape.gradient(a)[2] == 4.0);
  Graph g;
  const auto x = g.input({4, 4, 2});
  CHECK(graph::kind(g.node(minimum(x, x).id()).op) == "minimum");
  CHECK_THROWS_WITH(maximum(x, flatten(x)), ContainsSubstring("wants equal shapes"));
}

TEST_CASE("maximum and minimum train, evaluate and run with the same codes on every target", "[operators][bits]") {
  check_codes_on_targets(network(), [](const IntegerModel& m) {
    const auto codes = [&](std::string_view name) { return std::ranges::find(m.values, name, &IntegerValue::name)->codes; };
    CHECK(codes("left").scale == codes("largest").scale);
    CHECK(codes("right").scale == codes("least").scale);
  });
}

TEST_CASE("maximum and minimum come back from files", "[operators]") {
  const Model model = network();
  const auto kept = [](const Model& loaded) {
    CHECK(count_kind(loaded, "maximum") == 1);
    CHECK(count_kind(loaded, "minimum") == 1);
  };
  check_tflite_floats(model, kept);
  check_onnx_floats(model, kept);
  const IntegerModel integers = integers_of(model);
  check_tflite_codes(integers, random_images({6, 5, 3}, 3, 5));
  CHECK_THAT(c_text(integers), ContainsSubstring("STET_MAXIMUM, \"largest\"") && ContainsSubstring("STET_MINIMUM, \"least\""));
}

}  // namespace extremum_test
