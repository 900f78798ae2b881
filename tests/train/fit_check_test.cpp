// What fit finds before the first batch: labels and images that do not fit the model, and a last batch of one image.

#include <stet/model/calibrate.hpp>
#include <stet/model/prepare.hpp>
#include <stet/ops/reduction.hpp>
#include <stet/train/fit_qat.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <cmath>

namespace fit_check_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Model perceptron(int outputs = 3) {
  Graph g;
  auto x = g.input({5});
  x = relu(batch_norm(linear(x, {.units = 4})));
  g.output(linear(x, {.units = outputs}).named("logits"));
  return {std::move(g), Rng(1)};
}

Dataset rows(std::int64_t count, int classes = 3, std::uint64_t seed = 2) {
  return random_dataset({5}, count, classes, seed);
}

FitOptions quiet(int epochs = 1) {
  FitOptions o;
  o.epochs = epochs;
  o.batch = 32;
  o.progress = ProgressMode::quiet;
  return o;
}

// An error of this code and text, before any step and before the model moves.
template <class M>
void refused(const M& start, const Dataset& data, FitOptions o, Errc code, const std::string& text) {
  INFO(text);
  M model = start;
  int steps = 0;
  o.on_gradients = [&](const StepReport&) { ++steps; };
  try {
    (void)fit(model, data, o);
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code() == code);
    CHECK_THAT(e.what(), ContainsSubstring(text));
  }
  CHECK(steps == 0);
  CHECK(state_of(model) == state_of(start));
}

Var<Tensor<float>> smallest(const Var<Tensor<float>>& y, const Batch&) { return sum(y); }

}  // namespace

TEST_CASE("a last batch of one row is refused before training, and drop_last leaves it out") {
  const Dataset data = rows(65);
  refused(perceptron(), data, quiet(), Errc::range,
          "65 images in batches of 32 leave a last batch of 1, and batch norm 'batch_norm_1' needs two values per channel "
          "to have a variance; set drop_last");
  FitOptions single = quiet();
  single.batch = 1;
  refused(perceptron(), data, single, Errc::range, "take batches of at least 2 images");
  refused(perceptron(), rows(1), quiet(), Errc::range, "take batches of at least 2 images");

  FitOptions o = quiet(3);
  o.drop_last = true;
  o.schedule = Cosine{};
  std::vector<std::int64_t> steps;
  double last_lr = 0;
  o.on_step = [&](const StepReport& s) {
    CHECK(s.steps == 6);
    steps.push_back(s.step);
    last_lr = s.lr;
  };
  Model model = perceptron();
  CHECK(fit(model, data, o).epochs.size() == 3);
  CHECK(steps == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5});
  CHECK(last_lr == Approx(Cosine{}.at(5, 6) * o.optimizer.lr()));
  o.batch = 100;
  refused(perceptron(), data, o, Errc::range, "65 samples do not fill one batch of 100, and drop_last is set");

  // A batch norm over pictures has many values in one image.
  Graph g;
  g.output(linear(flatten(relu(batch_norm(conv2d(g.input({5, 5, 1}), {.filters = 2, .kernel = 3})))), {.units = 3}));
  Model pictures(std::move(g), Rng(1));
  CHECK_NOTHROW(fit(pictures, random_dataset({5, 5, 1}, 33, 3, 1), quiet()));
}

TEST_CASE("a quantized model may have steps of one row where batch norm is frozen by then") {
  const Dataset data = rows(65);
  const auto prepared = [&](double freeze_batch_norm_at) {
    Recipe recipe = recipes::int8();
    recipe.schedule.freeze_batch_norm_at = freeze_batch_norm_at;
    QatModel qat = prepare(perceptron(), recipe);
    calibrate(qat, data);
    return qat;
  };
  refused(prepared(0.75), data, quiet(2), Errc::range, "leave a last batch of 1");
  QatModel frozen = prepared(0.0);
  CHECK_NOTHROW(fit(frozen, data, quiet(2)));
  QatModel by_then = prepared(0.6);  // of 3 steps the last begins at 2/3
  CHECK_NOTHROW(fit(by_then, data, quiet(1)));
  refused(prepared(0.6), data, quiet(2), Errc::range, "leave a last batch of 1");
}

TEST_CASE("classes are compared with the outputs before the first batch, of validation too") {
  const Dataset data = rows(64), many = rows(64, 7, 5);
  refused(perceptron(), many, quiet(), Errc::range, "data set random has 7 classes, output 'logits' makes 3 logits");
  FitOptions o = quiet();
  o.label_smoothing = 0.1;
  refused(perceptron(), many, o, Errc::range, "has 7 classes");
  o = quiet();
  o.validation = &many;
  refused(perceptron(), data, o, Errc::range, "data set random has 7 classes, output 'logits' makes 3 logits");
  QatModel qat = prepare(perceptron(), recipes::int8());
  calibrate(qat, data);
  refused(qat, many, quiet(), Errc::range, "has 7 classes");

  // An own loss may read labels as it likes; validation is by that loss then.
  Model regression = perceptron(1);
  o = quiet();
  o.loss = smallest;
  const FitReport report = fit(regression, many, o);
  CHECK(std::isnan(report.epochs[0].accuracy));
  o.validation = &many;
  const FitReport validated = fit(regression, many, o);
  CHECK(std::isfinite(validated.epochs[0].validation_loss));
  CHECK(std::isnan(validated.epochs[0].validation_accuracy));

  Graph g;
  g.output(relu(conv2d(g.input({5, 5, 1}), {.filters = 3, .kernel = 3})).named("map"));
  refused(Model(std::move(g), Rng(1)), random_dataset({5, 5, 1}, 8, 3, 1), quiet(), Errc::shape,
          "softmax cross-entropy compares classes with logits [N,classes], output 'map' is [N] + [5,5,3]");
}

TEST_CASE("images that do not fit, and outputs without answers, are refused before the first batch") {
  refused(perceptron(), random_dataset({6}, 8, 3, 1), quiet(), Errc::shape,
          "input 'input_1' wants [N] + [5], images of data set random are [6]");
  Graph g;
  const auto x = linear(g.input({5}), {.units = 3});
  g.output(x);
  g.output(relu(x));
  refused(Model(std::move(g), Rng(1)), rows(8), quiet(), Errc::shape, "the model has 2 outputs ('linear_1', 'relu_1'), data set random has labels or targets for 1");
  FitOptions o = quiet();
  const Dataset data = rows(64);
  o.validation = &data;
  o.early_stop = {.patience = 1, .min_delta = std::nan("")};
  refused(perceptron(), data, o, Errc::range, "early_stop.min_delta is nan");
}

}  // namespace fit_check_test
