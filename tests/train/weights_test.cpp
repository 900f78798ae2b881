// Weights of samples: what they are in a data set, and that training, validation and metrics count by them.
#include <stet/engine/engine.hpp>
#include <stet/model/convert.hpp>
#include <stet/train/distillation.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>
#include <stet/train/metric.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/tensors.hpp"

#include <cmath>
#include <limits>

namespace weights_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr std::int64_t samples = 24;

Model network(int outputs) {
  Graph g;
  auto x = relu(linear(g.input({5}), {.units = 8}));
  g.output(linear(x, {.units = outputs}).named("answer"));
  return {std::move(g), Rng(4)};
}

Tensor<float> drawn_weights() {
  Tensor<float> w({samples});
  for (std::int64_t i = 0; i < samples; ++i) w.edit()[static_cast<std::size_t>(i)] = static_cast<float>(i % 4);
  return w;
}

// Every sample as often as its weight says.
Dataset repeated(const Dataset& data) {
  std::vector<std::int64_t> which;
  for (std::int64_t i = 0; i < samples; ++i) which.insert(which.end(), static_cast<std::size_t>(i % 4), i);
  return data.subset(which);
}

Dataset labelled() { return random_dataset({5}, samples, 3, 5); }
Dataset with_targets() { return {uniform<float>({samples, 5}, 6), uniform<float>({samples, 2}, 7), "reals"}; }

// Whole batches, so that a step sees the same in both data sets.
FitOptions whole(int epochs) { return quiet_fit({.epochs = epochs, .batch = 1000, .optimizer = Sgd{.lr = 0.1}}); }

}  // namespace

TEST_CASE("a data set carries the weights of its samples through slices, subsets and batches", "[data]") {
  const Dataset data = labelled().with_weights(drawn_weights());
  CHECK(data.has_weights());
  CHECK_FALSE(labelled().has_weights());
  CHECK(data.weights()[7] == 3.0f);
  const Dataset part = data.slice(5, 15).first(6);
  CHECK(part.weights().size() == 6);
  CHECK(part.weights()[0] == 1.0f);
  CHECK(part.batch(1, 3).weights[1] == 3.0f);
  const std::int64_t some[] = {7, 4, 9};
  CHECK(equal(data.subset(some).batch(0, 3).weights, Tensor<float>({3}, {3, 0, 1})));
  CHECK(equal(data.batch(some).weights, Tensor<float>({3}, {3, 0, 1})));
  CHECK(data.batch(some).total_weight() == 4.0);
  CHECK(labelled().batch(some).total_weight() == 3.0);
  CHECK(data.truth().weights.size() == samples);
  CHECK(data.batch(some).for_output(3).weights.size() == 3);
  CHECK(content_hash(data) != content_hash(labelled()));

  CHECK_THROWS_WITH(labelled().weights(), ContainsSubstring("has no weights"));
  CHECK_THROWS_WITH(labelled().with_weights(Tensor<float>({3}, {1, 1, 1})), ContainsSubstring("need weights [24], got [3]"));
  Tensor<float> wrong = drawn_weights();
  wrong.edit()[3] = -1;
  CHECK_THROWS_WITH(labelled().with_weights(wrong), ContainsSubstring("weight -1 of sample 3"));
  wrong.edit()[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(labelled().with_weights(wrong), ContainsSubstring("of sample 3 must be finite"));
  CHECK_THROWS_WITH(labelled().with_weights(Tensor<float>::zeros({samples})), ContainsSubstring("all samples have weight 0"));
}

TEST_CASE("training by weights is training on samples that are there so often", "[train]") {
  const auto same = [](const Dataset& data, int outputs, FitOptions o) {
    const Dataset weighed = data.with_weights(drawn_weights()), often = repeated(data);
    Model a = network(outputs), b = network(outputs);
    o.validation = &weighed;
    const FitReport by_weight = fit(a, weighed, o);
    o.validation = &often;
    const FitReport by_number = fit(b, often, o);
    for (std::size_t e = 0; e < by_weight.epochs.size(); ++e) {
      CHECK(by_weight.epochs[e].loss == Approx(by_number.epochs[e].loss).epsilon(1e-5));
      CHECK(by_weight.epochs[e].validation_loss == Approx(by_number.epochs[e].validation_loss).epsilon(1e-5));
      if (data.has_labels()) {
        CHECK(by_weight.epochs[e].accuracy == Approx(by_number.epochs[e].accuracy));
        CHECK(by_weight.epochs[e].validation_accuracy == Approx(by_number.epochs[e].validation_accuracy));
      }
      if (o.metric) CHECK(by_weight.epochs[e].validation_metric == Approx(by_number.epochs[e].validation_metric).epsilon(1e-5));
    }
    for (std::size_t p = 0; p < a.parameters().size(); ++p) {
      const auto x = a.parameters()[p].parameter.value, y = b.parameters()[p].parameter.value;
      for (std::int64_t i = 0; i < x.size(); ++i) CHECK(x[i] == Approx(y[i]).margin(1e-5));
    }
    return by_weight;
  };
  same(labelled(), 3, whole(5));
  for (const Metric& metric : {mean_absolute_error(), root_mean_squared_error(), r_squared(), binary_accuracy()}) {
    FitOptions o = whole(3);
    o.metric = metric;
    same(with_targets(), 2, o);
  }
  FitOptions o = whole(3);
  o.loss = HuberLoss{0.3};
  same(with_targets(), 2, o);
  const Model teacher = network(3);
  o.loss = Distillation(teacher);
  same(labelled(), 3, o);
}

TEST_CASE("a quantized model and its integers are evaluated by weight to the same number", "[train]") {
  const Dataset data = labelled().with_weights(drawn_weights());
  QatModel qat = calibrated_model(network(3), recipes::int8(), data);
  fit(qat, data, whole(3));
  const Evaluation of_qat = evaluate(qat, data), of_engine = evaluate(Engine(convert(qat)), data);
  CHECK(of_qat.accuracy == of_engine.accuracy);
  CHECK(of_qat.loss == of_engine.loss);
  CHECK(of_qat.images == samples);
  const Evaluation often = evaluate(qat, repeated(labelled()));
  CHECK(of_qat.accuracy == Approx(often.accuracy));
  CHECK(of_qat.loss == Approx(often.loss));
}

TEST_CASE("weights are part of what a run is, and steps without weight are refused before the first", "[train]") {
  const TemporaryDirectory directory;
  const Dataset data = labelled();
  FitOptions o = whole(2);
  o.checkpoint = directory.path("run.checkpoint");
  o.run = nullptr;
  o.stop_after = 1;
  Model model = network(3);
  fit(model, data.with_weights(drawn_weights()), o);
  o.resume = true;
  Model again = network(3);
  CHECK_THROWS_WITH(fit(again, data, o), ContainsSubstring("weighed"));

  Tensor<float> few = Tensor<float>::zeros({samples});
  few.edit()[0] = 1;
  FitOptions small = quiet_fit({.epochs = 1, .batch = 4});
  Model untouched = network(3);
  CHECK_THROWS_WITH(fit(untouched, data.with_weights(few), small), ContainsSubstring("all samples of step") && ContainsSubstring("Dataset::subset"));
  CHECK(state_of(untouched) == state_of(network(3)));
  // Of validation data whole batches may have none.
  const Dataset validation = with_targets().with_weights(few);
  FitOptions reals = whole(1);
  reals.validation = &validation;
  Model regression = network(2);
  CHECK(std::isfinite(fit(regression, with_targets(), reals).epochs[0].validation_loss));
}

}  // namespace weights_test
