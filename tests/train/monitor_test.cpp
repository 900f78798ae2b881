// The monitor names each cause once, from about the step at which it began, is silent about healthy runs, and changes no bit.

#include <stet/train/monitor.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/prepare.hpp>
#include <stet/ops/loss.hpp>
#include <stet/train/checkpoint.hpp>
#include <stet/train/fit_qat.hpp>
#include <stet/train/qat_steps.hpp>

#include "diagnose/small_network.hpp"
#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace monitor_test {

using namespace stet;
using stet_test::CaughtWarnings;
using stet_test::drawn_images;
using stet_test::trained_network;

namespace {

QatModel calibrated(const Recipe& recipe, const Model& model = trained_network(), const Dataset& data = drawn_images().train) {
  QatModel qat = prepare(model, recipe);
  calibrate(qat, data);
  return qat;
}

// 47 steps an epoch.
FitOptions options(double lr, AnySchedule schedule = Cosine{}, int epochs = 3) {
  return {.epochs = epochs, .batch = 64, .optimizer = Adam{.lr = lr}, .schedule = std::move(schedule), .progress = ProgressMode::quiet};
}

Dataset scaled(float factor) {
  Batch b = drawn_images().train.batch(0, 500);
  for (float& v : b.x.edit()) v *= factor;
  return {b.x, b.labels, 10, "scaled"};
}

const TrainingFinding* find(const FitReport& report, const std::string& cause) {
  for (const TrainingFinding& f : report.findings) {
    if (f.cause == cause) return &f;
  }
  return nullptr;
}

// Trains and expects the cause, said once, from a step of this window on.
TrainingFinding expect(QatModel qat, const FitOptions& o, const std::string& cause, std::int64_t from, std::int64_t to) {
  const CaughtWarnings caught;
  const FitReport report = fit(qat, drawn_images().train, o);
  INFO(report.str());
  INFO("wanted " << cause);
  const auto said = std::count_if(caught.all().begin(), caught.all().end(), [&](const std::string& w) { return w.find("#" + cause + ")") != std::string::npos; });
  CHECK(said == 1);
  const TrainingFinding* found = find(report, cause);
  REQUIRE(found != nullptr);
  CHECK(found->step >= from);
  CHECK(found->step <= to);
  CHECK_FALSE(found->healthy.empty());
  CHECK(report.str().find(found->what) != std::string::npos);
  return *found;
}

}  // namespace

TEST_CASE("healthy runs are not complained about") {
  for (const Recipe& recipe : {recipes::int8(), recipes::int8_per_tensor(), recipes::w4a4_lsq(), recipes::w3a3_lsq(), recipes::w2a2_lsq()}) {
    for (const std::uint64_t seed : {1u, 2u}) {
      INFO(recipe.name << " " << seed);
      QatModel qat = calibrated(recipe);
      FitOptions o = options(recipe.learned_weights ? 1e-3 : 2e-4);
      o.seed = seed;
      const CaughtWarnings caught;
      const FitReport report = fit(qat, drawn_images().train, o);
      INFO(report.str());
      CHECK(report.findings.empty());
      CHECK_FALSE(caught.mention("monitor:"));
      CHECK(report.epochs.back().lr < report.epochs.front().lr);
      CHECK(std::isnan(report.epochs.back().oscillating) == !recipe.learned_weights);
    }
  }
}

TEST_CASE("a monitored run has the bits of one that is not") {
  for (const Recipe& recipe : {recipes::int8(), recipes::int8_per_tensor(), recipes::w3a3_lsq()}) {
    std::string first;
    for (const std::int64_t every : {0, 1, -1}) {
      QatModel qat = calibrated(recipe);
      FitOptions o = options(1e-3, Cosine{}, 1);
      if (every < 0) {
        o.monitor.on = false;
      } else {
        o.monitor.every = every;
      }
      const CaughtWarnings caught;
      const FitReport report = fit(qat, drawn_images().train, o);
      const std::string now = detail::describe_start(qat);  // hashes of parameters, statistics, ranges
      if (first.empty()) first = now;
      CHECK(now == first);
      if (every < 0) CHECK((report.findings.empty() && std::isnan(report.epochs[0].oscillating)));
    }
  }
}

TEST_CASE("ranges that cannot leave a wrong start are named") {
  QatModel wide = calibrated(recipes::int8(), trained_network(), scaled(255));
  wide.freeze_ranges();
  const TrainingFinding f = expect(wide, options(2e-4), "ranges_stuck", 0, 0);
  CHECK(f.nodes.size() > 2);
  CHECK(f.value > 100);
  CHECK(f.str().find(" more: ") != std::string::npos);
  QatModel narrow = calibrated(recipes::int8());
  narrow.quantizer("relu_2").fix(Range{0, 0.2f * narrow.quantizer("relu_2").range().hi});
  CHECK(expect(narrow, options(2e-4), "ranges_stuck", 0, 0).nodes == std::vector<std::string>{"relu_2"});
}

TEST_CASE("statistics of batch norm that do not fit when it is frozen, and those that training leaves behind, are named") {
  Model model = trained_network();
  auto& mean = model.buffer("batch_norm_2.mean");
  const Tensor<float> variance = model.buffer("batch_norm_2.variance");
  for (std::int64_t c = 0; c < mean.size(); ++c) mean.edit()[static_cast<std::size_t>(c)] += (c % 2 == 0 ? 0.5f : -0.5f) * std::sqrt(variance[c]);
  QatModel off = calibrated(recipes::int8(), model);
  off.freeze_batch_norm();
  const TrainingFinding f = expect(off, options(1e-5), "batch_norm_statistics", 0, 0);
  CHECK(f.nodes == std::vector<std::string>{"conv2d_2"});
  CHECK(std::fabs(f.value - 0.5) < 0.15);
  Recipe early = recipes::int8();
  early.schedule = {.quantize_at = 0, .freeze_ranges_at = 0.75, .freeze_batch_norm_at = 0.1};
  CHECK(expect(calibrated(early), options(2e-3, Constant{}), "batch_norm_frozen_early", 15, 100).value > 0.1);
}

TEST_CASE("weights that oscillate to the end are named") {
  const TrainingFinding f = expect(calibrated(recipes::w3a3_lsq()), options(3e-3, Constant{}), "oscillation", 10, 140);
  CHECK(f.value > 0.15);
}

TEST_CASE("dead and saturated channels are named") {
  Model model = trained_network();
  for (std::size_t c = 0; c < 8; ++c) {
    model.parameter("batch_norm_2.gamma").value.edit()[c] = 0.01f;
    model.parameter("batch_norm_2.beta").value.edit()[c] = -2;
  }
  const TrainingFinding f = expect(calibrated(recipes::int8(), model), options(2e-4), "dead_channels", 0, 30);
  CHECK(f.nodes == std::vector<std::string>{"relu_2"});
  CHECK(f.value >= 0.5);
}

TEST_CASE("learned scales that run away are named") {
  Recipe recipe = recipes::w2a2_lsq();
  recipe.scale_lr_factor = 300;
  CHECK(expect(calibrated(recipe), options(1e-3, Constant{}), "scale_learning_rate", 1, 100).value != 1);
}

TEST_CASE("values whose gradients the range stops are named") {
  Recipe recipe = recipes::w4a4_lsq();
  const TrainingFinding f = expect(calibrated(recipe, trained_network(), scaled(0.02f)), options(1e-4), "gradients_stopped", 0, 50);
  CHECK(f.value > 0.25);
}

TEST_CASE("a rate that is still high at the end, and a run that ended early, are named") {
  const TrainingFinding f = expect(calibrated(recipes::int8()), options(2e-2, Constant{}), "schedule", 140, 140);
  CHECK(f.value > 0.005);
  FitOptions o = options(1e-4, Cosine{}, 6);
  o.validation = &drawn_images().train;
  o.early_stop = {.patience = 1, .min_delta = 100};
  CHECK(expect(calibrated(recipes::int8()), o, "schedule_unfinished", 93, 93).value < 0.5);
}

TEST_CASE("quantization that is never switched on is named with the first step") {
  Recipe recipe = recipes::int8();
  recipe.schedule = {.quantize_at = 1, .freeze_ranges_at = 1, .freeze_batch_norm_at = 1};
  const TrainingFinding f = expect(calibrated(recipe), options(1e-4, Cosine{}, 1), "never_quantized", 0, 0);
  CHECK(f.nodes.empty());
  CHECK(f.link() == "docs/why.md#never_quantized");
}

TEST_CASE("a resumed run goes on with what its monitor knew") {
  Recipe recipe = recipes::w3a3_lsq();
  recipe.schedule.freeze_batch_norm_at = 0.1;
  const QatModel start = calibrated(recipe);
  FitOptions o = options(3e-3, Constant{});
  QatModel whole = start;
  FitReport at_once;
  {
    const CaughtWarnings caught;
    at_once = fit(whole, drawn_images().train, o);
    REQUIRE(at_once.findings.size() >= 2);
  }
  const stet_test::TemporaryDirectory directory;
  o.checkpoint = directory.path("run.safetensors");
  const CaughtWarnings caught;
  QatModel first = start;
  o.stop_after = 2;
  (void)fit(first, drawn_images().train, o);
  o.stop_after = 0;
  o.resume = true;
  QatModel second = start;
  const FitReport resumed = fit(second, drawn_images().train, o);
  CHECK(detail::describe_start(second) == detail::describe_start(whole));
  REQUIRE(resumed.findings.size() == at_once.findings.size());
  for (std::size_t i = 0; i < resumed.findings.size(); ++i) CHECK(resumed.findings[i].str() == at_once.findings[i].str());
  const auto said = std::count_if(caught.all().begin(), caught.all().end(), [](const std::string& w) { return w.starts_with("monitor:"); });
  CHECK(static_cast<std::size_t>(said) == resumed.findings.size());
  for (std::size_t e = 0; e < 3; ++e) {
    CHECK(resumed.epochs[e].lr == at_once.epochs[e].lr);
    CHECK(resumed.epochs[e].oscillating == at_once.epochs[e].oscillating);
  }
}

TEST_CASE("a loop of one's own has a monitor too") {
  QatModel qat = calibrated(recipes::int8(), trained_network(), scaled(255));
  qat.freeze_ranges();
  const CaughtWarnings caught;
  Monitor monitor(qat, {.every = 10});
  QatSteps steps(qat, 40);
  while (steps.next()) {
    const Batch batch = drawn_images().train.batch(steps.step() * 16, steps.step() * 16 + 16);
    Tape tape;
    (void)forward(tape, qat, batch.x);
    monitor.after_step({.step = steps.step(), .steps = steps.total(), .lr = 1e-4}, batch.x);
  }
  monitor.finish();
  REQUIRE(monitor.findings().size() == 1);
  CHECK(monitor.findings()[0].cause == "ranges_stuck");
  CHECK(caught.all().size() == 1);
  CHECK_THROWS_AS(Monitor(qat, {.every = -1}), Error);
  CHECK_THROWS_AS(Monitor(qat, {.images = 0}), Error);
  QatModel again = calibrated(recipes::int8());
  FitOptions o = options(1e-4);
  o.monitor.images = -2;
  const std::string before = detail::describe_start(again);
  CHECK_THROWS_AS(fit(again, drawn_images().train, o), Error);
  CHECK(detail::describe_start(again) == before);
}

}  // namespace monitor_test
