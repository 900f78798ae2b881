// fit: learns, repeats itself bit for bit, resumes bit for bit, stops early, clips, and reports what goes wrong.
#include "io/temporary_directory.hpp"
#include "support/catch.hpp"

#include <stet/core/parallel.hpp>
#include <stet/core/random.hpp>
#include <stet/graph/builder.hpp>
#include <stet/train/clip.hpp>
#include <stet/train/fit.hpp>

#include <algorithm>
#include <cmath>

namespace fit_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::TemporaryDirectory;

namespace {

// Which quadrant of a noisy 6x6 image is bright.
Dataset quadrants(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed);
  Tensor<float> x({count, 6, 6, 1});
  Tensor<std::int32_t> labels({count});
  auto pixels = x.edit();
  auto label = labels.edit();
  for (std::size_t n = 0; n < label.size(); ++n) {
    label[n] = static_cast<std::int32_t>(rng.below(4));
    for (std::size_t i = 0; i < 36; ++i) {
      const bool bright = (i / 6 >= 3 ? 2 : 0) + (i % 6 >= 3 ? 1 : 0) == label[n];
      pixels[n * 36 + i] = static_cast<float>((bright ? 1.0 : 0.0) + 0.5 * rng.normal());
    }
  }
  return Dataset(x, labels, 4, "quadrants");
}

Model network(bool with_dropout = false) {
  Graph g;
  auto x = g.input({6, 6, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 4, .kernel = 3, .bias = false})));
  x = flatten(max_pool(x));
  if (with_dropout) x = dropout(x, {.rate = 0.2f});
  g.output(linear(x, {.units = 4}));
  return Model(std::move(g), Rng(1));
}

FitOptions quiet(int epochs) {
  return {.epochs = epochs, .batch = 32, .optimizer = Adam{.lr = 1e-2}, .progress = ProgressMode::quiet};
}

bool same(const Model& a, const Model& b) {
  Model x = a, y = b;
  bool equal = true;
  x.fields([&](const std::string& name, Tensor<float>& s) {
    y.fields([&](const std::string& other, Tensor<float>& t) {
      if (name == other) equal = equal && std::equal(s.span().begin(), s.span().end(), t.span().begin());
    });
  });
  return equal;
}

}  // namespace

TEST_CASE("fit learns a small problem and reports every epoch") {
  Model m = network();
  const Dataset train = quadrants(500, 1), test = quadrants(200, 2);
  FitOptions o = quiet(4);
  o.validation = &test;
  const FitReport report = fit(m, train, o);
  REQUIRE(report.epochs.size() == 4);
  CHECK(report.epochs[3].loss < report.epochs[0].loss);
  CHECK(report.epochs[3].accuracy > 0.9);
  CHECK(report.seconds > 0);
  const Evaluation e = evaluate(m, test);
  CHECK(e.accuracy > 0.9);
  CHECK(report.epochs[3].validation_loss == e.loss);
  CHECK(report.epochs[3].validation_accuracy == e.accuracy);
  for (const auto& p : m.parameters()) CHECK(p.parameter.gradient.empty());
}

TEST_CASE("a run is the same bit for bit when repeated, on any number of threads") {
  const Dataset train = quadrants(300, 1);
  Model a = network(true), b = network(true), c = network(true);
  set_threads(1);
  fit(a, train, quiet(2));
  set_threads(2);
  fit(b, train, quiet(2));
  set_threads(0);
  CHECK(same(a, b));
  FitOptions other = quiet(2);
  other.seed = 2;
  fit(c, train, other);
  CHECK_FALSE(same(a, c));
}

TEST_CASE("training resumed from a checkpoint is the uninterrupted training, bit for bit") {
  const Dataset train = quadrants(300, 1), test = quadrants(100, 2);
  const TemporaryDirectory dir;
  FitOptions o = quiet(4);
  o.schedule = Cosine{};
  o.validation = &test;

  Model whole = network(true);
  const FitReport expected = fit(whole, train, o);

  struct Interrupted {};
  o.checkpoint = dir.path("run");
  o.resume = true;
  FitOptions broken = o;
  for (const int stop : {1, 3}) {  // in the middle of epoch 1, then after epoch 3, each time from a fresh process
    Model m = network(true);
    broken.on_step = [&](const StepReport& s) {
      if (s.epoch == stop && s.step % 10 == 4) throw Interrupted();
    };
    CHECK_THROWS_AS(fit(m, train, broken), Interrupted);
  }
  Model resumed = network(true);
  const FitReport report = fit(resumed, train, o);
  CHECK(same(whole, resumed));
  REQUIRE(report.epochs.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(report.epochs[i].loss == expected.epochs[i].loss);
    CHECK(report.epochs[i].validation_loss == expected.epochs[i].validation_loss);
  }

  // A finished run is not trained again, and its file is also a model.
  Model finished = network(true);
  CHECK(fit(finished, train, o).epochs.size() == 4);
  CHECK(same(whole, finished));
  Model loaded = network(true);
  load_checkpoint(o.checkpoint, loaded);
  CHECK(same(whole, loaded));
}

TEST_CASE("a checkpoint of other options, other data or another model is refused") {
  const TemporaryDirectory dir;
  const Dataset train = quadrants(100, 1);
  FitOptions o = quiet(1);
  o.checkpoint = dir.path("run");
  Model m = network();
  fit(m, train, o);
  o.resume = true;
  const auto refused = [&](FitOptions changed, const Dataset& data) {
    Model other = network();
    CHECK_THROWS_WITH(fit(other, data, changed), ContainsSubstring("was saved from something else"));
  };
  FitOptions changed = o;
  changed.batch = 16;
  refused(changed, train);
  changed = o;
  changed.optimizer = Sgd{.lr = 1e-2};
  refused(changed, train);
  changed = o;
  changed.epochs = 2;
  refused(changed, train);
  refused(o, train.first(50));
  Model other = network(true);
  other.parameters().pop_back();
  CHECK_THROWS_AS(fit(other, train, o), Error);
  o.resume = false;  // without resume the old file is replaced
  CHECK_NOTHROW(fit(m, train, o));
}

TEST_CASE("callbacks see every step and epoch, and the rates of the schedule") {
  const Dataset train = quadrants(70, 1);
  FitOptions o = quiet(2);
  o.schedule = Cosine{};
  std::vector<double> rates;
  std::vector<int> epochs;
  o.on_step = [&](const StepReport& s) {
    CHECK(s.step == static_cast<std::int64_t>(rates.size()));
    CHECK(s.steps == 6);
    CHECK(s.epoch == (s.step < 3 ? 0 : 1));
    CHECK(std::isfinite(s.loss));
    rates.push_back(s.lr);
  };
  o.on_epoch = [&](const EpochReport& e) {
    epochs.push_back(e.epoch);
    CHECK(std::isnan(e.validation_loss));
  };
  Model m = network();
  fit(m, train, o);
  REQUIRE(rates.size() == 6);
  CHECK(rates[0] == 1e-2);
  CHECK(rates[3] == Approx(0.5e-2));
  CHECK(epochs == std::vector<int>{0, 1});
}

TEST_CASE("training stops when the validation loss no longer falls") {
  const Dataset train = quadrants(64, 1), test = quadrants(64, 2);
  FitOptions o = quiet(10);
  o.validation = &test;
  o.early_stop = {.patience = 2, .min_delta = 1e6};  // nothing after the first epoch counts as better
  Model m = network();
  const FitReport report = fit(m, train, o);
  CHECK(report.stopped_early);
  CHECK(report.epochs.size() == 3);
  o.early_stop = {.patience = 3};
  o.epochs = 2;
  CHECK_FALSE(fit(m, train, o).stopped_early);
}

TEST_CASE("gradients are clipped together to the given norm") {
  Parameter a{Tensor<float>::zeros({3}), Tensor<float>({3}, {3, 0, 0})};
  Parameter b{Tensor<float>::zeros({1}), Tensor<float>({1}, {4})};
  Parameter none{Tensor<float>::zeros({2})};
  const std::vector<ParameterRef> refs{{&a, "a"}, {&b, "b"}, {&none, "none"}};
  CHECK(gradient_norm(refs) == 5.0);
  CHECK(clip_gradients(refs, 10.0) == 5.0);
  CHECK(a.gradient[0] == 3.0f);
  CHECK(clip_gradients(refs, 1.0) == 5.0);
  CHECK(a.gradient[0] == Approx(0.6f));
  CHECK(b.gradient[0] == Approx(0.8f));
  CHECK_THROWS_WITH(clip_gradients(refs, 0.0), ContainsSubstring("must be positive"));

  FitOptions o = quiet(1);
  o.clip_norm = 1e-3;
  o.optimizer = Sgd{.lr = 1.0};
  double largest = 0;
  o.on_step = [&](const StepReport& s) { largest = std::max(largest, s.gradient_norm); };
  Model m = network(), before = m;
  fit(m, quadrants(64, 1), o);
  CHECK(largest > 1e-3);
  for (const auto& p : m.parameters()) {
    for (std::int64_t i = 0; i < p.parameter.value.size(); ++i) {
      CHECK(std::abs(p.parameter.value[i] - before.parameter(p.name).value[i]) <= 2.1e-3f);
    }
  }
}

TEST_CASE("weight decay applies to weights only") {
  Model m = network();
  for (const auto& ref : parameter_refs(m)) {
    INFO(ref.name);
    CHECK(ref.decay == (ref.name == "conv2d_1.weight" || ref.name == "linear_1.weight"));
  }
}

TEST_CASE("a loss that is not finite ends training before the parameters are touched") {
  Model m = network();
  m.parameter("linear_1.weight").value.edit()[0] = std::numeric_limits<float>::infinity();
  const Tensor<float> before = m.parameter("conv2d_1.weight").value;
  CHECK_THROWS_WITH(fit(m, quadrants(40, 1), quiet(1)),
                    ContainsSubstring("step 1 of epoch 1; lower the learning rate, warm it up or set clip_norm"));
  CHECK(m.parameter("conv2d_1.weight").value[0] == before[0]);
}

TEST_CASE("options that cannot work are refused before training") {
  Model m = network();
  const Dataset train = quadrants(40, 1);
  const auto refused = [&](auto change, const char* text) {
    FitOptions o = quiet(1);
    change(o);
    CHECK_THROWS_WITH(fit(m, train, o), ContainsSubstring(text));
  };
  refused([](FitOptions& o) { o.epochs = 0; }, "epochs is 0");
  refused([](FitOptions& o) { o.batch = 0; }, "batch is 0");
  refused([](FitOptions& o) { o.clip_norm = -1; }, "clip_norm is -1");
  refused([](FitOptions& o) { o.label_smoothing = 1.5; }, "label_smoothing is 1.5");
  refused([](FitOptions& o) { o.early_stop.patience = -1; }, "patience is -1");
  refused([](FitOptions& o) { o.early_stop.patience = 1; }, "set validation");
  refused([](FitOptions& o) { o.resume = true; }, "resume needs the name of a checkpoint file");
  const Dataset other(Tensor<float>::zeros({3, 5, 5, 1}), Tensor<std::int32_t>::zeros({3}), 4, "other");
  refused([&](FitOptions& o) { o.validation = &other; }, "validation images are [5,5,1], training images [6,6,1]");
  CHECK_THROWS_WITH(fit(m, other, quiet(1)), ContainsSubstring("input 'input_1' wants [N] + [6,6,1]"));
}

}  // namespace fit_test
