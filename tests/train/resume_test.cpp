// What a checkpoint of fit may be continued by: the same run and no other, one process at a time.
#include <stet/qat/ewgs_estimator.hpp>
#include <stet/stet.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/warnings.hpp"

#include <cmath>
#include <functional>

#include <sys/stat.h>

namespace resume_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::TemporaryDirectory;

namespace {

Model network(std::uint64_t seed = 1, int stride = 1) {
  Graph g;
  auto x = relu(batch_norm(conv2d(g.input({6, 6, 1}), {.filters = 4, .kernel = 3, .stride = stride, .bias = false})));
  g.output(linear(global_average_pool(x), {.units = 2}));
  return Model(std::move(g), Rng(seed));
}

// Bright or dark images; `twist` changes one pixel of one image, and nothing that a size or a name shows.
Dataset images(std::uint8_t twist = 0) {
  Tensor<std::uint8_t> pixels({40, 6, 6, 1});
  Tensor<std::int32_t> labels({40});
  auto x = pixels.edit();
  auto y = labels.edit();
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint8_t>(i / 36 % 2 * 120 + i % 100);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<std::int32_t>(i % 2);
  x[777] = static_cast<std::uint8_t>(x[777] + twist);
  return {pixels, labels, 2, "images"};
}

FitOptions options(const std::string& checkpoint) {
  FitOptions o;
  o.epochs = 2;
  o.batch = 16;
  o.progress = ProgressMode::quiet;
  o.checkpoint = checkpoint;
  o.resume = true;
  return o;
}

struct Stop {};

struct Counter {
  std::int64_t n = 0;
  void fields(auto&& f) { f("n", n); }
};

// Trains one of two epochs, and leaves the checkpoint.
template <class M>
void interrupt(M model, const Dataset& data, FitOptions o) {
  o.on_epoch = [](const EpochReport&) { throw Stop(); };
  CHECK_THROWS_AS(fit(model, data, o), Stop);
}

// A rule of one's own that says nothing of its options.
struct Plain {
  double lr = 0.01;
  float keep = 1.0f;
  [[nodiscard]] const char* name() const { return "plain"; }
  [[nodiscard]] std::vector<const char*> slots() const { return {}; }
  void check() const {}
  void update(const UpdateStep& step, std::span<float> x, std::span<const float> dx,
              std::span<const std::span<float>>) const {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = keep * x[i] - static_cast<float>(step.lr) * dx[i];
  }
};

// As Constant but for one step in the middle.
struct Dip {
  [[nodiscard]] double at(std::int64_t step, std::int64_t) const { return step == 4 ? 0.5 : 1.0; }
};

}  // namespace

TEST_CASE("a checkpoint is not continued by another run, and the message says what differs", "[train]") {
  const TemporaryDirectory dir;
  const Dataset data = images();
  const FitOptions o = options(dir.path("run"));
  interrupt(network(), data, o);
  const auto refused = [&](Model model, const Dataset& d, const std::function<void(FitOptions&)>& change,
                           const std::string& words) {
    FitOptions changed = o;
    change(changed);
    CHECK_THROWS_WITH(fit(model, d, changed), ContainsSubstring(words));
  };
  const auto same = [](FitOptions&) {};
  refused(network(2), data, same, "start weights, hash");
  refused(network(1, 2), data, same, "stride");
  refused(network(), images(1), same, "data 40 images [6,6,1], 2 classes (hash");
  refused(
      network(), data, [](FitOptions& c) { c.optimizer = Adam{.beta2 = 0.99}; }, "betas 0.9 0.99,");
  refused(
      network(), data, [](FitOptions& c) { c.optimizer = Adam{.weight_decay = 1e-4}; }, "weight decay 0.0001");
  refused(
      network(), data, [](FitOptions& c) { c.schedule = Dip{}; }, "schedule factors");
  refused(
      network(), data, [&](FitOptions& c) { c.validation = &data; }, "validation none there, validation 40 images");
  refused(
      network(), data, [](FitOptions& c) { c.on_gradients = [](const StepReport&) {}; }, "callbacks none");
  refused(
      network(), data, [](FitOptions& c) { c.identity = "dampening 0.1"; },
      "identity none there, identity dampening 0.1");
  refused(
      network(), data, [](FitOptions& c) { c.early_stop.min_delta = 0.1; }, "min_delta 0.1");
  Model again = network();
  CHECK(fit(again, data, o).epochs.size() == 2);
}

TEST_CASE("optimizers of one name with other options are other runs, described or not", "[train]") {
  const TemporaryDirectory dir;
  const Dataset data = images();
  FitOptions o = options(dir.path("run"));
  o.optimizer = Plain{};
  interrupt(network(), data, o);
  Model m = network();
  o.optimizer = Plain{.keep = 0.9999f};
  CHECK_THROWS_WITH(fit(m, data, o), ContainsSubstring("optimizer plain"));
  o.optimizer = Plain{};
  CHECK_NOTHROW(fit(m, data, o));
}

TEST_CASE("the second of two stages is not continued from another first one", "[train]") {
  const TemporaryDirectory dir;
  const Dataset data = images();
  const auto quantized = [&](std::uint64_t seed, bool calibrated = true, const Recipe& recipe = recipes::int8()) {
    QatModel qat = prepare(network(seed), recipe);
    if (calibrated) calibrate(qat, data);
    return qat;
  };
  const FitOptions o = options(dir.path("qat"));
  interrupt(quantized(1), data, o);
  QatModel other = quantized(2);
  CHECK_THROWS_WITH(fit(other, data, o),
                    ContainsSubstring("start weights, hash") && ContainsSubstring("start quantizers"));
  Recipe recipe = recipes::int8();
  recipe.weight_estimator = EwgsEstimator{};
  QatModel estimated = quantized(1, true, recipe);
  CHECK_THROWS_WITH(fit(estimated, data, o), ContainsSubstring("ewgs"));
  QatModel without_ranges = quantized(1, false);  // gets them from the checkpoint
  CHECK(fit(without_ranges, data, o).epochs.size() == 2);
}

TEST_CASE("a run that went on with a model without ranges still belongs to the calibrated one", "[train]") {
  const TemporaryDirectory dir;
  const Dataset data = images();
  FitOptions o = options(dir.path("qat"));
  o.epochs = 3;
  QatModel calibrated = prepare(network(), recipes::int8());
  calibrate(calibrated, data);
  interrupt(calibrated, data, o);
  interrupt(prepare(network(), recipes::int8()), data, o);
  CHECK(fit(calibrated, data, o).epochs.size() == 3);
}

TEST_CASE("a fresh run does not take the place of one that has not come to its end, unless it is told to", "[train]") {
  const TemporaryDirectory dir;
  const Dataset data = images();
  FitOptions o = options(dir.path("run"));
  interrupt(network(), data, o);
  const auto before = read_file(o.checkpoint);
  o.resume = false;
  Model m = network();
  CHECK_THROWS_WITH(fit(m, data, o), ContainsSubstring("holds a run that has done 1 of 2 epochs; set resume") &&
                                         ContainsSubstring("replace"));
  CHECK(read_file(o.checkpoint) == before);
  CHECK(content_hash(m) == content_hash(network()));
  o.replace = true;
  CHECK(fit(m, data, o).epochs.size() == 2);
  o.replace = false;
  CHECK(fit(m, data, o).epochs.size() == 2);  // the one before is finished
  save_checkpoint(o.checkpoint, m);           // no run at all
  CHECK(fit(m, data, o).epochs.size() == 2);
  o.resume = o.replace = true;
  CHECK_THROWS_WITH(fit(m, data, o), ContainsSubstring("resume goes on with the run of the checkpoint, replace begins anew"));
}

TEST_CASE("names of callbacks' states that the run itself needs are refused before training", "[train]") {
  const TemporaryDirectory dir;
  Counter counter;
  for (const char* name : {"optimizer", "optimizer/slots", ""}) {
    FitOptions o = options(dir.path("run"));
    o.state = {{name, counter}};
    Model m = network();
    CHECK_THROWS_WITH(fit(m, images(), o), ContainsSubstring("which the checkpoint needs for the run itself"));
  }
  CHECK(dir.files() == 0);
}

TEST_CASE("on_step that comes or goes between two parts of a run is said", "[train]") {
  const TemporaryDirectory dir;
  const Dataset data = images();
  FitOptions o = options(dir.path("run"));
  interrupt(network(), data, o);
  const stet_test::CaughtWarnings warnings;
  o.on_step = [](const StepReport&) {};
  Model m = network();
  CHECK(fit(m, data, o).epochs.size() == 2);
  CHECK(warnings.mention("on_step not set"));
}

TEST_CASE("one run at a time writes a checkpoint", "[train]") {
  const TemporaryDirectory dir;
  const Dataset data = images();
  FitOptions o = options(dir.path("run"));
  o.on_epoch = [&](const EpochReport&) {
    Model second = network();
    CHECK_THROWS_WITH(fit(second, data, options(dir.path("run"))), ContainsSubstring("in use by another run"));
  };
  Model first = network();
  fit(first, data, o);
  CHECK(dir.files() == 1);
}

TEST_CASE("a checkpoint that cannot be written is refused before the first step", "[train]") {
  const TemporaryDirectory dir;
  const Dataset data = images();
  Model m = network();
  const auto before = content_hash(m);
  REQUIRE(::mkdir(dir.path("folder").c_str(), 0777) == 0);
  CHECK_THROWS_WITH(fit(m, data, options(dir.path("nowhere/run"))), ContainsSubstring("check that its folder exists"));
  FitOptions o = options(dir.path("folder"));
  o.resume = false;
  CHECK_THROWS_WITH(fit(m, data, o), ContainsSubstring("a directory, not a regular file"));
  CHECK(content_hash(m) == before);
}

}  // namespace resume_test
