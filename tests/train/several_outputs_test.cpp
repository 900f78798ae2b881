// Models with several inputs and outputs through the calls of all others: trained in float and on integers, each output by its
// loss, measured, watched, resumed; and what is refused before the first batch.
#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/several.hpp"
#include "support/tensors.hpp"

#include <stet/engine/engine.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/observe_ranges.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/quantize.hpp>
#include <stet/ops/reduction.hpp>
#include <stet/ops/shape.hpp>
#include <stet/quant/float_scheme.hpp>
#include <stet/train/distillation.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>
#include <stet/train/metric.hpp>
#include <stet/train/qat_steps.hpp>

#include <array>
#include <cmath>
#include <limits>

namespace several_outputs_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

FitOptions quiet(int epochs = 1) {
  return {.epochs = epochs, .batch = 32, .optimizer = Adam{.lr = 3e-3}, .progress = ProgressMode::quiet};
}

// Nothing of the model moves.
template <class M>
void refused(M model, const Dataset& data, const FitOptions& o, Errc code, const std::string& text) {
  const State before = state_of(model);
  try {
    fit(model, data, o);
    FAIL("not refused: " << text);
  } catch (const Error& e) {
    CHECK(e.code() == code);
    CHECK_THAT(e.what(), ContainsSubstring(text));
  }
  CHECK(state_of(model) == before);
}

}  // namespace

TEST_CASE("two inputs and two outputs train, are quantized and deployed through the same calls", "[train]") {
  const Dataset train = scenes(600, 1), test = scenes(200, 2);
  Model model = fusion_model();
  FitOptions o = quiet(20);
  o.validation = &test;
  o.metric = r_squared().of(1);
  o.losses = {{CrossEntropyLoss{}}, {HuberLoss{}, 4.0}};
  const FitReport report = fit(model, train, o);
  const EpochReport &first = report.epochs.front(), &last = report.epochs.back();
  CHECK(last.validation_accuracy > 0.9);
  CHECK(last.validation_metric > 0.8);
  REQUIRE(last.losses.size() == 2);
  REQUIRE(last.validation_losses.size() == 2);
  CHECK(last.losses[0] < first.losses[0]);
  CHECK(last.losses[1] < first.losses[1]);
  CHECK(last.loss == Approx(last.losses[0] + 4.0 * last.losses[1]).epsilon(1e-5));
  CHECK(last.validation_loss == Approx(last.validation_losses[0] + 4.0 * last.validation_losses[1]).epsilon(1e-5));
  CHECK(last.validation_accuracy == Approx(evaluate(model, test, {.output = 0}).accuracy));
  CHECK(last.validation_metric == evaluate(model, test, r_squared(), {.output = 1}));
  CHECK_THAT(report.str(), ContainsSubstring(fmt::format("({:.4f}, {:.4f})", last.losses[0], last.losses[1])));

  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, train);
  o.epochs = 3;
  const FitReport quantized = fit(qat, train, o);
  CHECK(quantized.epochs.back().validation_accuracy > 0.9);
  const Engine engine(convert(qat));
  const std::vector<Tensor<float>> a = predict_all(qat, test), b = predict_all(engine, test);
  REQUIRE(a.size() == 2);
  REQUIRE(b.size() == 2);
  for (std::size_t k = 0; k < 2; ++k) {
    CHECK(same_bits(a[k], b[k]));
    CHECK(same_bits(a[k], predict(engine, test, {.batch = 7, .output = static_cast<int>(k)})));
  }
  CHECK(evaluate(engine, test, {.output = 0}).accuracy == quantized.epochs.back().validation_accuracy);
  CHECK(evaluate(engine, test, r_squared().of(1)) == quantized.epochs.back().validation_metric);
}

TEST_CASE("the example of docs/training.md", "[train]") {
  const Batch all = scenes(64, 10).batch(0, 64);
  const Tensor<float> images = all.x, telemetry = all.more_inputs[0], boxes = all.more_truth[0].targets;
  const Tensor<std::int32_t> labels = all.labels;

  const Dataset train = Dataset(images, labels, 3, "scenes").with_input(telemetry).with_targets(boxes);
  Graph g;
  const auto image = g.input({6, 6, 1}).named("image");
  const auto readings = g.input({4}).named("telemetry");
  const auto both = relu(linear(concat({flatten(image), relu(linear(readings, {.units = 8}))}), {.units = 16}));
  g.output(linear(both, {.units = 3}).named("class"));
  g.output(linear(both, {.units = 2}).named("box"));
  Model model(std::move(g), Rng(1));
  FitOptions options{.epochs = 3, .validation = &train, .metric = r_squared().of(1)};
  options.progress = ProgressMode::quiet;
  options.losses = {{CrossEntropyLoss{}}, {HuberLoss{}, 0.5}};  // their sum, weighed
  fit(model, train, options);
  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, train);
  fit(qat, train, options);
  const Engine engine(convert(qat));
  const double accuracy = evaluate(engine, train, {.output = 0}).accuracy;
  const double explained = evaluate(engine, train, r_squared().of(1));
  const std::vector<QTensor> codes = engine.run(std::vector{images, telemetry});  // of class and box
  CHECK(accuracy == evaluate(qat, train, {.output = 0}).accuracy);
  CHECK(explained == evaluate(qat, train, r_squared().of(1)));
  CHECK(codes.size() == 2);
}

TEST_CASE("a siamese network stays one where both inputs go through its tower as one batch", "[train]") {
  Graph g;
  const auto x = relu(conv2d(g.input({6, 6, 1}), {.filters = 6, .kernel = 3}));
  g.output(linear(flatten(x), {.units = 4}));
  QatModel tower = prepare(Model(std::move(g), Rng(2)), recipes::int8());
  const Batch a = scenes(256, 11).batch(0, 256), b = scenes(256, 12).batch(0, 256);
  Tensor<std::int32_t> same(Shape{256});
  for (std::int64_t i = 0; i < 256; ++i) same.edit()[static_cast<std::size_t>(i)] = a.labels[i] == b.labels[i] ? 1 : 0;
  const Dataset pairs = Dataset(a.x, same, 2, "pairs").with_input(b.x);
  calibrate(tower, Dataset(a.x));

  const auto stacked = [](const Tensor<float>& first, const Tensor<float>& second) {
    std::vector<float> all(first.span().begin(), first.span().end());
    all.insert(all.end(), second.span().begin(), second.span().end());
    return Tensor<float>(first.shape().with(0, 2 * first.shape()[0]), all);
  };
  const auto contrastive = [](const Var<Tensor<float>>& apart, const Tensor<std::int32_t>& labels) {
    // Distances of pairs that are alike become small, others 1.
    const auto distance = sum(apart * apart, {1});
    Tensor<float> wanted(distance.shape());
    for (std::int64_t i = 0; i < labels.size(); ++i) wanted.edit()[static_cast<std::size_t>(i)] = labels[i] == 1 ? 0.0f : 1.0f;
    return mse(distance, distance.tape().constant(wanted));
  };
  const std::vector<ParameterRef> parameters = parameter_refs(tower);
  OptimizerState optimizer(Adam{.lr = 3e-3}, parameters);
  const std::int64_t size = 32, epochs = 12;
  QatSteps steps(tower, epochs * pairs.size() / size);
  std::vector<double> losses;
  while (steps.next()) {
    const std::int64_t first = steps.step() * size % pairs.size();
    const Batch batch = pairs.batch(first, first + size);
    clear_gradients(parameters);
    {
      Tape tape;
      const auto y = forward(tape, tower, stacked(batch.x, batch.more_inputs[0]));  // [2B, 4]
      const auto apart = slice(y, 0, 0, size) - slice(y, 0, size, 2 * size);
      const auto loss = contrastive(apart, batch.labels);
      losses.push_back(static_cast<double>(loss.value()[0]));
      tape.backward(loss);
    }
    optimizer.step(parameters, 1.0);
  }
  CHECK(losses.back() < 0.5 * losses.front());
  // Deployed once, and run twice.
  const Engine engine(convert(tower));
  CHECK(same_bits(infer(engine, b.x), infer(tower, b.x)));
}

TEST_CASE("the sum of losses has the gradient of its parts", "[train]") {
  const Dataset data = scenes(16, 3);
  const auto trained = [&](const FitOptions& o) {
    Model model = fusion_model();
    fit(model, data, o);
    return state_of(model);
  };
  // What suits the answers, said or not; a loss of all outputs may say the same.
  const FitOptions plain = quiet(2);
  FitOptions named = plain, joint = plain, weighed = plain;
  named.losses = {{CrossEntropyLoss{}}, {MseLoss{}}};
  joint.loss = [](std::span<const Var<Tensor<float>>> y, const Batch& b) {
    return softmax_cross_entropy(y[0], b.labels, {}) + mse(y[1], y[1].tape().constant(b.more_truth.at(0).targets));
  };
  weighed.losses = {{{}, 1.0}, {{}, 0.25}};
  CHECK(trained(named) == trained(plain));
  CHECK(trained(joint) == trained(plain));
  CHECK(trained(weighed) != trained(plain));
}

TEST_CASE("an output of weight 0 is not trained and needs no answers", "[train]") {
  const Dataset data = classes_of_scenes(64, 4);
  Model model = fusion_model();
  const Model before = model;
  FitOptions o = quiet(2);
  o.losses = {{CrossEntropyLoss{}}, {{}, 0.0}};
  const FitReport report = fit(model, data, o);
  CHECK(std::isnan(report.epochs[0].losses[1]));
  CHECK(std::isfinite(report.epochs[0].loss));
  CHECK(same_bits(model.parameter("box.weight").value, before.parameter("box.weight").value));
  CHECK_FALSE(same_bits(model.parameter("class.weight").value, before.parameter("class.weight").value));
}

TEST_CASE("each output may have a teacher", "[train]") {
  const Model teacher = fusion_model(7);
  Model model = fusion_model();
  FitOptions o = quiet();
  o.losses = {{Distillation(teacher)}, {}};
  CHECK(std::isfinite(fit(model, scenes(64, 5), o).epochs[0].loss));
  CHECK_THROWS_WITH(Distillation(teacher, {}, 2), ContainsSubstring("the teacher has 2 outputs, output 2 does not exist"));
}

TEST_CASE("a run with several outputs resumes with the bits and the history of the whole", "[train]") {
  const TemporaryDirectory dir;
  const Dataset data = scenes(96, 6);
  QatModel whole = prepare(fusion_model(), recipes::int8());
  calibrate(whole, data);
  const QatModel start = whole;
  QatModel parts = start;
  FitOptions o = quiet(4);
  o.validation = &data;
  o.augment = {AddNoise{.sigma = 0.01}};
  o.losses = {{CrossEntropyLoss{.label_smoothing = 0.1}}, {HuberLoss{}, 0.5}};
  const FitReport report = fit(whole, data, o);
  o.checkpoint = dir.path("run.ckpt");
  o.stop_after = 1;
  (void)fit(parts, data, o);
  parts = start;
  o.resume = true;
  o.stop_after = 0;
  const FitReport resumed = fit(parts, data, o);
  CHECK(state_of(whole) == state_of(parts));
  REQUIRE(resumed.epochs.size() == report.epochs.size());
  for (std::size_t i = 0; i < report.epochs.size(); ++i) {
    CHECK(resumed.epochs[i].losses == report.epochs[i].losses);
    CHECK(resumed.epochs[i].validation_losses == report.epochs[i].validation_losses);
  }
  o.losses[1].weight = 0.25;
  parts = start;
  CHECK_THROWS_WITH(fit(parts, data, o), ContainsSubstring("0.5 times Huber"));
}

TEST_CASE("data that do not fit several inputs and outputs are refused before the first batch", "[train]") {
  const Dataset data = scenes(32, 8);
  const Batch all = data.batch(0, 32);
  const Dataset one_input(all.x, all.labels, 3, "photos");
  FitOptions o = quiet();
  refused(fusion_model(), one_input.with_targets(all.more_truth[0].targets), o, Errc::shape,
          "the model has 2 inputs, data set photos has 1; add values of 'telemetry' with Dataset::with_input");
  refused(fusion_model(), data.with_input(all.x), o, Errc::shape, "data set scenes has 3 inputs, the model has 2");
  refused(fusion_model(), one_input.with_input(all.x), o, Errc::shape, "input 'telemetry' wants [N] + [4], images of data set photos are [6,6,1]");
  refused(fusion_model(), classes_of_scenes(32, 8), o, Errc::shape,
          "the model has 2 outputs ('class', 'box'), data set scenes has labels or targets for 1; add them with Dataset::with_labels");
  refused(fusion_model(), data.with_targets(all.x), o, Errc::shape, "has labels or targets for 3 outputs, the model has 2");
  refused(fusion_model(), classes_of_scenes(32, 8).with_targets(all.x), o, Errc::shape, "compares targets [N] + [6,6,1] of data set scenes with output 'box'");

  o.losses = {{}};
  refused(fusion_model(), data, o, Errc::shape, "options.losses has 1 losses, the model has 2 outputs ('class', 'box')");
  o.losses = {{}, {{}, -1.0}};
  refused(fusion_model(), data, o, Errc::range, "the weight of a loss is -1");
  o.losses = {{{}, 0.0}, {{}, 0.0}};
  refused(fusion_model(), data, o, Errc::range, "all losses have weight 0");
  o.losses = {{}, {}};
  refused(fusion_model(), classes_of_scenes(32, 8), o, Errc::state, "neither labels nor targets for output 1, and there is no loss");
  o.loss = MseLoss{};
  refused(fusion_model(), data, o, Errc::state, "options.loss and options.losses are set");
  o.losses.clear();
  refused(fusion_model(), data, o, Errc::shape, "options.loss is of one output, the model has 2 ('class', 'box')");
  o.loss = {};
  o.losses = {{[](std::span<const Var<Tensor<float>>> y, const Batch&) { return sum(y[0], {}); }}, {}};
  refused(fusion_model(), data, o, Errc::state, "a loss of a list of outputs stands in options.losses");

  o = quiet();
  o.validation = &data;
  o.metric = mean_absolute_error();
  refused(fusion_model(), data, o, Errc::shape, "metric 'mean absolute error' is of one output, the model has 2");
  o.metric = mean_absolute_error().of(2);
  refused(fusion_model(), data, o, Errc::range, "metric 'mean absolute error' is of output 2, the model has 2");
  o = quiet();
  const Dataset other = classes_of_scenes(32, 9);
  o.validation = &other;
  refused(fusion_model(), data, o, Errc::state, "training data have targets for output 1, validation data neither labels nor targets");
  o.validation = &one_input;
  refused(fusion_model(), data, o, Errc::shape, "validation data have 1 inputs, training data 2");

  // The same questions of a quantized model, and of those that only look.
  QatModel qat = prepare(fusion_model(), recipes::int8());
  CHECK_THROWS_WITH(calibrate(qat, one_input), ContainsSubstring("calibrate: the model has 2 inputs, data set photos has 1"));
  CHECK_THROWS_WITH(observe_ranges(fusion_model(), one_input), ContainsSubstring("observe_ranges: the model has 2 inputs"));
  calibrate(qat, data);
  refused(qat, one_input, quiet(), Errc::shape, "the model has 2 inputs, data set photos has 1");
  CHECK_THROWS_WITH(evaluate(qat, data), ContainsSubstring("evaluate: the model has 2 outputs; name one"));
  CHECK_THROWS_WITH(evaluate(qat, data, {.output = 2}), ContainsSubstring("no labels"));
  CHECK_THROWS_WITH(predict(qat, data), ContainsSubstring("predict: the model has 2 outputs; name one"));
  CHECK_THROWS_WITH(predict(qat, data, {.output = 2}), ContainsSubstring("output 2 does not exist, the model has 2"));
  CHECK_THROWS_WITH(infer(qat, all.x), ContainsSubstring("2 inputs and 2 outputs; pass the inputs as a list"));
  const std::array uneven{all.x, scenes(31, 1).batch(0, 31).more_inputs[0]};
  CHECK_THROWS_WITH(infer(qat, uneven), ContainsSubstring("input 'telemetry' wants [N] + [4], the same N everywhere, got [31,4]"));
  const Engine engine(convert(qat));
  CHECK_THROWS_WITH(engine.run(uneven), ContainsSubstring("engine: input 'telemetry' wants [N] + [4], the same N everywhere, got [31,4]"));
  CHECK_THROWS_WITH(engine.run(all.x), ContainsSubstring("engine: the model has 2 inputs, got 1"));
  std::array broken{all.x, all.more_inputs[0]};
  broken[1].edit()[3] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(engine.run(broken), ContainsSubstring("engine: input 'telemetry': 1 values are NaN or infinite"));
  CHECK_THROWS_WITH(infer(qat, broken), ContainsSubstring("forward: input 'telemetry': 1 values are NaN or infinite"));
}

TEST_CASE("recipes that simulate their schemes or begin in float train several outputs too", "[train]") {
  const Dataset data = scenes(64, 9);
  Recipe recipe = recipes::int8();
  recipe.schedule.quantize_at = 0.5;
  QatModel late = prepare(fusion_model(), recipe);
  calibrate(late, data);
  CHECK(std::isfinite(fit(late, data, quiet(2)).epochs.back().loss));
  CHECK(late.quantizing());
  recipe = recipes::int8();
  recipe.weights = BFloat16{};
  QatModel simulated = prepare(fusion_model(), recipe);
  CHECK(simulated.recipe().simulated());
  calibrate(simulated, data);
  CHECK(std::isfinite(fit(simulated, data, quiet(1)).epochs.back().loss));
  CHECK(predict_all(simulated, data).size() == 2);
}

}  // namespace several_outputs_test
