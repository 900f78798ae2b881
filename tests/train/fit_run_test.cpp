// Runs of fit: in parts the same bits as in one, a second one re-opens what the first froze, and a loop of one's own with
// QatSteps goes through the same phases.

#include <stet/model/calibrate.hpp>
#include <stet/model/prepare.hpp>
#include <stet/train/fit_qat.hpp>
#include <stet/train/qat_steps.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"

namespace fit_run_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Model network() {
  Graph g;
  auto x = g.input({6, 6, 1}).named("x");
  x = relu(batch_norm(conv2d(x, {.filters = 4, .kernel = 3}))).named("first");
  x = relu(batch_norm(conv2d(x, {.filters = 6, .kernel = 3}))).named("second");
  x = dropout(x, {.rate = 0.1f});
  g.output(linear(flatten(x), {.units = 3}).named("logits"));
  return {std::move(g), Rng(1)};
}

Dataset images(std::int64_t count = 50, std::uint64_t seed = 3) { return random_dataset({6, 6, 1}, count, 3, seed); }

struct StepCounter {
  std::int64_t n = 0;
  void fields(auto&& f) { f("n", n); }
};

FitOptions options(int epochs) {
  return quiet_fit({.epochs = epochs, .batch = 16, .optimizer = Adam{.lr = 1e-2}, .schedule = Cosine{}});
}

QatModel prepared(const Recipe& recipe) { return calibrated_model(network(), recipe, images()); }

void same_report(const FitReport& a, const FitReport& b) {
  CHECK(a.stopped_early == b.stopped_early);
  REQUIRE(a.epochs.size() == b.epochs.size());
  for (std::size_t i = 0; i < a.epochs.size(); ++i) {
    CHECK(a.epochs[i].epoch == b.epochs[i].epoch);
    CHECK(a.epochs[i].loss == b.epochs[i].loss);
    CHECK(a.epochs[i].accuracy == b.epochs[i].accuracy);
    CHECK(a.epochs[i].validation_loss == b.epochs[i].validation_loss);
  }
}

// In one call; in calls of one epoch with a FitRun; in calls of three; in calls through a checkpoint, each with a new model.
template <class M>
void check_parts(const M& start, const FitOptions& whole) {
  const Dataset data = images();
  M expected = start;
  const FitReport report = fit(expected, data, whole);
  for (const int part : {1, 3}) {
    INFO("parts of " << part << " epochs");
    M model = start;
    FitRun run;
    FitOptions o = whole;
    o.stop_after = part;
    o.run = &run;
    int calls = 0;
    CHECK_FALSE(run.begun());
    while (!run.finished()) {
      const auto before = run.report().epochs.size();
      const FitReport now = fit(model, data, o);
      CHECK(now.epochs.size() > before);
      CHECK(now.epochs.size() <= before + static_cast<std::size_t>(part));
      ++calls;
    }
    CHECK(calls == (static_cast<int>(report.epochs.size()) + part - 1) / part);
    CHECK(state_of(model) == state_of(expected));
    same_report(run.report(), report);
    same_report(fit(model, data, o), report);  // a finished run is not trained again
    CHECK(state_of(model) == state_of(expected));
  }
  const TemporaryDirectory dir;
  FitOptions o = whole;
  o.checkpoint = dir.path("run");
  o.resume = true;
  o.stop_after = 1;
  M last = start;
  for (std::size_t i = 0; i < report.epochs.size(); ++i) {
    M model = start;
    const FitReport now = fit(model, data, o);
    CHECK(now.epochs.size() == i + 1);
    last = model;
  }
  CHECK(state_of(last) == state_of(expected));
}

float scale_of(const QatModel& qat, const char* node) {
  for (const Quantizer& q : qat.quantizers()) {
    if (q.name() == node) return q.params().scale[0];
  }
  return -1;
}

}  // namespace

TEST_CASE("a run in parts ends with the bits of the run in one", "[bits]") {
  const Dataset validation = images(20, 9);
  FitOptions o = options(8);
  o.validation = &validation;
  o.early_stop = {.patience = 7};
  o.clip_norm = 1.0;
  SECTION("float") { check_parts(network(), o); }
  SECTION("int8") { check_parts(prepared(recipes::int8()), o); }
  SECTION("w4a4_lsq") { check_parts(prepared(recipes::w4a4_lsq()), o); }
  SECTION("quantization that starts late") {
    Recipe late = recipes::int8();
    late.schedule = {.quantize_at = 0.3, .freeze_ranges_at = 0.5, .freeze_batch_norm_at = 0.6};
    check_parts(prepare(network(), late), o);
  }
  SECTION("stopped early") {
    o.early_stop = {.patience = 2, .min_delta = 1e6};
    check_parts(prepared(recipes::int8()), o);
  }
}

TEST_CASE("a second fit goes through the schedule again: ranges and batch norm move, then freeze") {
  QatModel qat = prepare(network(), recipes::int8());
  qat.quantizer("second").fix({0.0f, 3.0f});
  calibrate(qat, images());
  for (int run = 0; run < 3; ++run) {
    INFO("run " << run);
    std::vector<float> scales, fixed, means;
    std::vector<bool> live;
    FitOptions o = options(1);
    o.batch = 5;  // 10 steps
    o.on_step = [&](const StepReport&) {
      scales.push_back(scale_of(qat, "first"));
      fixed.push_back(scale_of(qat, "second"));
      means.push_back(qat.model().buffer("batch_norm_1.mean").span()[0]);
      live.push_back(!qat.batch_norm_frozen());
    };
    const float before = scale_of(qat, "first");
    (void)fit(qat, images(), o);
    REQUIRE(scales.size() == 10);
    CHECK(scales[0] != before);
    for (std::size_t i = 1; i < 10; ++i) {
      CHECK((scales[i] != scales[i - 1]) == (i < 5));
      CHECK((means[i] != means[i - 1]) == (i < 8));
      CHECK(live[i] == (i < 8));
      CHECK(fixed[i] == fixed[0]);
    }
    CHECK(fixed[0] == choose_qparams(Range{0.0f, 3.0f}, Grid::int8()).scale[0]);
  }
}

TEST_CASE("learned scales go on from where they are in a second fit") {
  QatModel qat = prepared(recipes::w4a4_lsq());
  (void)fit(qat, images(), options(4));
  const auto log_scales = [&] {
    std::vector<float> all;
    for (const ParameterRef& p : parameter_refs(qat)) {
      if (p.name.find("range") == std::string::npos) continue;
      all.insert(all.end(), p.parameter->value.span().begin(), p.parameter->value.span().end());
    }
    return all;
  };
  const std::vector<float> learned = log_scales();
  REQUIRE_FALSE(learned.empty());
  FitOptions o = options(4);
  bool first = true;
  std::vector<float> seen;
  o.on_gradients = [&](const StepReport&) {
    if (std::exchange(first, false)) seen = log_scales();
  };
  (void)fit(qat, images(), o);
  CHECK(seen == learned);
  CHECK(log_scales() != learned);
}

TEST_CASE("what a hand froze stays frozen over runs until it is reopened") {
  QatModel qat = prepared(recipes::int8());
  const float calibrated = scale_of(qat, "first");
  const auto mean = [&] { return qat.model().buffer("batch_norm_1.mean").span()[0]; };
  qat.freeze_ranges();
  (void)fit(qat, images(), options(2));
  CHECK(scale_of(qat, "first") == calibrated);
  CHECK(mean() != 0.0f);
  qat.freeze_batch_norm();
  const float kept = mean();
  (void)fit(qat, images(), options(2));
  CHECK(scale_of(qat, "first") == calibrated);
  CHECK(mean() == kept);
  qat.reopen();
  (void)fit(qat, images(), options(2));
  CHECK(scale_of(qat, "first") != calibrated);
  CHECK(mean() != kept);
}

TEST_CASE("a run that cannot go on says why, and is as it was") {
  const Dataset data = images();
  const TemporaryDirectory dir;
  QatModel qat = prepared(recipes::int8());
  FitRun run;
  FitOptions o = options(4);
  o.stop_after = 1;
  CHECK_THROWS_WITH(fit(qat, data, o), ContainsSubstring("stop_after leaves a run that has to go on from somewhere"));
  o.run = &run;
  o.stop_after = -1;
  CHECK_THROWS_WITH(fit(qat, data, o), ContainsSubstring("stop_after is -1"));
  o.stop_after = 1;
  o.checkpoint = dir.path("run");
  (void)fit(qat, data, o);
  const auto before = state_of(qat);
  FitOptions other = o;
  other.epochs = 5;
  CHECK_THROWS_WITH(fit(qat, data, other), ContainsSubstring("options.run belongs to another run"));
  CHECK(state_of(qat) == before);

  // An error in the middle of an epoch leaves the model between two states of the run.
  struct Stop {};
  other = o;
  other.on_step = [](const StepReport& s) {
    if (s.step == 5) throw Stop{};
  };
  CHECK_THROWS_AS(fit(qat, data, other), Stop);
  CHECK_THROWS_WITH(fit(qat, data, o), ContainsSubstring("was ended by an error inside epoch 2"));
  o.resume = true;
  while (!run.finished()) (void)fit(qat, data, o);
  QatModel whole = prepared(recipes::int8());
  (void)fit(whole, data, options(4));
  CHECK(state_of(qat) == state_of(whole));

  // A checkpoint of another run does not begin this one.
  FitRun fresh;
  o.run = &fresh;
  o.seed = 2;
  CHECK_THROWS_AS(fit(qat, data, o), Error);
  CHECK_FALSE(fresh.begun());
}

TEST_CASE("a loop with QatSteps is fit, bit for bit", "[bits]") {
  const Dataset data = images();
  Recipe late = recipes::int8();
  late.schedule = {.quantize_at = 0.2, .freeze_ranges_at = 0.5, .freeze_batch_norm_at = 0.6};
  for (const Recipe& recipe : {recipes::int8(), recipes::w4a4_lsq(), late}) {
    INFO(recipe.name << " from " << recipe.schedule.quantize_at);
    QatModel expected = prepared(recipe), qat = expected;
    const FitOptions o = options(3);
    for (int run = 0; run < 2; ++run) {
      (void)fit(expected, data, o);
      const std::vector<ParameterRef> parameters = parameter_refs(qat);
      OptimizerState optimizer(o.optimizer, parameters);
      const BatchOptions batches{.size = o.batch, .seed = o.seed};
      const std::int64_t per_epoch = steps_per_epoch(data.size(), batches);
      QatSteps steps(qat, o.epochs * per_epoch);
      CHECK(steps.step() == -1);
      while (steps.next()) {
        const Batches order(data.size(), batches, static_cast<std::uint64_t>(steps.step() / per_epoch));
        const Batch batch = data.batch(order[steps.step() % per_epoch]);
        Rng rng = Rng(o.seed).split(0x5354u).split(static_cast<std::uint64_t>(steps.step()));
        clear_gradients(parameters);
        {
          Tape tape;
          tape.backward(softmax_cross_entropy(forward(tape, qat, batch.x, Mode::training, {.rng = &rng}), batch.labels));
        }
        optimizer.step(parameters, Cosine{}.at(steps.step(), steps.total()));
      }
      clear_gradients(parameters);
      CHECK_FALSE(steps.next());
      CHECK(state_of(qat) == state_of(expected));
    }
  }
  QatModel qat = prepared(recipes::int8());
  CHECK_THROWS_WITH(QatSteps(qat, 0), ContainsSubstring("QatSteps: total is 0 steps"));
  QatModel early = prepare(network(), recipes::int8());
  QatSteps steps(early, 10);
  CHECK_THROWS_WITH(steps.next(), ContainsSubstring("QatSteps: x has no range yet; call calibrate(model, data) before"));
}

TEST_CASE("a loop of one's own resumes with QatSteps in its checkpoint", "[bits]") {
  const Dataset data = images(48);
  const TemporaryDirectory dir;
  const auto train = [&](QatModel& qat, QatSteps& steps, OptimizerState& optimizer, std::int64_t until) {
    const std::vector<ParameterRef> parameters = parameter_refs(qat);
    while (steps.step() + 1 < until && steps.next()) {
      const std::int64_t first = steps.step() % 3 * 16;
      const Batch batch = data.batch(first, first + 16);
      Rng rng(static_cast<std::uint64_t>(steps.step()));
      clear_gradients(parameters);
      {
        Tape tape;
        tape.backward(softmax_cross_entropy(forward(tape, qat, batch.x, Mode::training, {.rng = &rng}), batch.labels));
      }
      optimizer.step(parameters);
    }
  };
  QatModel whole = prepared(recipes::w4a4_lsq());
  {
    OptimizerState optimizer(Adam{}, parameter_refs(whole));
    QatSteps steps(whole, 20);
    train(whole, steps, optimizer, 20);
  }
  for (const std::int64_t stop : {4, 16, 19}) {  // before, between and after the freezes
    INFO("stopped after step " << stop);
    {
      QatModel qat = prepared(recipes::w4a4_lsq());
      OptimizerState optimizer(Adam{}, parameter_refs(qat));
      QatSteps steps(qat, 20);
      train(qat, steps, optimizer, stop);
      CheckpointWriter writer;
      writer.model(qat);
      writer.fields("training/", steps);
      writer.fields("training/optimizer/", optimizer);
      writer.save(dir.path("own"));
    }
    QatModel qat = prepared(recipes::w4a4_lsq());
    OptimizerState optimizer(Adam{}, parameter_refs(qat));
    QatSteps steps(qat, 20);
    CheckpointReader reader(dir.path("own"));
    reader.model(qat);
    reader.fields("training/", steps);
    reader.fields("training/optimizer/", optimizer);
    reader.finish();
    train(qat, steps, optimizer, 20);
    CHECK(state_of(qat) == state_of(whole));
  }
  QatModel qat = prepared(recipes::w4a4_lsq());
  QatSteps longer(qat, 30);
  CheckpointReader reader(dir.path("own"));
  reader.fields("training/", longer);
  reader.ignore("");
  reader.finish();
  CHECK_THROWS_WITH(longer.next(), ContainsSubstring("QatSteps: the checkpoint is of a loop of 20 steps, this one has 30"));
}

TEST_CASE("a run in parts goes on with its own model only, before anything is changed") {
  Model model = network();
  FitRun run;
  FitOptions o = options(3);
  o.stop_after = 1;
  o.run = &run;
  (void)fit(model, images(), o);
  Model other = network();
  CHECK_THROWS_WITH(fit(other, images(), o), ContainsSubstring("goes on with the model as the last part left it"));
  QatModel qat = prepared(recipes::int8());
  CHECK_THROWS_WITH(fit(qat, images(), o), ContainsSubstring("goes on with the model as the last part left it"));
  CHECK_NOTHROW(fit(model, images(), o));
}

TEST_CASE("a part of a run has no warnings of phases that are still to come") {
  QatModel qat = prepared(recipes::int8());
  FitRun run;
  FitOptions o = options(2);
  o.stop_after = 1;
  o.run = &run;
  CHECK(fit(qat, images(), o).warnings.empty());
}

TEST_CASE("learned weight scales start from the weights at the moment when quantization does") {
  Recipe recipe = recipes::w4a4_lsq();
  recipe.schedule.quantize_at = 0.5;
  QatModel qat = prepare(network(), recipe);
  calibrate(qat, images());
  for (const Unit& unit : qat.units()) {
    if (!detail::keeps_weight_scale(unit)) continue;
    for (float& w : qat.model().parameter(qat.node_name(unit.node) + ".weight").value.edit()) w *= 8.0f;
  }
  QatSteps steps(qat, 4);
  const Batch batch = images().batch(0, 16);
  Rng rng(1);
  while (steps.next()) {
    Tape tape;
    (void)forward(tape, qat, batch.x, Mode::training, {.rng = &rng});
  }
  for (const Unit& unit : qat.units()) {
    if (!detail::keeps_weight_scale(unit)) continue;
    INFO(qat.node_name(unit.node));
    const int axis = unit.channel_axis();
    const auto wanted =
        initial_weight_scale(qat.model().parameter(qat.node_name(unit.node) + ".weight").value, axis, unit.weights);
    const auto got = qat.weight_scale(unit);
    REQUIRE(got.size() == wanted.size());
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] / wanted[i] - 1) < 1e-5);
  }
}

TEST_CASE("a loop of steps that a file says are more than all does not go on for ever") {
  QatModel qat = prepared(recipes::int8());
  QatSteps steps(qat, 5);
  steps.fields([](std::string_view name, std::int64_t& value) {
    if (name == "begun") value = 9;
  });
  CHECK_THROWS_WITH(steps.next(), ContainsSubstring("9 of 5 steps are begun"));
}

TEST_CASE("two states of one name are refused before training") {
  StepCounter a, b;
  Model model = network();
  FitOptions o = options(1);
  o.state = {{"count", a}, {"count", b}};
  CHECK_THROWS_WITH(fit(model, images(), o), ContainsSubstring("names count twice"));
}

}  // namespace fit_run_test
