// Data with targets: fit by mean squared error, losses and metrics as values, validation and early stop by a metric,
// quantized training and its integers; and what is refused.
#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

#include <stet/engine/engine.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/quantize.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>
#include <stet/train/metric.hpp>

#include <cmath>
#include <limits>

namespace targets_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr float pi = 3.14159265f;

// Targets are smooth functions of three inputs.
Dataset waves(std::int64_t count, std::uint64_t seed, std::int64_t outputs = 2) {
  Rng rng(seed);
  Tensor<float> x({count, 3}), y({count, outputs});
  auto in = x.edit(), out = y.edit();
  for (std::int64_t n = 0; n < count; ++n) {
    float* row = in.data() + 3 * n;
    for (int i = 0; i < 3; ++i) row[i] = static_cast<float>(rng.uniform(-1, 1));
    for (std::int64_t k = 0; k < outputs; ++k)
      out[static_cast<std::size_t>(n * outputs + k)] = std::sin(pi * row[k % 3]) + row[2] * row[0];
  }
  return {x, y, "waves"};
}

Model network(int outputs = 2) {
  Graph g;
  auto x = g.input({3});
  x = relu(linear(x, {.units = 32}));
  x = relu(linear(x, {.units = 32}));
  g.output(linear(x, {.units = outputs}));
  return Model(std::move(g), Rng(1));
}

FitOptions quiet(int epochs) {
  return {.epochs = epochs, .batch = 32, .optimizer = Adam{.lr = 3e-3}, .progress = ProgressMode::quiet};
}

}  // namespace

TEST_CASE("a regression trains, is quantized and deployed through the same calls as a classification", "[train]") {
  const Dataset train = waves(2000, 1), test = waves(500, 2);
  Model model = network();
  FitOptions o = quiet(20);
  o.validation = &test;
  o.metric = r_squared();
  const FitReport report = fit(model, train, o);
  CHECK(report.epochs.back().validation_metric > 0.95);
  CHECK(report.epochs.back().validation_loss < 0.05 * report.epochs.front().validation_loss + 0.05);
  CHECK(std::isnan(report.epochs.back().accuracy));
  CHECK(std::isnan(report.epochs.back().validation_accuracy));
  CHECK_THAT(report.str(),
             ContainsSubstring("R squared") && !ContainsSubstring("accuracy") && !ContainsSubstring("nan"));

  // What is reported is what the metric and the loss say of the outputs.
  const Tensor<float> y = predict(model, test);
  double squares = 0;
  for (std::int64_t i = 0; i < y.size(); ++i)
    squares +=
        std::pow(static_cast<double>(y[i]) - static_cast<double>(test.targets()[static_cast<std::size_t>(i)]), 2);
  CHECK(report.epochs.back().validation_loss == Approx(squares / static_cast<double>(y.size())).epsilon(1e-5));
  CHECK(evaluate(model, test, root_mean_squared_error()) == Approx(std::sqrt(squares / static_cast<double>(y.size()))));
  CHECK(evaluate(model, test, r_squared()) == report.epochs.back().validation_metric);

  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, train);
  o = quiet(4);
  o.optimizer = Adam{.lr = 3e-4};
  o.validation = &test;
  o.metric = r_squared();
  fit(qat, train, o);
  const Engine engine(convert(qat));
  const Tensor<float> trained = predict(qat, test), deployed = predict(engine, test);
  std::int64_t differ = 0;
  for (std::int64_t i = 0; i < trained.size(); ++i) differ += trained[i] == deployed[i] ? 0 : 1;
  CHECK(differ == 0);
  CHECK(evaluate(engine, test, r_squared()) > 0.94);
}

TEST_CASE("a tensor of inputs is enough to calibrate and to quantize", "[train]") {
  const Dataset train = waves(300, 1);
  const Tensor<float> x = train.batch(0, 300).x;
  Model model = network();
  fit(model, train, quiet(2));
  const IntegerModel by_tensor = quantize(model, recipes::int8(), x), by_data = quantize(model, recipes::int8(), train);
  CHECK(predict(Engine(by_tensor), train).span()[7] == predict(Engine(by_data), train).span()[7]);
  CHECK_THROWS_WITH(fit(model, x, quiet(1)),
                    ContainsSubstring("neither labels nor targets") && ContainsSubstring("options.loss"));
  CHECK_THROWS_WITH(Dataset(x).labels(), ContainsSubstring("has no labels"));
  CHECK_THROWS_WITH(Dataset(x).targets(), ContainsSubstring("has no targets"));
  CHECK_THROWS_WITH(evaluate(model, train),
                    ContainsSubstring("has no labels to compare classes with; ask for a metric"));
  CHECK_THROWS_WITH(evaluate(model, Dataset(x), mean_absolute_error()), ContainsSubstring("have no targets"));
}

TEST_CASE("slices and batches carry the targets of their samples", "[train]") {
  const Dataset data = waves(50, 3);
  const Dataset part = data.slice(10, 20).first(5);
  CHECK(part.has_targets());
  CHECK_FALSE(part.has_labels());
  CHECK(part.classes() == 0);
  CHECK(part.target_shape() == Shape{2});
  CHECK(part.targets()[3] == data.targets()[23]);
  const std::int64_t order[] = {4, 0};
  const Batch b = part.batch(order);
  CHECK(b.size() == 2);
  CHECK(b.labels.empty());
  CHECK(b.targets[0] == data.targets()[28]);
  CHECK(b.targets[3] == data.targets()[21]);
  CHECK(part.batch(1, 3).targets[0] == data.targets()[22]);
  const Tensor<float> x({2, 3}), nan({2, 1}, {0.0f, std::numeric_limits<float>::quiet_NaN()});
  CHECK_THROWS_WITH(Dataset(x, Tensor<float>({3, 1}), "short"),
                    ContainsSubstring("2 samples need targets [2, ...], got [3,1]"));
  CHECK_THROWS_WITH(Dataset(x, nan, "nan"), ContainsSubstring("target 0 of sample 1 is nan"));
}

TEST_CASE("losses are values: each trains what it is for", "[train]") {
  SECTION("Huber does not follow outliers") {
    Dataset clean = waves(800, 1, 1), test = waves(300, 2, 1);
    Tensor<float> y({800, 1}, clean.targets());
    Rng rng(9);
    for (float& v : y.edit()) v += rng.uniform() < 0.05 ? 40.0f : 0.0f;
    const Dataset spoilt(clean.batch(0, 800).x, y, "outliers");
    Model by_squares = network(1), by_huber = network(1);
    fit(by_squares, spoilt, quiet(15));
    FitOptions o = quiet(15);
    o.loss = HuberLoss{.delta = 0.5};
    fit(by_huber, spoilt, o);
    CHECK(evaluate(by_huber, test, mean_absolute_error()) < 0.5 * evaluate(by_squares, test, mean_absolute_error()));
  }
  SECTION("binary cross-entropy of one logit, from labels and from targets alike") {
    const Dataset data = waves(800, 1, 1);
    Tensor<std::int32_t> labels({800});
    Tensor<float> targets({800});
    for (std::size_t i = 0; i < 800; ++i) {
      labels.edit()[i] = data.targets()[i] > 0 ? 1 : 0;
      targets.edit()[i] = static_cast<float>(labels[static_cast<std::int64_t>(i)]);
    }
    const Tensor<float> x = data.batch(0, 800).x;
    Model a = network(1), b = network(1);
    FitOptions o = quiet(15);
    o.loss = BinaryCrossEntropyLoss{};
    fit(a, Dataset(x, labels, 2, "labels"), o);
    fit(b, Dataset(x, targets, "targets"), o);  // [N] stands for [N,1]
    CHECK(evaluate(a, Dataset(x, labels, 2, "labels"), binary_accuracy()) > 0.95);
    CHECK(predict(a, data).span()[5] == predict(b, data).span()[5]);
  }
  SECTION("class weights move answers to the class that weighs more") {
    const Dataset data = waves(600, 1, 1);
    Tensor<std::int32_t> labels({600});
    for (std::size_t i = 0; i < 600; ++i) labels.edit()[i] = data.targets()[i] > 0.8f ? 1 : 0;
    const Dataset rare(data.batch(0, 600).x, labels, 2, "rare");
    Model plain = network(2), weighted = network(2);
    fit(plain, rare, quiet(2));
    FitOptions o = quiet(2);
    o.loss = CrossEntropyLoss{.class_weights = {0.05, 0.95}};
    fit(weighted, rare, o);
    const auto ones = [&](const Model& m) {
      return evaluate(m, rare).confusion.at(0, 1) + evaluate(m, rare).confusion.at(1, 1);
    };
    CHECK(ones(weighted) > ones(plain) + 20);
  }
  SECTION("a function of one's own") {
    Model model = network();
    FitOptions o = quiet(1);
    int calls = 0;
    o.loss = [&](const Var<Tensor<float>>& y, const Batch& b) {
      ++calls;
      return mse(y, y.tape().constant(b.targets));
    };
    fit(model, waves(64, 1), o);
    CHECK(calls == 2);
  }
}

TEST_CASE("training ends early by the metric where there is one", "[train]") {
  const Dataset train = waves(64, 1), validation = waves(64, 2);
  Model model = network();
  FitOptions o = quiet(10);
  o.validation = &validation;
  o.early_stop = {.patience = 2};
  double worth = 0;  // becomes worse every epoch, whatever the loss
  o.metric = {"falling", [&](const Tensor<float>&, const Batch&) { return worth -= 1; }, true};
  CHECK(fit(model, train, o).epochs.size() == 3);
  worth = 0;
  o.metric.higher_is_better = false;
  CHECK(fit(model, train, o).epochs.size() == 10);
}

TEST_CASE("the best epoch is restored, in one run, in parts and from a checkpoint", "[train]") {
  const TemporaryDirectory dir;
  const Dataset train = waves(64, 1), validation = waves(64, 2);
  // Epoch 3 is said to be the best one.
  const auto options = [&](int& epoch) {
    FitOptions o = quiet(5);
    o.validation = &validation;
    o.early_stop.restore_best = true;
    o.metric = {"distance", [&epoch](const Tensor<float>&, const Batch&) { return std::fabs(++epoch - 3.0); }};
    return o;
  };
  const auto outputs = [&](const auto& m) { return predict(m, validation); };
  const auto run = [&](auto model) {
    std::vector<Tensor<float>> after;
    int epoch = 0;
    FitOptions o = options(epoch);
    o.on_epoch = [&](const EpochReport&) { after.push_back(outputs(model)); };
    const FitReport report = fit(model, train, o);
    CHECK(report.best_epoch == 2);
    CHECK_THAT(report.str(), ContainsSubstring("best validation: epoch 3"));
    const Tensor<float> best = outputs(model);
    CHECK(equal(best, after[2]));
    CHECK_FALSE(equal(best, after[4]));
    return best;
  };
  const Tensor<float> best = run(network());
  QatModel qat = prepare(network(), recipes::int8());
  calibrate(qat, train);
  run(qat);

  Model parts = network();
  int epoch = 0;
  FitOptions o = options(epoch);
  FitRun in_parts;
  o.run = &in_parts;
  o.stop_after = 1;
  while (!in_parts.finished()) fit(parts, train, o);
  CHECK(equal(outputs(parts), best));

  Model resumed = network(), other = network();
  epoch = 0;
  o = options(epoch);
  o.checkpoint = dir.path("best.safetensors");
  o.stop_after = 4;  // the best epoch is done
  fit(resumed, train, o);
  o.resume = true;
  o.stop_after = 0;
  CHECK(fit(other, train, o).best_epoch == 2);
  CHECK(equal(outputs(other), best));
  o.early_stop.restore_best = false;
  CHECK_THROWS_WITH(fit(other, train, o), ContainsSubstring("the best epoch at the end"));

  o = quiet(1);
  o.early_stop.restore_best = true;
  CHECK_THROWS_WITH(fit(parts, train, o), ContainsSubstring("early_stop watches the validation data"));
  o.validation = &validation;
  o.metric = {"nothing", [](const Tensor<float>&, const Batch&) { return std::nan(""); }};
  CHECK_THROWS_WITH(fit(parts, train, o), ContainsSubstring("metric 'nothing' is nan after epoch 1"));
}

TEST_CASE("a run with targets goes on from its checkpoint, and only with its own loss, metric and targets", "[train]") {
  const TemporaryDirectory dir;
  const Dataset train = waves(64, 1), validation = waves(64, 2);
  Model whole = network(), parts = network();
  FitOptions o = quiet(4);
  o.validation = &validation;
  o.metric = mean_absolute_error();
  o.loss = HuberLoss{.delta = 0.5};
  const FitReport all = fit(whole, train, o);
  o.checkpoint = dir.path("run.safetensors");
  o.stop_after = 2;
  fit(parts, train, o);
  o.resume = true;
  o.stop_after = 0;
  parts = network();
  FitOptions other = o;
  other.loss = HuberLoss{.delta = 1};
  CHECK_THROWS_WITH(fit(parts, train, other), ContainsSubstring("Huber, delta 0.5"));
  other = o;
  other.metric = r_squared();
  CHECK_THROWS_WITH(fit(parts, train, other),
                    ContainsSubstring("metric mean absolute error there, metric R squared now"));
  Tensor<float> moved({64, 2}, train.targets());
  moved.edit()[5] += 1;
  CHECK_THROWS_WITH(fit(parts, Dataset(train.batch(0, 64).x, moved, "moved"), o),
                    ContainsSubstring("targets [2] (hash"));
  const FitReport rest = fit(parts, train, o);
  REQUIRE(rest.epochs.size() == 4);
  CHECK(rest.epochs[1].validation_metric == all.epochs[1].validation_metric);
  CHECK(rest.epochs[3].validation_metric == all.epochs[3].validation_metric);
  CHECK(rest.epochs[3].validation_loss == all.epochs[3].validation_loss);
}

TEST_CASE("what does not go together is refused before training", "[train]") {
  Model model = network();
  const Dataset two = waves(64, 1), three = waves(64, 1, 3);
  CHECK_THROWS_WITH(fit(model, three, quiet(1)),
                    ContainsSubstring("targets [N] + [3]") && ContainsSubstring("[N] + [2]; give them one shape"));
  FitOptions o = quiet(1);
  o.metric = r_squared();
  CHECK_THROWS_WITH(fit(model, two, o), ContainsSubstring("metric 'R squared' is of validation data"));
  o.validation = &three;
  CHECK_THROWS_WITH(fit(model, two, o), ContainsSubstring("targets [N] + [3]"));
  o.validation = &two;
  o.metric = {"nothing", {}};
  CHECK_THROWS_WITH(fit(model, two, o), ContainsSubstring("metric 'nothing' has no function"));
  o = quiet(1);
  o.label_smoothing = 0.1;
  CHECK_THROWS_WITH(fit(model, two, o), ContainsSubstring("label_smoothing 0.1 belongs to labels"));
  const Dataset labels(two.batch(0, 64).x, Tensor<std::int32_t>::zeros({64}), 2, "labels");
  o = quiet(1);
  o.validation = &labels;
  CHECK_THROWS_WITH(fit(model, two, o), ContainsSubstring("training data have targets, validation data labels"));
  o = quiet(1);
  o.loss = BinaryCrossEntropyLoss{};
  CHECK_THROWS_WITH(fit(model, two, o), ContainsSubstring("is not in 0..1"));
  const Dataset flat(two.batch(0, 64).x, Tensor<float>::zeros({64, 2}), "flat");
  CHECK_THROWS_WITH(evaluate(model, flat, r_squared()), ContainsSubstring("they have no variance"));
  CHECK_THROWS_WITH(evaluate(model, flat, Metric{}), ContainsSubstring("has no function"));
}

TEST_CASE("a loss that the model does not reach is refused and not trained", "[train]") {
  const Dataset data(uniform<float>({20, 3}, 1), uniform<float>({20, 1}, 2), "numbers");
  Graph g;
  g.output(linear(g.input({3}), {.units = 1}));
  Model model(std::move(g), Rng(1));
  FitOptions o{.epochs = 1, .progress = ProgressMode::quiet};
  o.loss = [](const Var<Tensor<float>>& y, const Batch&) { return y.tape().constant(Tensor<float>::filled({1}, y.value()[0])); };
  CHECK_THROWS_WITH(fit(model, data, o), ContainsSubstring("the loss does not depend on the model's output"));
  o.loss = [](const Var<Tensor<float>>& y, const Batch&) {
    Tape other;
    return other.variable(Tensor<float>::filled({1}, y.value()[0]));
  };
  CHECK_THROWS_WITH(fit(model, data, o), ContainsSubstring("the loss does not depend on the model's output"));
}

TEST_CASE("cross-entropy of data without labels says what to give it, and is the same run with and without its name", "[train]") {
  const Dataset numbers(uniform<float>({20, 3}, 1), uniform<float>({20, 2}, 2), "numbers");
  const Dataset classes(uniform<float>({20, 3}, 1), Tensor<std::int32_t>::filled({20}, 1), 2, "classes");
  const auto network = [] {
    Graph g;
    g.output(linear(g.input({3}), {.units = 2}));
    return Model(std::move(g), Rng(1));
  };
  Model model = network();
  FitOptions o{.epochs = 2, .progress = ProgressMode::quiet, .stop_after = 1};
  FitRun run;
  o.run = &run;
  o.loss = CrossEntropyLoss{};
  CHECK_THROWS_WITH(fit(model, numbers, o), ContainsSubstring("CrossEntropyLoss: the data have no labels; make the Dataset with labels"));
  Model other = network();
  FitRun whole;
  o.run = &whole;
  o.loss = {};
  fit(other, classes, o);
  o.loss = CrossEntropyLoss{};
  CHECK_NOTHROW(fit(other, classes, o));
}

TEST_CASE("a metric that is no number stands in the report", "[train]") {
  const Dataset data(uniform<float>({20, 3}, 1), uniform<float>({20, 1}, 2), "numbers");
  Graph g;
  g.output(linear(g.input({3}), {.units = 1}));
  Model model(std::move(g), Rng(1));
  FitOptions o{.epochs = 1, .validation = &data, .progress = ProgressMode::quiet};
  o.metric = {"mine", [](const Tensor<float>&, const Batch&) { return std::nan(""); }};
  CHECK_THAT(fit(model, data, o).str(), ContainsSubstring(", mine nan"));
}

}  // namespace targets_test
