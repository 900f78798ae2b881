// Sums, differences and products whose operands are repeated: squeeze-and-excitation from training to files.

#include "support/on_targets.hpp"

namespace broadcast_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// A gate of convolutions, one of linear layers, and sums with a row, a column and one number.
Model network() {
  Graph g;
  auto x = relu(batch_norm(conv2d(g.input({6, 5, 3}), {.filters = 8, .kernel = 3}).named("stem")).named("norm")).named("act");
  auto gate = hard_swish(conv2d(global_average_pool(x, true).named("pooled"), {.filters = 2, .kernel = 1}).named("squeeze"));
  gate = sigmoid(conv2d(gate, {.filters = 8, .kernel = 1}).named("excite")).named("gate");
  x = (x * gate).named("gated");
  auto second = leaky_relu(linear(global_average_pool(x).named("flat"), {.units = 3}).named("few"), {.alpha = 0.25f});
  second = reshape(linear(second, {.units = 8}).named("many"), {1, 1, 8}).named("second");
  x = relu6((x - second).named("difference")).named("cut");
  x = (x + max_pool(x, {.size = {6, 1}}).named("rows")).named("with_rows");
  x = (conv2d(mean(x, {0, 1}, true).named("mean"), {.filters = 1, .kernel = 1}).named("one") * x).named("times_one");
  g.output(linear(global_average_pool(x).named("last"), {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}

}  // namespace

TEST_CASE("squeeze-and-excitation trains, evaluates and runs with the same codes on every target", "[operators][bits]") {
  check_codes_on_targets(network());
}

TEST_CASE("learned scales of sums train where operands are repeated", "[operators]") {
  const Recipe recipe = recipe_of(targets::litert_default, recipes::w4a4_lsq());
  Graph g;
  auto x = relu(batch_norm(conv2d(g.input({6, 5, 3}), {.filters = 8, .kernel = 3})));
  x = x + conv2d(global_average_pool(x, true), {.filters = 8, .kernel = 1});
  g.output(linear(flatten(x), {.units = 3}));
  (void)check_trained_codes(Model(std::move(g), Rng(2)), recipe);
}

TEST_CASE("squeeze-and-excitation comes back from files", "[operators]") {
  const Model model = network();
  check_tflite_floats(model);
  check_onnx_floats(model);
  const IntegerModel codes = integers_of(model, recipe_of(targets::litert_default));
  check_tflite_codes(codes, random_images({6, 5, 3}, 3, 5));
  CHECK_THAT(c_text(codes), ContainsSubstring("STET_MUL_BROADCAST, \"gated\""));
  // The mean keeps its dimensions by a RESHAPE: LiteRT's optimized kernel would round otherwise.
  const tflite::ModelInfo info = tflite::describe(codes);
  for (const auto& o : info.operators) CHECK_FALSE((o.code == tflite::Builtin::mean && o.options.keep_dims));
}

}  // namespace broadcast_test
