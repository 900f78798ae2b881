// The stages of a quantized model: what is asked for too early is Errc::state, and evaluation moves nothing.

#include <stet/engine/engine.hpp>
#include <stet/model/quantize.hpp>
#include <stet/qat/linear.hpp>
#include <stet/qat/live_layer.hpp>
#include <stet/train/fit_qat.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <variant>
#include <vector>

namespace life_cycle_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Model network() {
  Graph g;
  auto x = g.input({6, 6, 2}).named("x");
  x = relu(batch_norm(conv2d(x, {.filters = 4, .kernel = 3}))).named("features");
  x = dropout(max_pool(x), {.rate = 0.5f}).named("dropped");
  g.output(linear(flatten(x), {.units = 3}).named("logits"));
  return {std::move(g), Rng(4)};
}
Dataset images(std::int64_t count = 40) { return random_dataset({6, 6, 2}, count, 3, 2); }

template <class F>
void state_error(const char* text, F f) {
  INFO(text);
  try {
    f();
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code() == Errc::state);
    CHECK_THAT(e.what(), ContainsSubstring(text));
  }
}

FitOptions quiet(int epochs = 1) { return quiet_fit({.epochs = epochs, .batch = 10}); }

}  // namespace

TEST_CASE("a quantizer goes from observing to training to frozen") {
  Quantizer q("x", Int8Activation(), MinMaxObserver{});
  CHECK(q.state() == QuantizerState::observing);
  CHECK_FALSE(q.calibrated());
  for (const auto& early : {+[](Quantizer& p) { (void)p.params(); }, +[](Quantizer& p) { p.start(); }, +[](Quantizer& p) { p.freeze(); }}) {
    state_error("quantizer of x: no range was observed; call calibrate(model, data) first", [&] { early(q); });
  }
  q.end_step();  // nothing was observed
  CHECK_FALSE(q.calibrated());
  q.observe({-1.0f, 1.0f});
  q.observe({0.0f, 3.0f});
  CHECK_FALSE(q.calibrated());  // a range is used from the next step on
  q.end_step();
  CHECK(q.params() == choose_qparams(Range{-1.0f, 3.0f}, Grid::int8()));
  q.start();
  CHECK(q.state() == QuantizerState::training);
  q.observe({-2.0f, 0.0f});
  q.end_step();
  const QParams last = choose_qparams(Range{-2.0f, 3.0f}, Grid::int8());
  CHECK(q.params() == last);
  q.observe({-100.0f, 100.0f});
  q.freeze();
  q.end_step();
  q.observe({-100.0f, 100.0f});
  q.end_step();
  q.start();
  CHECK(q.state() == QuantizerState::frozen);
  CHECK_FALSE(q.follows());
  CHECK(q.params() == last);
}

TEST_CASE("a range fixed by hand stays") {
  QatModel qat = prepare(network(), recipes::int8());
  qat.quantizer("features").fix({0.0f, 6.0f});
  CHECK_THROWS_WITH(qat.quantizer("nothing"), ContainsSubstring("no quantized value is named nothing"));
  CHECK_THROWS_AS(qat.quantizer("features").fix({std::nanf(""), 1.0f}), Error);
  const QParams fixed = choose_qparams(Range{0.0f, 6.0f}, Grid::int8());
  calibrate(qat, images());
  CHECK(qat.quantizer("features").params() == fixed);
  CHECK(qat.calibrated());
  qat.start_quantizing();
  Tape tape;
  Rng rng(1);
  (void)forward(tape, qat, images().batch(0, 10).x, Mode::training, {.rng = &rng});
  CHECK(qat.quantizer("features").params() == fixed);
  const IntegerModel model = convert(qat);
  for (const IntegerValue& v : model.values) {
    if (v.name == "features") CHECK(qparams(v.codes) == fixed);
  }
}

TEST_CASE("nothing that needs ranges runs before calibrate") {
  QatModel qat = prepare(network(), recipes::int8());
  const Tensor<float> x = images().batch(0, 4).x;
  Tape tape;
  state_error("convert: x has no range yet; call calibrate(model, data) before", [&] { (void)convert(qat); });
  state_error("infer: x has no range yet", [&] { (void)infer(qat, x); });
  state_error("infer: x has no range yet", [&] { (void)evaluate(qat, images()); });
  state_error("forward: x has no range yet", [&] { (void)forward(tape, qat, x, Mode::evaluation); });
  state_error("fit: x has no range yet; call calibrate(model, data) before", [&] { (void)fit(qat, images(), quiet()); });
  state_error("no range was observed", [&] { qat.start_quantizing(); });
  state_error("no range was observed", [&] { qat.freeze_ranges(); });
  calibrate(qat, images());
  CHECK_NOTHROW(convert(qat));
  CHECK_NOTHROW(evaluate(qat, images()));
  qat.start_quantizing();
  state_error("dropped needs random numbers in training; set ForwardOptions::rng", [&] { (void)forward(tape, qat, x); });
  qat.freeze_ranges();
  state_error("calibrate: all ranges are frozen; calibrate before training, or call reopen() on the model before", [&] { calibrate(qat, images()); });
}

TEST_CASE("calibrate moves ranges only, and refuses what has none") {
  QatModel qat = prepare(network(), recipes::int8());
  const auto before = state_of(qat.model());
  calibrate(qat, images(), {.batch = 7});
  CHECK(state_of(qat.model()) == before);
  CHECK_THROWS_WITH(calibrate(qat, images(), {.batch = 0}), ContainsSubstring("batch must be positive, got 0"));
  QatModel broken = prepare(network(), recipes::int8());
  broken.model().parameter("logits.weight").value.edit()[0] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(calibrate(broken, images()), ContainsSubstring("calibrate: ") && ContainsSubstring("logits"));
  // quantize is the three passes in one call.
  QatModel again = prepare(network(), recipes::int8());
  calibrate(again, images());
  const Tensor<float> x = random_images({6, 6, 2}, 5, 9);
  CHECK(same_bits(infer(again, x), infer(Engine(quantize(network(), recipes::int8(), images())), x)));
}

TEST_CASE("evaluation moves no observer, statistic or parameter at any stage", "[bits]") {
  QatModel qat = prepare(network(), recipes::int8());
  calibrate(qat, images());
  const auto look = [&] {
    const auto before = state_of(qat);
    const Tensor<float> x = random_images({6, 6, 2}, 5, 11);
    const Tensor<float> y = infer(qat, x);
    (void)evaluate(qat, images());
    (void)convert(qat);
    Tape tape;
    const auto logits = forward(tape, qat, x, Mode::evaluation);
    CHECK_FALSE(logits.wanted());
    CHECK(same_bits(logits.value(), y));
    CHECK(state_of(qat) == before);
  };
  look();
  qat.start_quantizing();
  look();
  (void)fit(qat, images(), quiet());
  look();
  qat.freeze_ranges();
  qat.freeze_batch_norm();
  look();
}

TEST_CASE("the schedule starts, freezes ranges and freezes batch norm in turn") {
  Recipe recipe = recipes::int8();
  recipe.schedule = {.quantize_at = 0.25, .freeze_ranges_at = 0.5, .freeze_batch_norm_at = 0.75};
  QatModel qat = prepare(network(), recipe);
  calibrate(qat, images());
  const auto phases = [&](double progress) {
    qat.advance(progress);
    return std::tuple(qat.quantizing(), qat.quantizers()[0].state(), qat.batch_norm_frozen());
  };
  CHECK(phases(0.0) == std::tuple(false, QuantizerState::observing, false));
  CHECK(phases(0.24) == std::tuple(false, QuantizerState::observing, false));
  CHECK(phases(0.25) == std::tuple(true, QuantizerState::training, false));
  CHECK(phases(0.5) == std::tuple(true, QuantizerState::frozen, false));
  CHECK(phases(0.75) == std::tuple(true, QuantizerState::frozen, true));
  CHECK(phases(0.0) == std::tuple(true, QuantizerState::frozen, true));  // nothing thaws
}

TEST_CASE("fake quantization that starts late observes the float network before") {
  Recipe recipe = recipes::int8();
  recipe.schedule = {.quantize_at = 0.5, .freeze_ranges_at = 0.75, .freeze_batch_norm_at = 2.0};
  QatModel qat = prepare(network(), recipe);  // not calibrated: the first half of the run does it
  std::vector<bool> quantizing;
  FitOptions o = quiet(4);
  o.on_step = [&](const StepReport&) { quantizing.push_back(qat.quantizing()); };
  (void)fit(qat, images(), o);
  REQUIRE(quantizing.size() == 16);
  for (std::size_t i = 0; i < 16; ++i) CHECK(quantizing[i] == (i >= 8));
  CHECK(qat.calibrated());
  CHECK_FALSE(qat.batch_norm_frozen());
  for (const Quantizer& q : qat.quantizers()) CHECK(q.state() == QuantizerState::frozen);

  // Until then it is the float model, bit for bit.
  QatModel late = prepare(network(), recipe);
  Model plain = late.model();
  const Tensor<float> x = images().batch(0, 10).x;
  Tape a, b;
  Rng ra(3), rb(3);
  CHECK(same_bits(forward(a, late, x, Mode::training, {.rng = &ra}).value(), forward(b, plain, x, Mode::training, {.rng = &rb}).value()));
  CHECK(state_of(late.model()) == state_of(plain));
}

TEST_CASE("dropout keeps the mean of what follows it, and is off once batch norm is frozen") {
  Graph g;
  const auto x = g.input({200}).named("x");
  g.output(linear(dropout(x, {.rate = 0.5f}), {.units = 1}).named("y"));
  Model model(std::move(g), Rng(1));
  for (float& w : model.parameter("y.weight").value.edit()) w = 0.01f;
  QatModel qat = prepare(model, recipes::int8());
  qat.quantizer("x").fix({0.0f, 1.0f});
  qat.quantizer("y").fix({0.0f, 4.0f});
  qat.start_quantizing();
  const Tensor<float> ones = Tensor<float>::filled({400, 200}, 1.0f);
  Tape tape;
  Rng rng(2);
  const Tensor<float> y = forward(tape, qat, ones, Mode::training, {.rng = &rng}).value();
  double mean = 0;
  for (const float v : y.span()) mean += static_cast<double>(v) / 400;
  CHECK(mean == Approx(static_cast<double>(infer(qat, ones)[0])).epsilon(0.01));
  CHECK(infer(qat, ones)[0] == Approx(2.0f).epsilon(0.01));
  qat.freeze_batch_norm();
  Tape frozen;
  CHECK(same_bits(forward(frozen, qat, ones, Mode::training, {.rng = &rng}).value(), infer(qat, ones)));
}

TEST_CASE("a layer of more weights than int32 adds up at full codes trains, converts and runs with the same codes") {
  Graph g;
  auto x = g.input({1, 2, 33200});
  auto y = relu(batch_norm(conv2d(reshape(x, {2, 1, 33200}), {.filters = 2, .kernel = {2, 1}, .padding = Padding::valid()})));
  y = flatten(y);
  g.output(linear(concat({y, linear(flatten(x), {.units = 2})}), {.units = 2}));
  Model model(std::move(g), Rng(1));
  for (NamedParameter& p : model.parameters()) {
    if (p.role == graph::Role::weight) p.parameter.value = Tensor<float>::filled(p.parameter.value.shape(), 0.01f);
  }
  Recipe recipe = recipes::int8();
  recipe.schedule = {.quantize_at = 0.0, .freeze_ranges_at = 0.5, .freeze_batch_norm_at = 0.5};
  QatModel qat = prepare(model, recipe);
  const Dataset data = random_dataset({1, 2, 33200}, 8, 2, 3);
  calibrate(qat, data);
  FitOptions options = quiet(2);
  options.batch = 4;
  options.optimizer = Adam{.lr = 1e-6f};
  CHECK_NOTHROW(fit(qat, data, options));
  const Engine engine(convert(qat));
  const Tensor<float> images = random_images({1, 2, 33200}, 4, 9);
  const QTensor run = engine.run(images), evaluated = infer_codes(qat, images, [](int, const QTensor&) {});
  CHECK(std::equal(run.codes.span().begin(), run.codes.span().end(), evaluated.codes.span().begin()));
}

TEST_CASE("codes of per-tensor weights do not jump when batch norm freezes") {
  int differing = 0;  // cases in which k in float, not in double, would make another code
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Graph g;
    g.output(batch_norm(linear(g.input({64}), {.units = 2, .bias = false}).named("layer")).named("norm"));
    QatModel qat = prepare(Model(std::move(g), Rng(seed)), recipes::int8());
    Rng rng(seed);
    Parameter& w = qat.model().parameter("layer.weight");
    Parameter& gamma = qat.model().parameter("norm.gamma");
    Tensor<float>& mean = qat.model().buffer("norm.mean");
    Tensor<float>& variance = qat.model().buffer("norm.variance");
    for (float& v : gamma.value.edit()) v = static_cast<float>(0.5 + rng.uniform());
    for (float& v : variance.edit()) v = static_cast<float>(0.5 + rng.uniform());
    // Weights of the second channel between two codes each, where the last bit of k decides.
    const NormView view{gamma.value.span(), gamma.value.span(), mean.span(), variance.span()};
    w.value.edit()[0] = 1.0f;
    for (std::size_t i = 1; i < 128; ++i) {
      const double steps = i < 64 ? 5.0 : static_cast<double>(i) - 63.5;
      w.value.edit()[i] = static_cast<float>(steps * view.factor(0) / 127.0 / view.factor(i / 64));
    }
    calibrate(qat, Dataset(random_images({64}, 32, seed), Tensor<std::int32_t>::zeros(Shape{32}), 2, "normal"));
    const IntegerModel deployed = convert(qat);
    const Tensor<std::int8_t>& frozen = deployed.nodes.back().constants.weights;
    std::vector<float> in_float;
    for (std::int64_t c = 0; c < 2; ++c) in_float.push_back(gamma.value[c] / std::sqrt(variance[c] + 1e-5f));
    const Tensor<std::int8_t> other = quantize_weights(w.value, 0, symmetric(8, false), in_float).codes;
    if (same_bits(frozen, other)) continue;
    ++differing;

    // The gradient of the input is a multiple of a channel's codes: they can be read from the live layer.
    const bool second = !std::equal(frozen.data() + 64, frozen.data() + 128, other.data() + 64);
    const std::int8_t* codes = frozen.data() + (second ? 64 : 0);
    QTensor x{Tensor<std::int8_t>(Shape{4, 64}), QParams::per_tensor(0.02f, 0)};
    for (std::int8_t& code : x.codes.edit()) code = static_cast<std::int8_t>(rng.below(128));
    Tape tape;
    const Var<QTensor> in = tape.variable(x);
    const LiveNorm norm{tape.parameter(gamma), tape.parameter(qat.model().parameter("norm.beta")), &mean, &variance};
    const Var<QTensor> y = live_layer(linear_product(), in, tape.parameter(w), symmetric(8, false), norm, {0.05f, 0, -128, 127, false},
                                      QParams::per_tensor(0.05f, 0), nullptr);
    Tensor<float> dy = Tensor<float>::zeros({4, 2});
    dy.edit()[second ? 1 : 0] = 1.0f;
    tape.backward(y, dy);
    const Tensor<float> dx = tape.gradient(in);
    const auto top = std::max_element(codes, codes + 64, [](int a, int b) { return std::abs(a) < std::abs(b); }) - codes;
    for (std::int64_t i = 0; i < 64; ++i) {
      CHECK(dx[i] / dx[top] * static_cast<float>(codes[top]) == Approx(static_cast<float>(codes[i])).margin(0.01));
    }
  }
  CHECK(differing > 2);
}

}  // namespace life_cycle_test
