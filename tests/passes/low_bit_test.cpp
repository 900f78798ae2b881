// Low bits through the whole library: precision at the ends, learned scales and their life cycle, estimators,
// oscillation, re-estimation and distillation in fit.

#include <stet/engine/engine.hpp>
#include <stet/model/convert.hpp>
#include <stet/passes/reestimate_batch_norm.hpp>
#include <stet/train/distillation.hpp>
#include <stet/train/entry_templates.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>
#include <stet/train/weight_oscillation.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"

#include <functional>
#include <map>
#include <string>

namespace low_bit_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// Layers a, b, c, d with an addition of b and c, a pool before d.
Graph network() {
  Graph g;
  auto x = g.input({8, 8, 2});
  x = relu(batch_norm(conv2d(x, {.filters = 6, .kernel = 3, .bias = false}).named("a"))).named("a_out");
  const auto b = batch_norm(conv2d(x, {.filters = 6, .kernel = 3, .bias = false}).named("b")).named("b_out");
  x = relu(add(b, batch_norm(conv2d(x, {.filters = 6, .kernel = 1, .bias = false}).named("c")))).named("sum");
  g.output(linear(flatten(max_pool(x)), {.units = 4}).named("d"));
  return g;
}

Dataset images(std::int64_t count = 64) { return random_dataset({8, 8, 2}, count, 4, 5); }

FitOptions options(int epochs) { return quiet_fit({.epochs = epochs, .batch = 16, .optimizer = Adam{.lr = 1e-2}}); }

QatModel prepared(const Recipe& recipe) {
  QatModel qat = prepare(Model(network(), Rng(3)), recipe);
  calibrate(qat, images());
  return qat;
}

std::map<std::string, int> weight_bits(const QatModel& qat) {
  std::map<std::string, int> bits;
  for (const Unit& unit : qat.units()) {
    if (unit.has_weights()) bits[qat.node_name(unit.node)] = unit.weights.bits();
  }
  return bits;
}

bool deployed_equals_forward(const QatModel& qat) {
  const Tensor<float> x = images().batch(0, 7).x;
  return same_bits(infer(qat, x), infer(Engine(convert(qat)), x));
}

std::vector<float> weights_of(QatModel& qat, const char* node) {
  const auto w = qat.model().parameter(std::string(node) + ".weight").value.span();
  return {w.begin(), w.end()};
}

}  // namespace

TEST_CASE("the layers at both ends have the recipe's end bits, and what they read and make") {
  QatModel qat = prepared(recipes::w3a3_lsq());
  CHECK(weight_bits(qat) == std::map<std::string, int>{{"a", 8}, {"b", 3}, {"c", 3}, {"d", 8}});
  CHECK(qat.quantizer("a_out").grid() == Grid::activation(3));
  CHECK(qat.quantizer("b_out").grid() == Grid::activation(3));
  CHECK(qat.quantizer("sum").grid() == Grid::activation(8));  // d reads it
  CHECK(qat.quantizer("d").grid() == Grid::activation(8));
  CHECK(qat.quantizer("a_out").learned());
  CHECK_FALSE(qat.quantizer("sum").learned());
  // An override speaks for its node, at the ends too.
  Recipe recipe = recipes::w3a3_lsq();
  recipe.overrides = {{"a", symmetric(4, true, WeightRange::mse), std::nullopt}, {"sum", std::nullopt, Int8Activation(5)}};
  QatModel own = prepared(recipe);
  CHECK(weight_bits(own) == std::map<std::string, int>{{"a", 4}, {"b", 3}, {"c", 3}, {"d", 8}});
  CHECK(own.quantizer("sum").grid() == Grid::activation(5));
  CHECK(own.quantizer("sum").learned());
  recipe = recipes::w2a2_lsq();
  recipe.end_bits.reset();
  CHECK(weight_bits(prepared(recipe)) == std::map<std::string, int>{{"a", 2}, {"b", 2}, {"c", 2}, {"d", 2}});
}

TEST_CASE("depthwise layers and what they make have bits of their own, unless an override speaks for them") {
  Graph g;
  auto x = g.input({8, 8, 2});
  x = relu(batch_norm(conv2d(x, {.filters = 6, .kernel = 3, .bias = false}).named("a"))).named("a_out");
  x = relu(batch_norm(depthwise_conv2d(x, {.kernel = 3, .bias = false}).named("b"))).named("b_out");
  x = relu(batch_norm(conv2d(x, {.filters = 6, .kernel = 1, .bias = false}).named("c"))).named("c_out");
  x = relu(batch_norm(depthwise_conv2d(x, {.kernel = 3, .bias = false}).named("d"))).named("d_out");
  x = relu(batch_norm(conv2d(x, {.filters = 6, .kernel = 1, .bias = false}).named("e"))).named("e_out");
  g.output(linear(flatten(x), {.units = 4}).named("f"));
  const Model model(g, Rng(3));
  const auto made = [&](const Recipe& recipe) {
    QatModel qat = prepare(model, recipe);
    calibrate(qat, images());
    return qat;
  };
  const QatModel qat = made(recipes::w2a2_lsq());
  CHECK(weight_bits(qat) == std::map<std::string, int>{{"a", 8}, {"b", 8}, {"c", 2}, {"d", 8}, {"e", 2}, {"f", 8}});
  CHECK(qat.quantizer(qat.units()[1].quantizer).grid() == Grid::activation(2));  // a_out
  CHECK(qat.quantizer(qat.units()[2].quantizer).grid() == Grid::activation(8));  // b_out
  CHECK_FALSE(qat.quantizer(qat.units()[2].quantizer).learned());
  CHECK(deployed_equals_forward(qat));
  Recipe recipe = recipes::w2a2_lsq();
  recipe.depthwise_bits = 4;
  recipe.overrides = {{"b", symmetric(3, true, WeightRange::mse), std::nullopt}, {"d_out", std::nullopt, Int8Activation(5)}};
  const QatModel own = made(recipe);
  CHECK(weight_bits(own) == std::map<std::string, int>{{"a", 8}, {"b", 3}, {"c", 2}, {"d", 4}, {"e", 2}, {"f", 8}});
  CHECK(own.quantizer(own.units()[2].quantizer).grid() == Grid::activation(4));
  CHECK(own.quantizer(own.units()[4].quantizer).grid() == Grid::activation(5));
  recipe.overrides.clear();
  recipe.depthwise_bits.reset();
  CHECK(weight_bits(made(recipe)) == std::map<std::string, int>{{"a", 8}, {"b", 2}, {"c", 2}, {"d", 2}, {"e", 2}, {"f", 8}});
  recipe.depthwise_bits = 9;
  CHECK_THROWS_AS(prepare(model, recipe), Error);
}

TEST_CASE("a recipe that cannot learn its scales is refused before training") {
  Recipe recipe = recipes::w4a4_lsq();
  recipe.weights = symmetric(4, false, WeightRange::mse);
  CHECK_THROWS_WITH(prepare(Model(network(), Rng(3)), recipe),
                    ContainsSubstring("cannot run 2 nodes") && ContainsSubstring("b (conv2d): weights per tensor in front of batch norm") &&
                        ContainsSubstring("take weights per channel"));
  CHECK_THROWS_WITH(symmetric(9), ContainsSubstring("integer weights have 1 to 8"));
}

TEST_CASE("learned scales start at calibration, move with training, and stop when ranges freeze") {
  for (const auto& make : {recipes::w4a4_lsq, recipes::w2a2_lsq, recipes::binary}) {
    Recipe recipe = make();
    recipe.schedule = {0.0, 2.0, 2.0};
    QatModel qat = prepared(recipe);
    INFO(recipe.name);
    const QParams start = qat.quantizer("a_out").params();
    CHECK(deployed_equals_forward(qat));
    const auto unit = std::find_if(qat.units().begin(), qat.units().end(), [&](const Unit& u) { return qat.node_name(u.node) == "b"; });
    const std::vector<float> weight_start = qat.weight_scale(*unit);
    fit(qat, images(), options(2));
    CHECK(qat.quantizer("a_out").params().scale != start.scale);
    CHECK(qat.quantizer("a_out").params().zero_point == start.zero_point);
    CHECK(qat.weight_scale(*unit) != weight_start);
    CHECK(deployed_equals_forward(qat));
    qat.freeze_ranges();
    const QParams frozen = qat.quantizer("a_out").params();
    const std::vector<float> weight_frozen = qat.weight_scale(*unit);
    fit(qat, images(), options(1));
    CHECK(qat.quantizer("a_out").params() == frozen);
    CHECK(qat.weight_scale(*unit) == weight_frozen);
    qat.freeze_batch_norm();
    CHECK(deployed_equals_forward(qat));
  }
}

TEST_CASE("low-bit training that was interrupted continues bit for bit") {
  const TemporaryDirectory directory;
  FitOptions whole = options(4);
  QatModel once = prepared(recipes::w2a2_lsq());
  whole.checkpoint = directory.path("once");
  fit(once, images(), whole);
  FitOptions half = whole;
  half.checkpoint = directory.path("twice");
  half.resume = true;
  QatModel first = prepared(recipes::w2a2_lsq());
  half.on_epoch = [](const EpochReport& e) {
    if (e.epoch == 1) fail(Errc::state, "stop");
  };
  CHECK_THROWS_WITH(fit(first, images(), half), ContainsSubstring("stop"));
  half.on_epoch = {};
  QatModel second = prepared(recipes::w2a2_lsq());
  fit(second, images(), half);
  CHECK(state_of(once) == state_of(second));
}

TEST_CASE("an estimator of the recipe changes how weights learn, and nothing else") {
  std::vector<std::vector<float>> results;
  for (const std::optional<AnyEstimator>& estimator : {std::optional<AnyEstimator>{}, std::optional<AnyEstimator>{Ste{}}}) {
    Recipe recipe = recipes::w2a2_lsq();
    recipe.weight_estimator = estimator;
    QatModel qat = prepared(recipe);
    const Tensor<float> before = infer(qat, images().batch(0, 4).x);
    CHECK(same_bits(before, infer(prepared(recipes::w2a2_lsq()), images().batch(0, 4).x)));
    fit(qat, images(), options(2));
    CHECK(deployed_equals_forward(qat));
    results.push_back(weights_of(qat, "b"));
  }
  CHECK(results[0] != results[1]);
  // int8 weights from the range take one too.
  Recipe int8 = recipes::int8();
  int8.weight_estimator = ClippedSte{};
  QatModel with = prepared(int8), without = prepared(recipes::int8());
  fit(with, images(), options(1));
  fit(without, images(), options(1));
  CHECK(weights_of(with, "b") == weights_of(without, "b"));  // nothing is clipped, so nothing is masked
}

TEST_CASE("oscillating weights freeze at a code, and dampening draws weights to theirs") {
  QatModel qat = prepared(recipes::w2a2_lsq());
  OscillationFreezing freezing(qat, {.momentum = 0.3, .freeze_from = 0.2, .freeze_to = 0.2});
  FitOptions o = options(6);
  o.on_step = std::ref(freezing);
  fit(qat, images(), o);
  std::int64_t frozen = 0;
  for (const auto& layer : freezing.layers()) frozen += layer.frozen;
  CHECK(freezing.layers().size() == 2);  // b and c; the ends have 8 bits
  CHECK(frozen > 0);
  CHECK(deployed_equals_forward(qat));

  const auto distance = [](double lambda) {
    QatModel model = prepared(recipes::w2a2_lsq());
    FitOptions f = options(6);
    if (lambda > 0) f.on_gradients = OscillationDampening(model, lambda);
    fit(model, images(), f);
    double sum = 0;
    for (const Unit& unit : model.units()) {
      if (model.node_name(unit.node) != "b") continue;
      const Tensor<float>& w = model.model().parameter("b.weight").value;
      const WeightCodes q = quantize_weights(w, 0, unit.weights, {}, model.weight_scale(unit));
      for (std::int64_t i = 0; i < w.size(); ++i) {
        sum += std::fabs(w[i] - q.scale[static_cast<std::size_t>(i / (w.size() / 6))] * static_cast<float>(q.codes[i]));
      }
    }
    return sum;
  };
  CHECK(distance(1.0) < 0.8 * distance(0.0));

  QatModel int8 = prepared(recipes::int8());
  CHECK_THROWS_WITH(OscillationFreezing(int8), ContainsSubstring("no weights of 2 to 4 bits"));
  CHECK_THROWS_WITH(OscillationDampening(qat, -1.0), ContainsSubstring("lambda_end is -1"));
}

TEST_CASE("freezing resumes where the run was interrupted") {
  struct Stop {};
  const TemporaryDirectory dir;
  const OscillationOptions often{.momentum = 0.3, .freeze_from = 0.2, .freeze_to = 0.2};
  const auto run = [&](QatModel& qat, OscillationFreezing& freezing, FitOptions o) {
    o.on_step = std::ref(freezing);
    o.state = {{"freezing", freezing}};
    fit(qat, images(), o);
  };
  QatModel whole = prepared(recipes::w2a2_lsq());
  OscillationFreezing of_whole(whole, often);
  run(whole, of_whole, options(6));

  FitOptions o = options(6);
  o.checkpoint = dir.path("run");
  {
    QatModel qat = prepared(recipes::w2a2_lsq());
    OscillationFreezing freezing(qat, often);
    o.on_epoch = [](const EpochReport& e) {
      if (e.epoch == 3) throw Stop{};
    };
    CHECK_THROWS_AS(run(qat, freezing, o), Stop);
    CHECK(freezing.layers()[0].frozen + freezing.layers()[1].frozen > 0);
  }
  QatModel resumed = prepared(recipes::w2a2_lsq());
  OscillationFreezing of_resumed(resumed, often);
  o.on_epoch = nullptr;
  o.resume = true;
  run(resumed, of_resumed, o);
  for (const char* layer : {"b", "c"}) CHECK(weights_of(resumed, layer) == weights_of(whole, layer));
  for (std::size_t i = 0; i < 2; ++i) CHECK(of_resumed.layers()[i].frozen == of_whole.layers()[i].frozen);
  // Without the callback's state the checkpoint is of another run.
  QatModel other = prepared(recipes::w2a2_lsq());
  CHECK_THROWS_WITH(fit(other, images(), o), ContainsSubstring("callbacks state of freezing there, callbacks none now"));
}

TEST_CASE("re-estimation makes running statistics those of the quantized network, and moves nothing else") {
  QatModel qat = prepared(recipes::w2a2_lsq());
  fit(qat, images(), options(2));
  qat.freeze_ranges();
  qat.freeze_batch_norm();
  const std::vector<float> weights = weights_of(qat, "b");
  const QParams scale = qat.quantizer("a_out").params();
  for (float& v : qat.model().buffer("batch_norm_1.mean").edit()) v += 1.0f;  // spoilt
  reestimate_batch_norm(qat, images(), {.batches = 100, .batch = 64});
  CHECK(weights_of(qat, "b") == weights);
  CHECK(qat.quantizer("a_out").params() == scale);
  CHECK(qat.batch_norm_frozen());
  CHECK(deployed_equals_forward(qat));
  // One batch of everything, repeated, is a fixed point.
  const Tensor<float> mean = qat.model().buffer("batch_norm_1.mean"), variance = qat.model().buffer("batch_norm_1.variance");
  reestimate_batch_norm(qat, images(), {.batches = 1, .batch = 64});
  CHECK(same_bits(qat.model().buffer("batch_norm_1.mean"), mean));
  CHECK(same_bits(qat.model().buffer("batch_norm_1.variance"), variance));
  CHECK_THROWS_WITH(reestimate_batch_norm(qat, images(), {.batches = 0}), ContainsSubstring("got 0 batches"));
  QatModel raw = prepare(Model(network(), Rng(3)), recipes::w2a2_lsq());
  CHECK_THROWS_WITH(reestimate_batch_norm(raw, images()), ContainsSubstring("has no range yet"));
}

TEST_CASE("re-estimation weighs batches by their images, and takes them from the whole data set") {
  const QatModel qat = prepared(recipes::w4a4_lsq());
  const auto statistics = [&](const Dataset& data, const ReestimateOptions& o) {
    QatModel copy = qat;
    reestimate_batch_norm(copy, data, o);
    const auto mean = copy.model().buffer("batch_norm_1.mean").span();
    return std::vector<float>(mean.begin(), mean.end());
  };
  const auto close = [](const std::vector<float>& a, const std::vector<float>& b, double most) {
    double distance = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) distance = std::max(distance, static_cast<double>(std::abs(a[i] - b[i])));
    return distance < most;
  };
  // The last images are the brightest: in file order they would be a batch of 1, of 2 or of 3, or none at all.
  for (const std::int64_t count : {33, 34, 35}) {
    Batch all = images(count).batch(0, count);
    for (std::int64_t i = 32 * 128; i < all.x.size(); ++i) all.x.edit()[static_cast<std::size_t>(i)] += 5.0f;
    const Dataset data(all.x, all.labels, 4, "bright at the end");
    const std::vector<float> at_once = statistics(data, {.batches = 1, .batch = count});
    for (const std::int64_t batch : {2, 3, 16, 32}) {
      INFO(count << " images in batches of " << batch);
      CHECK(close(statistics(data, {.batches = 50, .batch = batch}), at_once, 1e-3));
    }
  }
  // A sample of sorted data is one of all of it.
  Batch sorted = images(512).batch(0, 512);
  for (std::int64_t i = 256 * 128; i < sorted.x.size(); ++i) sorted.x.edit()[static_cast<std::size_t>(i)] += 5.0f;
  const Dataset data(sorted.x, sorted.labels, 4, "sorted");
  const std::vector<float> all = statistics(data, {.batches = 1, .batch = 512});
  const std::vector<float> first = statistics(data.slice(0, 256), {.batches = 1, .batch = 256});
  CHECK_FALSE(close(first, all, 1.0));
  CHECK(close(statistics(data, {.batches = 8, .batch = 32}), all, 0.5));
  CHECK(statistics(data, {.batches = 4, .batch = 32}) == statistics(data, {.batches = 4, .batch = 32}));
  CHECK(statistics(data, {.batches = 4, .batch = 32}) != statistics(data, {.batches = 4, .batch = 32, .seed = 2}));
}

TEST_CASE("a teacher's loss trains, and contradictory losses are refused") {
  const Model teacher(network(), Rng(3));
  QatModel qat = prepared(recipes::w4a4_lsq());
  FitOptions o = options(4);
  o.loss = Distillation(teacher, {.temperature = 2.0, .weight = 1.0});
  const FitReport report = fit(qat, images(), o);
  CHECK(report.epochs.back().loss < report.epochs.front().loss);
  o.label_smoothing = 0.1;
  CHECK_THROWS_WITH(fit(qat, images(), o), ContainsSubstring("options.loss replaces"));
  o.label_smoothing = 0;
  o.loss = [](const Var<Tensor<float>>& logits, const Batch&) { return logits; };
  CHECK_THROWS_WITH(fit(qat, images(), o), ContainsSubstring("the loss must be one number"));
}

}  // namespace low_bit_test
