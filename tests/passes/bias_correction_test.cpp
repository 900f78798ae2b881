#include <stet/passes/bias_correction.hpp>

#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/lower.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/passes/standard_passes.hpp>
#include <stet/passes/with_bias.hpp>
#include <stet/quant/apot_scheme.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit.hpp>

#include "../../examples/fashion_mnist/networks.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace bias_correction_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

const Dataset& images() {
  static const Dataset data = make_shapes(1, 64, 1).train;
  return data;
}

// Running statistics and gammas as training leaves them.
Model spread(Model model, std::uint64_t seed) {
  Rng rng(seed);
  model.fields([&](std::string_view name, Tensor<float>& t) {
    const bool positive = name.ends_with("variance");
    for (float& v : t.edit()) v = positive ? static_cast<float>(0.5 + rng.uniform()) : v + 0.1f * static_cast<float>(rng.normal());
  });
  return model;
}

Recipe rough() {
  Recipe r = recipes::int8();
  r.weights = symmetric(4);
  r.linear_weights = symmetric(4, false);
  return r;
}

// Per layer and channel, how far its mean in the quantized network is from that in float, in steps of its bias: from the codes
// that it reads, position by position, and not by the sums that the pass makes.
double worst(const QatModel& qat, const Model& reference, const Dataset& data) {
  const Tensor<float> x = data.batch(0, data.size()).x;
  double most = 0;
  for (const Unit& unit : qat.units()) {
    if (!unit.has_weights()) continue;
    const int node = unit.batch_norm >= 0 ? unit.batch_norm : unit.node;
    std::vector<double> wanted;
    (void)infer(reference, x, {.observe = [&](int id, const Tensor<float>& v) {
                  if (id != node) return;
                  wanted.assign(static_cast<std::size_t>(v.shape().back()), 0.0);
                  for (std::int64_t i = 0; i < v.size(); ++i) wanted[static_cast<std::size_t>(i) % wanted.size()] += static_cast<double>(v[i]);
                  for (double& w : wanted) w /= static_cast<double>(v.size()) / static_cast<double>(wanted.size());
                }});
    // The layer alone, in float, on what its codes mean.
    const LayerConstants folded = lower(qat, unit);
    const int source = qat.units()[static_cast<std::size_t>(unit.deployed.inputs[0])].output;
    QTensor read;
    (void)infer_codes(qat, x, [&](int id, const QTensor& codes) {
      if (id == source) read = codes;
    });
    Graph g;
    const Shape in = qat.graph().node(source).shape;
    g.input(in);
    graph::Operator op = unit.op();
    g.add(op, {0}, "layer");
    g.output(1);
    Model layer(std::move(g), Rng(1));
    const ScaleMap channel = channel_of(folded.weights.shape(), unit.channel_axis());
    Tensor<float> w(folded.weights.shape());
    for (std::int64_t i = 0; i < w.size(); ++i) {
      w.edit()[static_cast<std::size_t>(i)] = static_cast<float>(folded.weights[i]) * folded.weight_scale[unit.weights.per_channel() ? static_cast<std::size_t>(channel.index(i)) : 0];
    }
    layer.parameter("layer.weight").value = w;
    if (Parameter* b = layer.find_parameter("layer.bias")) {
      for (float& v : b->value.edit()) v = 0;
    }
    const Tensor<float> y = infer(layer, dequantize(read));
    std::vector<double> is(wanted.size(), 0.0);
    for (std::int64_t i = 0; i < y.size(); ++i) is[static_cast<std::size_t>(i) % is.size()] += static_cast<double>(y[i]);
    for (std::size_t c = 0; c < is.size(); ++c) {
      const double step = static_cast<double>(read.params.scale[0]) * static_cast<double>(folded.weight_scale[unit.weights.per_channel() ? c : 0]);
      const double mean = is[c] / (static_cast<double>(y.size()) / static_cast<double>(is.size())) + step * static_cast<double>(folded.bias[static_cast<std::int64_t>(c)]);
      most = std::max(most, std::fabs(mean - wanted[c]) / step);
    }
  }
  return most;
}

}  // namespace

TEST_CASE("after bias correction every channel has its float mean, up to half a step of its bias") {
  for (const char* name : {"plain", "separable", "residual"}) {
    for (const bool per_channel : {true, false}) {
      INFO(name << (per_channel ? " per channel" : " per tensor"));
      const Model model = spread(Model(example::make_network(name), Rng(1)), 1);
      Recipe recipe = rough();
      recipe.weights = symmetric(4, per_channel);
      QatModel qat = prepare(model, recipe);
      calibrate(qat, images());
      const double before = worst(qat, model, images());
      BiasCorrectionReport report;
      bias_correction(qat, model, images(), {.data = {.images = 0}}, &report);
      CHECK(before > 1);
      CHECK(worst(qat, model, images()) < 0.51);  // sums of float lie beside the half
      REQUIRE(!report.layers.empty());
      for (const CorrectedBias& l : report.layers) CHECK(l.after <= l.before + 1e-6);
      CHECK_THAT(report.str(), ContainsSubstring(report.layers[0].layer + ": mean error of its channels"));
      // What was corrected is what is deployed.
      const Tensor<float> x = images().batch(0, 10).x;
      CHECK(stet_test::same_bits(infer(qat, x), infer(Engine(convert(qat)), x)));
    }
  }
}

TEST_CASE("the reference may be another model of the same graph, and no other") {
  const Model model = spread(Model(example::make_network("plain"), Rng(1)), 1), other = spread(Model(example::make_network("plain"), Rng(1)), 2);
  QatModel qat = prepare(model, rough());
  calibrate(qat, images());
  bias_correction(qat, other, images(), {.data = {.images = 0, .layers = {"conv2d_1"}}});
  CHECK(stet_test::same_bits(qat.model().parameter("batch_norm_2.beta").value, prepare(model, rough()).model().parameter("batch_norm_2.beta").value));
  CHECK_FALSE(stet_test::same_bits(qat.model().parameter("batch_norm_1.beta").value, prepare(model, rough()).model().parameter("batch_norm_1.beta").value));
  const Model stranger(example::make_network("residual"), Rng(1));
  CHECK_THROWS_WITH(bias_correction(qat, stranger, images()), ContainsSubstring("the reference has another graph"));
}

TEST_CASE("what bias correction cannot do is refused before anything changes") {
  Graph g;
  const auto x = g.input({28, 28, 1});
  g.output(linear(flatten(conv2d(x, {.filters = 2, .kernel = 3, .stride = 4, .bias = false}).named("bare")), {.units = 10}));
  const Model model(std::move(g), Rng(1));
  QatModel qat = prepare(model, rough());
  CHECK_THROWS_WITH(bias_correction(qat, model, images()), ContainsSubstring("no range yet"));
  calibrate(qat, images());
  CHECK_THROWS_WITH(bias_correction(qat, model, images()), ContainsSubstring("no batch norm and no bias at bare"));
  CHECK_THROWS_WITH(bias_correction(qat, model, images(), {.data = {.layers = {"nobody"}}}), ContainsSubstring("nobody"));
  CHECK_THROWS_WITH(bias_correction(qat, model, images(), {.data = {.batch = 0}}), ContainsSubstring("positive batch"));
  CHECK(qat.model().parameter("linear_1.bias").value[0] == model.parameter("linear_1.bias").value[0]);
  Recipe simulated = rough();
  simulated.weights = AdditivePowersOfTwo(4);
  QatModel in_float = prepare(with_bias(model), simulated);
  calibrate(in_float, images());
  CHECK_THROWS_WITH(bias_correction(in_float, with_bias(model), images()), ContainsSubstring("in float"));
}

TEST_CASE("a bias of zeros is added where there is neither one nor a batch norm, and changes nothing") {
  Graph g;
  auto x = g.input({8, 8, 2});
  x = relu(conv2d(x, {.filters = 4, .kernel = 3, .bias = false}).named("bare"));
  x = relu(batch_norm(conv2d(x, {.filters = 4, .kernel = 3, .bias = false}).named("normed")));
  x = depthwise_conv2d(x, {.kernel = 3, .bias = false}).named("deep");
  g.output(linear(flatten(x), {.units = 3, .bias = false}).named("logits"));
  const Model model = spread(Model(std::move(g), Rng(1)), 3);
  std::vector<std::string> added;
  const Model other = with_bias(model, &added);
  CHECK(added == std::vector<std::string>{"bare", "deep", "logits"});
  CHECK(other.find_parameter("normed.bias") == nullptr);
  const Tensor<float> y = stet_test::random_images({8, 8, 2}, 4, 1);
  CHECK(stet_test::same_bits(infer(model, y), infer(other, y)));
  std::vector<std::string> again;
  (void)with_bias(other, &again);
  CHECK(again.empty());
}

TEST_CASE("correcting biases brings few bits nearer to float", "[slow]") {
  const DatasetSplit data = make_shapes(1, 2000, 2000);
  Graph g;
  auto x = g.input({28, 28, 1});
  x = max_pool(relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2, .bias = false}))), {.size = 2});
  x = relu(conv2d(x, {.filters = 16, .kernel = 3, .bias = false}));
  g.output(linear(flatten(x), {.units = 10}));
  Model model(std::move(g), Rng(1));
  (void)fit(model, data.train, {.epochs = 4, .optimizer = Adam{.lr = 3e-3}, .progress = ProgressMode::quiet});
  Recipe recipe = rough();
  recipe.weights = symmetric(3);
  const auto loss = [&](const QuantizeOptions& o) { return evaluate(Engine(quantize(model, recipe, data.train, o)), data.test).loss; };
  CHECK(loss({.passes = {passes::bias_corrected()}}) < loss({}));
}

}  // namespace bias_correction_test
