// Tensors of zeros, or of values too small for a code: they quantize with a defined scale and a word about it, and training
// gets away from them under every recipe.

#include <stet/engine/engine.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/quantize.hpp>
#include <stet/train/entry_templates.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

namespace degenerate_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// Stripes along the rows, along the columns, and a checker, in noise.
Dataset stripes(std::int64_t count = 96) {
  Rng rng(7);
  Tensor<float> x(Shape{count, 6, 6, 1});
  Tensor<std::int32_t> labels(Shape{count});
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t image = i / 36, row = i / 6 % 6, column = i % 6;
    const std::int64_t bit = image % 3 == 0 ? row : image % 3 == 1 ? column : row + column;
    x.edit()[static_cast<std::size_t>(i)] = static_cast<float>(bit % 2) + 0.2f * static_cast<float>(rng.normal());
    labels.edit()[static_cast<std::size_t>(image)] = static_cast<std::int32_t>(image % 3);
  }
  return {x, labels, 3, "stripes"};
}

// A stem, a residual block whose branch ends in batch norm "b_norm", and a classifier "head".
Graph residual() {
  Graph g;
  auto x = g.input({6, 6, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 6, .kernel = 3, .bias = false}).named("stem"))).named("stem_out");
  auto y = relu(batch_norm(conv2d(x, {.filters = 6, .kernel = 3, .bias = false}).named("a"))).named("a_out");
  y = batch_norm(conv2d(y, {.filters = 6, .kernel = 3, .bias = false}).named("b")).named("b_norm");
  x = relu(add(x, y)).named("sum");
  g.output(linear(global_average_pool(x), {.units = 3}).named("head"));
  return g;
}

void fill(Model& model, const char* parameter, float value) {
  const auto v = model.parameter(parameter).value.edit();
  std::fill(v.begin(), v.end(), value);
}

FitReport train(QatModel& qat, int epochs) {
  return fit(qat, stripes(), quiet_fit({.epochs = epochs, .batch = 16, .optimizer = Adam{.lr = 1e-2}}));
}

// How many codes a value of the model takes on data.
std::size_t codes_in_use(const QatModel& qat, const char* value) {
  std::set<std::int8_t> codes;
  static_cast<void>(infer_codes(qat, stripes().batch(0, 32).x, [&](int node, const QTensor& q) {
    if (qat.node_name(node) == value) codes.insert(q.codes.span().begin(), q.codes.span().end());
  }));
  return codes.size();
}

bool deployed_equals_forward(const QatModel& qat, const Tensor<float>& x) {
  return same_bits(infer(qat, x), infer(Engine(convert(qat)), x));
}

Recipe without_ends(Recipe recipe) {
  recipe.end_bits.reset();
  return recipe;
}

std::vector<Recipe> every_recipe() {
  using namespace recipes;
  return {int8(), int8_per_tensor(), w4a4_lsq(), w3a3_lsq(), w2a2_lsq(), binary(), without_ends(w4a4_lsq()),
          without_ends(w2a2_lsq()), without_ends(binary())};
}

const Unit& unit_of(const QatModel& qat, std::string_view node) {
  return *std::find_if(qat.units().begin(), qat.units().end(), [&](const Unit& u) { return qat.node_name(u.node) == node; });
}

}  // namespace

TEST_CASE("a residual branch whose gamma is 0 trains under every recipe") {
  for (const Recipe& recipe : every_recipe()) {
    INFO(recipe.name << " " << recipe.end_bits.value_or(0));
    Model model(residual(), Rng(3));
    fill(model, "b_norm.gamma", 0.0f);
    CaughtWarnings warnings;
    QatModel qat = prepare(model, recipe);
    calibrate(qat, stripes());
    CHECK(warnings.mention("b_norm"));
    CHECK(codes_in_use(qat, "b_norm") == 1);
    const FitReport report = train(qat, 6);
    CHECK(report.epochs.back().loss < 0.9 * report.epochs.front().loss);
    CHECK(codes_in_use(qat, "b_norm") >= (unit_of(qat, "b").weights.bits() == 1 ? 2 : 3));
    CHECK(deployed_equals_forward(qat, stripes().batch(0, 9).x));
  }
}

TEST_CASE("a classifier that starts at 0 trains under every recipe") {
  for (const Recipe& recipe : every_recipe()) {
    INFO(recipe.name << " " << recipe.end_bits.value_or(0));
    Model model(residual(), Rng(3));
    fill(model, "head.weight", 0.0f);
    CaughtWarnings warnings;
    QatModel qat = prepare(model, recipe);
    calibrate(qat, stripes());
    CHECK(warnings.mention("head"));
    const FitReport report = train(qat, 30);
    CHECK(report.epochs.front().loss < 1.2);
    CHECK(report.epochs.back().loss < 0.9);
    CHECK(deployed_equals_forward(qat, stripes().batch(0, 9).x));
  }
}

TEST_CASE("a scale that started on zeros follows values until ranges freeze, then it is kept") {
  for (const Recipe& recipe : {without_ends(recipes::w2a2_lsq()), without_ends(recipes::binary())}) {
    INFO(recipe.name);
    Model model(residual(), Rng(3));
    fill(model, "head.weight", 0.0f);
    CaughtWarnings warnings;
    QatModel qat = prepare(model, recipe);
    calibrate(qat, stripes());
    const Unit& head = unit_of(qat, "head");
    CHECK(qat.quantizer("head").source() == RangeSource::stand_in);
    CHECK_FALSE(qat.quantizer("head").learns());
    fill(qat.model(), "head.weight", 0.25f);
    for (const float s : qat.weight_scale(head)) CHECK(s == Approx(0.25f));
    QatModel copy = qat;  // a copy has a state of its own
    qat.start_quantizing();
    Tape tape;
    static_cast<void>(forward(tape, qat, stripes().batch(0, 16).x));
    CHECK(qat.quantizer("head").source() == RangeSource::last_step);
    CHECK(qat.quantizer("head").params() != copy.quantizer("head").params());
    qat.freeze_ranges();
    CHECK(qat.quantizer("head").source() == RangeSource::observer);
    const std::vector<float> kept = qat.weight_scale(head);
    const QParams output = qat.quantizer("head").params();
    fill(qat.model(), "head.weight", 3.0f);
    CHECK(qat.weight_scale(head) == kept);
    CHECK(qat.quantizer("head").params() == output);
    for (const float s : copy.weight_scale(head)) CHECK(s == Approx(0.25f));
  }
}

TEST_CASE("zeros and tiny values are quantized in one call, with a warning that names them") {
  const Tensor<float> x = stripes().batch(0, 9).x;
  const auto quantized = [&](const Model& model, const Dataset& data, const char* named) {
    CaughtWarnings warnings;
    const IntegerModel integers = quantize(model, recipes::int8(), data);
    CHECK((warnings.mention(named) && warnings.mention("[0, 1] stands in")));
    return infer(Engine(integers), data.batch(0, 9).x);
  };
  SECTION("a ReLU that is always zero") {
    Graph g;
    auto y = relu(conv2d(g.input({6, 6, 1}), {.filters = 4, .kernel = 3}).named("dead")).named("dead_out");
    g.output(linear(flatten(y), {.units = 3}).named("head"));
    Model model(std::move(g), Rng(2));
    fill(model, "dead.bias", -100.0f);
    fill(model, "head.bias", 0.5f);
    const Tensor<float> logits = quantized(model, stripes(), "dead_out");
    for (const float v : logits.span()) CHECK(v == Approx(0.5f).epsilon(0.01));
    CaughtWarnings warnings;
    QatModel qat = prepare(model, recipes::int8());
    calibrate(qat, stripes());
    CHECK(check(qat).ok());
    CHECK_THAT(check(qat).str(), ContainsSubstring("dead_out was zero, or nearly"));
    CHECK(deployed_equals_forward(qat, x));
  }
  SECTION("inputs of 1e-9") {
    Model model(residual(), Rng(2));
    Batch tiny = stripes().batch(0, 96);
    for (float& v : tiny.x.edit()) v *= 1e-9f;
    const Dataset data(tiny.x, tiny.labels, 3, "tiny");
    const Tensor<float> logits = quantized(model, data, "input");
    for (const float v : logits.span()) CHECK(std::isfinite(v));
  }
  SECTION("a value less itself") {
    Graph g;
    const auto y = conv2d(g.input({6, 6, 1}), {.filters = 4, .kernel = 3});
    g.output(linear(flatten((y - y).named("nothing")), {.units = 3}));
    static_cast<void>(quantized(Model(std::move(g), Rng(2)), stripes(), "nothing"));
  }
}

TEST_CASE("a range below one step of what makes it is widened to what targets take") {
  // The last layer adds two numbers that cancel but for a part in 10^5; a mean over the image does the same.
  for (const Target& target : targets::all) {
    Graph g;
    const auto x = g.input({6, 6, 1});
    auto y = relu(conv2d(x, {.filters = 4, .kernel = 1}).named("rare")).named("rare_out");
    y = (y + relu(conv2d(x, {.filters = 4, .kernel = 1}).named("rare_too"))).named("sum");
    g.output(global_average_pool((y * y).named("square")).named("mean"));
    Model model(std::move(g), Rng(2));
    for (const char* name : {"rare", "rare_too"}) {
      fill(model, (std::string(name) + ".weight").c_str(), 1.0f);
      const Tensor<float> all = stripes().batch(0, 96).x;
      fill(model, (std::string(name) + ".bias").c_str(), 1e-5f - *std::max_element(all.span().begin(), all.span().end()));
    }
    Recipe recipe = recipes::int8();
    recipe.target = target;
    INFO(target.name);
    CaughtWarnings warnings;
    QatModel qat = prepare(model, recipe);
    calibrate(qat, stripes());
    CHECK(check(qat).ok());
    CHECK_THAT(check(qat).str(), ContainsSubstring("rare_out moved by less than one step"));
    CHECK(deployed_equals_forward(qat, stripes().batch(0, 9).x));
  }
}

TEST_CASE("binary weights that are all zero are as near to zero as codes come") {
  Graph g;
  g.output(linear(g.input({8}), {.units = 3}).named("layer"));
  Model model(std::move(g), Rng(2));
  const auto w = model.parameter("layer.weight").value.edit();
  std::fill(w.begin(), w.begin() + 8, 0.0f);
  const Dataset data(random_images({8}, 32, 4), Tensor<std::int32_t>::zeros(Shape{32}), 3, "normal");
  const QatModel qat = [&] {
    QatModel q = prepare(model, without_ends(recipes::binary()));
    calibrate(q, data);
    return q;
  }();
  CHECK(qat.weight_scale(unit_of(qat, "layer"))[0] == Approx(0x1p-23f));
  const Tensor<float> logits = infer(Engine(convert(qat)), data.batch(0, 32).x);
  for (std::int64_t i = 0; i < 32; ++i) CHECK(std::abs(logits[3 * i]) < 1e-4f);
}

TEST_CASE("a learned range whose parameter is no number is an error that names the layer") {
  CaughtWarnings warnings;
  const Tensor<float> x = stripes().batch(0, 9).x;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    QatModel qat = prepare(Model(residual(), Rng(3)), recipes::w4a4_lsq());
    calibrate(qat, stripes());
    qat.start_quantizing();
    QatModel weights = qat, activations = qat;
    weights.weight_range(unit_of(qat, "b")).parameters()[0]->value.edit()[2] = bad;
    activations.quantizer("a_out").learned_range().parameters()[0]->value.edit()[0] = bad;
    for (QatModel* spoiled : {&weights, &activations}) {
      const std::string layer = std::string(spoiled == &weights ? "b" : "a_out") + ": a parameter of the learned range lsq(log) is";
      Tape tape;
      CHECK_THROWS_WITH(forward(tape, *spoiled, x, Mode::training), ContainsSubstring(layer));
      CHECK_THROWS_WITH(infer(*spoiled, x), ContainsSubstring(layer));
      CHECK_THROWS_WITH(convert(*spoiled), ContainsSubstring(spoiled == &weights ? "b.weight_range.scale" : "a_out.range.scale"));
      CHECK_THROWS_WITH(train(*spoiled, 1), ContainsSubstring(layer) && ContainsSubstring("step 1 of epoch 1"));
    }
  }
}

}  // namespace degenerate_test
