// What save_tflite writes, load_tflite reads: random networks in float and int8, low-bit grids, paddings of every kind.

#include <stet/engine/engine.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/quantize.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <cmath>
#include <map>

namespace load_tflite_round_trip_test {

using namespace stet;
using namespace stet_test;

namespace {

Model through_file(const Model& model, const TfliteOptions& options = {}) {
  return tflite::import_model(tflite::decode(tflite_bytes(model, options), "test"), "test", {.ending = Ending::whole});
}
IntegerModel through_file(const IntegerModel& model, const TfliteIntegerOptions& options = {}) {
  return tflite::import_integer_model(tflite::decode(tflite_bytes(model, options), "test"), model.target, "test");
}

// The largest difference, relative to the largest value.
double distance(const Tensor<float>& a, const Tensor<float>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0, largest = 1e-6;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    largest = std::max(largest, std::abs(static_cast<double>(a[i])));
  }
  return worst / largest;
}

using CodesByName = std::map<std::string, Tensor<std::int8_t>>;
CodesByName run(const IntegerModel& model, const Tensor<float>& x) {
  const Engine engine(model);
  CodesByName codes;
  (void)engine.run(x, [&](int v, std::span<const std::int8_t> values) {
    codes[model.values[static_cast<std::size_t>(v)].name] = {Shape{static_cast<std::int64_t>(values.size())}, values};
  });
  return codes;
}

std::map<std::string, LayerConstants> layers(const IntegerModel& model) {
  std::map<std::string, LayerConstants> found;
  for (const IntegerNode& n : model.nodes) {
    if (graph::has_weights(n.op)) found[n.name] = n.constants;
  }
  return found;
}

// The same model with weights that fit 4 bits.
IntegerModel with_small_weights(IntegerModel model) {
  for (IntegerNode& n : model.nodes) {
    if (!graph::has_weights(n.op)) continue;
    for (std::int8_t& q : n.constants.weights.edit()) q = static_cast<std::int8_t>(q / 18);
  }
  return model;
}

// Whether a value is made by a pad that only one unpadded convolution reads: that one takes it along as its padding.
bool is_margin(const IntegerModel& m, int value) {
  bool pad = false, layer = false;
  int readers = 0;
  for (const IntegerNode& n : m.nodes) {
    if (n.output == value) pad = graph::is<graph::op::Pad>(n.op);
    for (const int in : n.inputs) {
      if (in != value) continue;
      ++readers;
      layer = graph::has_weights(n.op) && !graph::is<graph::op::Linear>(n.op);
    }
  }
  return pad && layer && readers == 1;
}

// Every value of the original is in the loaded model under its name, with its parameters and the same codes; layers have
// the same constants.
void require_same(const IntegerModel& a, const IntegerModel& b, const Tensor<float>& x) {
  const CodesByName before = run(a, x), after = run(b, x);
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const IntegerValue& v = a.values[i];
    INFO("value " << v.name);
    const auto same = [&](const IntegerValue& w) {
      // Where a fused activation ends at the end of a small grid, the file does not name the grid: it changes no code.
      return w.name == v.name && w.shape == v.shape && w.codes.scale == v.codes.scale &&
             w.codes.zero_point == v.codes.zero_point &&
             (w.codes.grid == v.codes.grid || w.codes.grid == Grid::int8());
    };
    const auto count = std::count_if(b.values.begin(), b.values.end(), same);
    if (count == 0 && is_margin(a, static_cast<int>(i))) continue;
    REQUIRE(count == 1);
    REQUIRE(same_bits(before.at(v.name), after.at(v.name)));
  }
  const auto la = layers(a), lb = layers(b);
  REQUIRE(la.size() == lb.size());
  for (const auto& [name, layer] : la) {
    INFO("layer " << name);
    REQUIRE(lb.count(name) == 1);
    const LayerConstants& other = lb.at(name);
    REQUIRE(same_bits(layer.weights, other.weights));
    REQUIRE(same_bits(layer.bias, other.bias));
    REQUIRE(layer.weight_scale == other.weight_scale);
  }
}

}  // namespace

TEST_CASE("float networks come back from a file with the same outputs") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    const Model model = random_model(seed);
    const Tensor<float> x = random_images(input_shape(model), 4, seed);
    REQUIRE(distance(infer(model, x), infer(through_file(model), x)) < 2e-6);
  }
}

TEST_CASE("every operator of the float graph comes back") {
  Graph g;
  auto x = g.input({9, 8, 4}).named("image");
  auto y = batch_norm(x).named("norm_of_input");
  y = leaky_relu(conv2d(y, {.filters = 6, .kernel = 3, .padding = Padding::of(1, 0, 2, 1), .groups = 2}),
                 {.alpha = 0.3f});
  y = max_pool(y, {.size = 3, .stride = 2, .padding = Padding::of(1, 0, 1, 1)}).named("pool");
  y = average_pool(y, {.size = 3, .stride = 1, .padding = Padding::of(2, 1, 1, 0)}).named("mean_of_image");
  y = average_pool(y, {.size = 2, .stride = 1, .padding = Padding::of(1, 0, 0, 1), .count_padding = true});
  y = hard_swish(
      depthwise_conv2d(y, {.kernel = {3, 1}, .padding = Padding::of(2, 2, 0, 0), .dilation = 2, .multiplier = 2}));
  y = y * sigmoid(mean(y, {0, 1}, true));
  y = transpose(pad(y, {.top = 1, .right = 2}), {1, 0, 2});
  y = concat({y, tanh(y)}, 2);
  const auto m = reshape(y, {y.shape()[0] * y.shape()[1], y.shape()[2]});
  const auto n = linear(m, {.units = 5, .bias = false});
  y = matmul(transpose(n, {1, 0}), relu6(m)).named("product");
  y = sum(y, {0}) - flatten(mean(y, {0}, true));
  y = batch_norm(relu(linear(y, {.units = 7})));
  g.output(softmax(y).named("probabilities"));
  g.output(log_softmax(y).named("logarithms"));
  Model model(g, Rng(3));
  Rng rng(4);
  for (auto& b : model.buffers()) {
    for (float& v : b.value.edit()) v = static_cast<float>(rng.uniform(0.5, 1.5));
  }
  for (auto& p : model.parameters()) {
    for (float& v : p.parameter.value.edit()) v += static_cast<float>(0.1 * rng.normal());
  }
  const Tensor<float> image = random_images({9, 8, 4}, 3, 5);
  for (const TfliteFormat format : {TfliteFormat::float32, TfliteFormat::float16}) {
    const Model loaded = through_file(model, {.format = format});
    const auto wanted = infer(model, std::span(&image, 1)), got = infer(loaded, std::span(&image, 1));
    REQUIRE(got.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(distance(wanted[i], got[i]) < (format == TfliteFormat::float32 ? 2e-6 : 2e-2));
    }
    for (const char* name : {"image", "pool", "mean_of_image", "product", "probabilities", "logarithms"}) {
      INFO(name);
      CHECK(loaded.graph().find(name) >= 0);
    }
  }
}

TEST_CASE("integer networks come back with the same codes of every value and the same constants") {
  int compared = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    const Model model = random_model(seed, {.with_dropout = false, .large = seed % 4 == 0});
    Recipe recipe = recipes::int8();
    recipe.target = seed % 2 == 0 ? targets::tflite_reference : targets::litert_default;
    if (seed % 5 == 0) recipe.activations = Int8Activation(6);
    IntegerModel integers;
    try {
      integers = quantize(model, recipe, random_dataset(input_shape(model), 24, classes_of(model), seed));
      (void)Engine(integers);
    } catch (const Error& e) {  // scales that no int8 operator can take, drawn by chance
      const std::string text = e.what();
      INFO(text);
      const auto says = [&](const char* part) { return text.find(part) != std::string::npos; };
      REQUIRE((says("256") || says("2^20") || says("activations of 6 bits; the runtime fixes its output at 8")));
      continue;
    }
    const Tensor<float> x = random_images(input_shape(model), 5, seed + 1);
    const bool ends = seed % 3 == 0 || recipe.activations.bits() < 8;  // only real inputs say what grid their codes lie on
    require_same(integers, through_file(integers, {.float_input = ends, .float_output = ends}), x);
    ++compared;
  }
  CHECK(compared >= 25);
}

TEST_CASE("paddings, small grids and packed weights come back") {
  Graph g;
  auto x = g.input({7, 7, 3}).named("image");
  x = relu6(conv2d(x, {.filters = 6, .kernel = 3, .padding = Padding::of(2, 1, 0, 2)}).named("conv"))
          .named("conv_value");
  x = max_pool(x, {.size = 3, .stride = 2, .padding = Padding::of(1, 0, 2, 1)}).named("pool");
  x = relu(depthwise_conv2d(x, {.kernel = 2, .padding = Padding::of(0, 1, 1, 0)}).named("depthwise"))
          .named("depthwise_value");
  x = (x + conv2d(x, {.filters = 6, .kernel = 1}).named("branch")).named("sum");
  x = pad(x, {.left = 1}).named("margin");
  g.output(linear(flatten(x).named("flat"), {.units = 4}).named("head"));
  const Model model(g, Rng(8));
  for (const int bits : {8, 4}) {
    for (const bool ends : {false, true}) {
      INFO("bits " << bits << ", real ends " << ends);
      Recipe recipe = recipes::int8();
      recipe.activations = Int8Activation(bits);
      recipe.target = targets::tflite_reference;  // the one that rounds layers with packed weights as LiteRT does
      const IntegerModel integers = with_small_weights(quantize(model, recipe, random_dataset({7, 7, 3}, 24, 4, 9)));
      const Tensor<float> images = random_images({7, 7, 3}, 6, 10);
      IntegerModel loaded = through_file(integers, {.float_input = ends, .float_output = ends, .int4_weights = true});
      if (!ends && bits < 8) {  // a file that takes codes does not say on which grid they lie
        CHECK(loaded.values[0].codes.grid == Grid::int8());
        loaded.values[0].codes.grid = integers.values[0].codes.grid;
      }
      require_same(integers, loaded, images);
      CHECK(loaded.values[1].codes.grid == integers.values[1].codes.grid);
      const auto bytes = tflite_bytes(integers, {.int4_weights = true});
      CHECK_THROWS_WITH(tflite::import_integer_model(tflite::decode(bytes, "test"), targets::litert_default, "test"),
                        Catch::Matchers::ContainsSubstring("(CONV_2D): weights conv.weight are int4"));
    }
  }
}

}  // namespace load_tflite_round_trip_test
