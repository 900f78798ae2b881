// Schemes in recipes: what has an integer kernel is trained and deployed to the bit, the rest is simulated and says so.

#include <stet/engine/engine.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/qat/ewgs_estimator.hpp>
#include <stet/qat/lsq_plus_range.hpp>
#include <stet/qat/min_max_range.hpp>
#include <stet/qat/pact_range.hpp>
#include <stet/qat/tqt_range.hpp>
#include <stet/quant/block_scheme.hpp>
#include <stet/quant/stochastic_rounding.hpp>
#include <stet/quant/ternary_scheme.hpp>
#include <stet/train/entry_templates.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <array>
#include <cmath>

namespace schemes_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// Somebody's weights: 5 bits that end at two and a half deviations of their channel, rounded towards 0.
struct Clipped : AffineCodes<> {
  [[nodiscard]] static std::string name() { return "clipped"; }
  [[nodiscard]] Grid grid() const { return Grid::narrow(5); }
  [[nodiscard]] Granularity granularity() const { return Granularity::per_channel(0); }
  [[nodiscard]] QParams qparams(std::span<const float> x, const Shape& shape) const {
    const ScaleMap map = scale_map(granularity(), shape);
    std::vector<double> squares(static_cast<std::size_t>(map.count));
    for (std::size_t i = 0; i < x.size(); ++i) {
      squares[static_cast<std::size_t>(map.index(static_cast<std::int64_t>(i)))] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    QParams p{grid(), granularity(), {}, std::vector<std::int32_t>(squares.size())};
    for (const double sum : squares) {
      p.scale.push_back(static_cast<float>(2.5 * std::sqrt(sum * static_cast<double>(map.count) / static_cast<double>(x.size())) / 15));
    }
    return p;
  }
  void encode(std::span<const float> x, const Shape& shape, const QParams& p, ClipMask mask, std::span<Code> codes,
              std::span<std::uint32_t> pass) const {
    AffineCodes::encode(x, shape, p, mask, codes, pass);
    const ScaleMap map = scale_map(granularity(), shape);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float steps = std::trunc(x[i] / p.scale[static_cast<std::size_t>(map.index(static_cast<std::int64_t>(i)))]);
      codes[i] = static_cast<Code>(std::clamp(steps, -15.0f, 15.0f));
    }
  }
};
static_assert(AffineScheme<Clipped>);

// Zero points of its own.
struct Asymmetric : AffineCodes<> {
  [[nodiscard]] static std::string name() { return "asymmetric"; }
  [[nodiscard]] Grid grid() const { return Grid::int8_narrow(); }
  [[nodiscard]] Granularity granularity() const { return Granularity::per_tensor(); }
  [[nodiscard]] QParams qparams(std::span<const Range> ranges) const { return choose_qparams(ranges, grid()); }
};

Graph network() {
  Graph g;
  auto x = g.input({8, 8, 2});
  x = relu(batch_norm(conv2d(x, {.filters = 6, .kernel = 3, .bias = false}).named("a")));
  x = relu6(batch_norm(depthwise_conv2d(x, {.kernel = 3, .bias = false}).named("deep"))).named("deep_out");
  g.output(linear(flatten(max_pool(x)), {.units = 4}).named("head"));
  return g;
}
Dataset images() { return random_dataset({8, 8, 2}, 64, 4, 5); }

FitOptions options(int epochs) { return quiet_fit({.epochs = epochs, .batch = 16, .optimizer = Adam{.lr = 1e-2}}); }

bool deployed_equals_forward(const QatModel& qat) {
  const Tensor<float> x = images().batch(0, 7).x;
  return same_bits(infer(qat, x), infer(Engine(convert(qat)), x));
}

}  // namespace

TEST_CASE("a scheme of one's own trains in a recipe and is deployed with the codes that it makes") {
  Recipe recipe = recipes::int8();
  recipe.weights = recipe.linear_weights = Clipped();
  QatModel qat = prepare(Model(network(), Rng(3)), recipe);
  CHECK_FALSE(recipe.simulated());
  CHECK(check(qat).str().find("5-bit weights per channel") != std::string::npos);
  calibrate(qat, images());
  CHECK(deployed_equals_forward(qat));
  const FitReport report = fit(qat, images(), options(8));
  CHECK(report.epochs.back().loss < 0.9 * report.epochs.front().loss);
  CHECK(deployed_equals_forward(qat));
  // What runs is what encode made: of a linear layer that nothing is folded into, times the power of two that fits int8.
  const Tensor<float>& w = qat.model().parameter("head.weight").value;
  const QParams p = Clipped().qparams(w.span(), w.shape());
  Tensor<std::int8_t> codes(w.shape());
  Tensor<std::uint32_t> pass(Shape{bit_words(w.size())});
  Clipped().encode(w.span(), w.shape(), p, ClipMask::rounded_inclusive, codes.edit(), pass.edit());
  for (std::int8_t& code : codes.edit()) code = static_cast<std::int8_t>(8 * code);
  const IntegerModel integers = convert(qat);
  CHECK(same_bits(integers.nodes.back().constants.weights, codes));
  CHECK(integers.nodes.back().constants.weight_scale[0] == p.scale[0] / 8);
}

TEST_CASE("depthwise weights are seen with their channels first") {
  Tensor<float> w({1, 2, 2, 3});
  for (std::int64_t i = 0; i < w.size(); ++i) w.edit()[static_cast<std::size_t>(i)] = static_cast<float>(i % 3 + 1) * (i < 6 ? 1.0f : -0.5f);
  const WeightCodes q = quantize_weights(w, 3, Int8PerChannel());
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(q.scale[c] == static_cast<float>(c + 1) / 127);
    CHECK(q.codes[static_cast<std::int64_t>(c)] == 127);
    CHECK(q.codes[static_cast<std::int64_t>(9 + c)] == -64);  // 63.5
  }
}

TEST_CASE("gradients of weights that a scheme clips stop unless an estimator lets them pass") {
  for (const bool pass : {false, true}) {
    Recipe recipe = recipes::int8();
    recipe.weights = Clipped();
    if (pass) recipe.weight_estimator = Ste{};
    QatModel qat = prepare(Model(network(), Rng(3)), recipe);
    qat.model().parameter("a.weight").value.edit()[0] = 9.0f;
    calibrate(qat, images());
    Tape tape;
    const Batch batch = images().batch(0, 16);
    tape.backward(softmax_cross_entropy(forward(tape, qat, batch.x), batch.labels));
    CHECK((qat.model().parameter("a.weight").gradient[0] != 0.0f) == pass);
    CHECK(qat.model().parameter("a.weight").gradient[1] != 0.0f);
  }
}

TEST_CASE("weights that no integer kernel reads are simulated, and every place says why") {
  struct Case {
    AnyScheme scheme;
    const char* why;
  };
  for (const Case& c : {Case{WideIntN(9, Granularity::per_channel(0)), "its codes are not int8 within -127..127 (-255..255, in wider ones)"},
                        Case{Asymmetric(), "its zero point is 42 for values from -1 to 0.5, that of integer weights 0"},
                        Case{IntN(8, Granularity::per_channel(1)), "its scales are per channel of axis 1, those of integer weights per tensor"},
                        Case{IntN(8, Granularity::per_group(2)), "its scales are per group of 2"}}) {
    Recipe recipe = recipes::int8();
    recipe.overrides = {{.node = "head", .weights = c.scheme}};
    CHECK_THAT(recipe.simulation(), ContainsSubstring(c.why));
    QatModel qat = prepare(Model(network(), Rng(3)), recipe);
    calibrate(qat, images());
    CHECK_THAT(check(qat).str(), ContainsSubstring("simulated in float") && ContainsSubstring(c.why));
    CHECK_THROWS_WITH(convert(qat), ContainsSubstring("recipe int8 simulates weights of scheme") && ContainsSubstring(c.why));
    const FitReport report = fit(qat, images(), options(4));
    CHECK(report.epochs.back().loss < report.epochs.front().loss);
  }
  CHECK_THROWS_WITH(quantize_weights(Tensor<float>({1, 2}, {-1.0f, 0.5f}), 0, Asymmetric()),
                    ContainsSubstring("zero point 42; integer weights have 0"));
}

TEST_CASE("random networks with drawn schemes of weights compute the same codes everywhere", "[bits]") {
  const Granularity channels = Granularity::per_channel(0);
  const std::array<AnyScheme, 7> schemes{Clipped(),
                                         Ternary(channels),
                                         PowerOfTwoScales(6, channels),
                                         PowerOfTwoScales(8),
                                         MseIntN(4, channels),
                                         StochasticRounding(IntN(5, channels), 3),
                                         Binary(channels)};
  int refused = 0;
  constexpr std::uint64_t networks = 42;
  for (std::uint64_t seed = 1; seed <= networks; ++seed) {
    INFO("seed " << seed);
    const Model model = random_model(seed);
    Recipe recipe = recipes::int8();
    recipe.target = targets::all[seed % targets::all.size()];
    recipe.weights = schemes[seed % schemes.size()];
    recipe.linear_weights = schemes[seed / 2 % schemes.size()];
    QatModel qat = prepare(model, recipe);
    const Dataset data = random_dataset(input_shape(model), 20, classes_of(model), seed);
    const Tensor<float> x = random_images(input_shape(model), 3, seed + 1000);
    calibrate(qat, data);
    try {
      CHECK(same_bits(infer(qat, x), infer(Engine(convert(qat)), x)));
      FitOptions o = options(1);
      o.optimizer = Sgd{.lr = 1e-3};
      o.batch = 10;
      fit(qat, data, o);
      qat.freeze_ranges();
      qat.freeze_batch_norm();
      CHECK(same_bits(infer(qat, x), infer(Engine(convert(qat)), x)));
      Tape tape;
      Rng rng(1);
      CHECK(same_bits(infer(qat, x), forward(tape, qat, x, Mode::training, {.rng = &rng}).value()));
    } catch (const Error& e) {
      INFO(e.what());
      const std::string text = e.what();
      CHECK((text.find("256") != std::string::npos || text.find("2^20") != std::string::npos));
      ++refused;
    }
  }
  CHECK(refused <= static_cast<int>(networks) / 10);
}

TEST_CASE("every learned range trains in a recipe and is deployed to the bit") {
  struct Case {
    std::optional<AnyLearnedRange> weights, activations;
  };
  const std::vector<Case> cases{{LsqRange(), LsqRange()},
                                {TqtRange(), TqtRange()},
                                {lsq(), LsqPlusRange()},
                                {lsq(), MinMaxRange()},
                                {{}, MinMaxRange({.rounding_term = true})},
                                {lsq(), PactRange()},
                                {lsq(), {}}};
  for (const Case& c : cases) {
    Recipe recipe = recipes::w4a4_lsq();
    recipe.end_bits.reset();
    recipe.schedule = {0.0, 2.0, 2.0};
    recipe.learned_weights = c.weights;
    recipe.learned_activations = c.activations;
    INFO(recipe.describe());
    QatModel qat = prepare(Model(network(), Rng(3)), recipe);
    calibrate(qat, images());
    CHECK(deployed_equals_forward(qat));
    const QParams start = qat.quantizer("deep_out").params();
    const FitReport report = fit(qat, images(), options(10));
    CHECK(report.epochs.back().loss < report.epochs.front().loss);
    CHECK(deployed_equals_forward(qat));
    CHECK(qat.quantizer("deep_out").params().scale != start.scale);
    qat.freeze_ranges();
    qat.freeze_batch_norm();
    CHECK(deployed_equals_forward(qat));
    Tape tape;
    const Tensor<float> x = images().batch(0, 7).x;
    CHECK(same_bits(infer(qat, x), forward(tape, qat, x).value()));
  }
}

TEST_CASE("ranges of weights whose zero point moves are refused before training") {
  for (const AnyLearnedRange& range : {AnyLearnedRange(LsqPlusRange()), AnyLearnedRange(MinMaxRange()), AnyLearnedRange(PactRange())}) {
    Recipe recipe = recipes::w4a4_lsq();
    recipe.learned_weights = range;
    CHECK_THROWS_WITH(prepare(Model(network(), Rng(3)), recipe),
                      ContainsSubstring("the recipe's learned_weights is " + range.name() + ", whose zero point moves or is not 0; name it learned_activations"));
  }
}

TEST_CASE("an estimator for activations decides where clipped outputs pass; what it cannot know is refused") {
  Graph g;
  const auto x = g.input({1, 1, 2});
  const auto a = relu(conv2d(x, {.filters = 3, .kernel = 1, .bias = false}).named("a")).named("a_out");
  g.output(linear(flatten(a), {.units = 2, .bias = false}).named("head"));
  const Model start(std::move(g), Rng(1));
  const Tensor<float> one({1, 1, 1, 2}, {1.0f, 1.0f});
  // Gradients of the filters of one step on [1, 1]: the first is inside, the second clipped above, the third cut by the ReLU.
  const auto gradients = [&](const std::optional<AnyEstimator>& estimator) {
    Recipe recipe = recipes::int8();
    recipe.activation_estimator = estimator;
    Model model = start;
    model.parameter("a.weight").value = Tensor<float>({3, 1, 1, 2}, {0.25f, 0.25f, 2.0f, 2.0f, -1.0f, -1.0f});
    model.parameter("head.weight").value = Tensor<float>({2, 3}, {1, 1, 1, -1, -1, -1});
    QatModel qat = prepare(model, recipe);
    qat.quantizer("input_1").fix(Range{0.0f, 1.0f});
    qat.quantizer("a_out").fix(Range{0.0f, 1.0f});
    qat.quantizer("head").fix(Range{-4.0f, 4.0f});
    qat.start_quantizing();
    Tape tape;
    tape.backward(forward(tape, qat, one), Tensor<float>({1, 2}, {1.0f, 0.0f}));
    const Tensor<float> d = qat.model().parameter("a.weight").gradient;
    return std::vector<bool>{d[0] != 0.0f, d[2] != 0.0f, d[4] != 0.0f};
  };
  using Passes = std::vector<bool>;
  CHECK(gradients({}) == Passes{true, false, false});
  CHECK(gradients(ClippedSte{}) == Passes{true, false, false});
  CHECK(gradients(Ste{}) == Passes{true, true, false});
  // So do a function's and a mean's, which lie above their range here; a mean without an estimator passes all.
  const auto through = [&](bool function, const std::optional<AnyEstimator>& estimator) {
    Graph h;
    auto y = conv2d(h.input({2, 2, 1}), {.filters = 1, .kernel = 1, .bias = false}).named("a");
    y = function ? leaky_relu(y).named("out") : global_average_pool(y).named("out");
    h.output(y);
    Recipe recipe = recipes::int8();
    recipe.activation_estimator = estimator;
    Model model(std::move(h), Rng(1));
    model.parameter("a.weight").value = Tensor<float>({1, 1, 1, 1}, {1.0f});
    QatModel qat = prepare(model, recipe);
    qat.quantizer("input_1").fix(Range{0.0f, 1.0f});
    qat.quantizer("a").fix(Range{0.0f, 1.0f});
    qat.quantizer("out").fix(Range{0.0f, 0.5f});
    qat.start_quantizing();
    Tape tape;
    const Var<Tensor<float>> out = forward(tape, qat, Tensor<float>({1, 2, 2, 1}, {0.9f, 0.9f, 0.9f, 0.9f}));
    tape.backward(out, Tensor<float>(out.shape(), std::vector<float>(static_cast<std::size_t>(out.shape().elements()), 1.0f)));
    return qat.model().parameter("a.weight").gradient[0] != 0.0f;
  };
  CHECK_FALSE(through(true, {}));
  CHECK_FALSE(through(true, ClippedSte{}));
  CHECK(through(true, Ste{}));
  CHECK(through(false, {}));
  CHECK_FALSE(through(false, ClippedSte{}));
  CHECK(through(false, Ste{}));
  // The same with live batch norm, additions and products.
  const auto trained = [&](const std::optional<AnyEstimator>& estimator) {
    Graph h;
    auto y = h.input({8, 8, 2});
    y = relu(batch_norm(conv2d(y, {.filters = 4, .kernel = 3, .bias = false}))).named("first");
    y = relu6(y + batch_norm(conv2d(y, {.filters = 4, .kernel = 1, .bias = false}))).named("sum");
    h.output(linear(flatten((y * y).named("product")), {.units = 4}));
    Recipe recipe = recipes::int8();
    recipe.activation_estimator = estimator;
    QatModel qat = prepare(Model(std::move(h), Rng(2)), recipe);
    calibrate(qat, images());
    for (const char* name : {"first", "sum", "product"}) qat.quantizer(name).fix(Range{0.0f, 0.5f});  // most is clipped
    fit(qat, images(), options(1));
    return state_of(qat);
  };
  CHECK(trained(ClippedSte{}) == trained({}));
  CHECK(trained(Ste{}) != trained({}));
  Recipe recipe = recipes::int8();
  recipe.activation_estimator = EwgsEstimator();
  CHECK_THROWS_WITH(prepare(Model(network(), Rng(3)), recipe),
                    ContainsSubstring("the recipe's activation_estimator ewgs(0.2) needs values before rounding"));
  recipe.activations = Int8Activation();
  recipe.weights = WideIntN(9, Granularity::per_channel(0));  // simulated: there they are kept
  QatModel simulated = prepare(Model(network(), Rng(3)), recipe);
  calibrate(simulated, images());
  CHECK(fit(simulated, images(), options(2)).epochs.size() == 2);
  recipe = recipes::w4a4_lsq();
  recipe.activation_estimator = Ste{};
  CHECK_THROWS_WITH(prepare(Model(network(), Rng(3)), recipe), ContainsSubstring("has an activation_estimator and learned_activations"));
}

namespace {

// Somebody's activations: scales that are powers of two, so that a product is a shift.
struct ShiftedActivation : AffineCodes<> {
  [[nodiscard]] static std::string name() { return "shifted"; }
  [[nodiscard]] Grid grid() const { return Grid::int8(); }
  [[nodiscard]] Granularity granularity() const { return Granularity::per_tensor(); }
  [[nodiscard]] QParams qparams(std::span<const Range> ranges) const {
    return choose_qparams(ranges, grid(), {.power_of_two = PowerOfTwo::up});
  }
};

}  // namespace

TEST_CASE("activations of a scheme of one's own are deployed to the bit, for all values or for one") {
  for (const bool all : {true, false}) {
    Recipe recipe = recipes::int8();
    if (all) recipe.activations = ShiftedActivation();
    recipe.overrides = {{.node = "deep_out", .activations = AnyScheme(ShiftedActivation())}};
    QatModel qat = prepare(Model(network(), Rng(3)), recipe);
    CHECK_FALSE(recipe.simulated());
    calibrate(qat, images());
    CHECK(deployed_equals_forward(qat));
    fit(qat, images(), options(4));
    CHECK(deployed_equals_forward(qat));
    int shifts = 0;
    for (const Quantizer& q : qat.quantizers()) {
      int exponent = 0;
      shifts += std::frexp(q.params().scale[0], &exponent) == 0.5f ? 1 : 0;
    }
    CHECK((all ? shifts == static_cast<int>(qat.quantizers().size()) : shifts >= 1));
  }
  Recipe recipe = recipes::int8();
  recipe.activations = IntN(8);
  CHECK_THAT(recipe.simulation(), ContainsSubstring("activations of scheme custom (its codes are -127..127, those of integer activations"));
}

}  // namespace schemes_test
