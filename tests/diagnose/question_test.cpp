// What diagnose and prove make of questions that are put together in unusual ways, or wrongly.
#include "../../benchmarks/planted_causes.hpp"

#include <stet/data/augment.hpp>
#include <stet/diagnose/other_checkpoint.hpp>
#include <stet/diagnose/prove.hpp>
#include <stet/graph/builder.hpp>

#include "small_network.hpp"
#include "support/catch.hpp"
#include "support/warnings.hpp"

#include <algorithm>

namespace question_test {

using namespace stet;

namespace {

const Dataset& train() { return stet_test::drawn_images().train; }
const Dataset& validation() { return stet_test::drawn_images().test; }
const Model& fp32() { return stet_test::trained_network(); }

Dataset darkened(const Dataset& data) {
  return planted::changed(data, 500, [](float v, std::int64_t) { return 0.1f * v; });
}
QatModel calibrated_on(const Dataset& data, const Recipe& recipe = recipes::int8()) {
  QatModel q = prepare(fp32(), recipe);
  calibrate(q, data);
  return q;
}
FitOptions few_steps(double lr = 1e-4) {
  return {.epochs = 1, .optimizer = Adam{.lr = lr}, .schedule = Cosine{}, .progress = ProgressMode::quiet};
}
Question question() { return {.fp32 = fp32(), .recipe = recipes::int8(), .train = train(), .validation = validation()}; }
std::string refusal(const Question& q) {
  try {
    (void)diagnose(q);
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}
bool says(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("options of training are used without what they watch, and with rates of what float training lacks") {
  const stet_test::CaughtWarnings caught;
  Recipe recipe = recipes::w2a2_lsq();
  QatModel qat = calibrated_on(train(), recipe);
  FitOptions fit = few_steps(1e-3);
  fit.drop_last = true;
  fit.validation = &validation();
  fit.metric = Metric("of its own", [](const Tensor<float>&, const Batch&) { return 0.5; }, true);
  fit.early_stop.restore_best = true;
  fit.rates = {{"*range", 2.0}};  // learned ranges: the control has none
  (void)stet::fit(qat, train(), fit);
  Question q = question();
  q.recipe = recipe;
  q.qat = &qat;
  q.fit = fit;
  const Diagnosis d = diagnose(q);
  REQUIRE(d.verdict == Verdict::worse);
  CHECK(std::count_if(d.interventions.begin(), d.interventions.end(), [](const InterventionResult& r) { return r.id == "too_short"; }) == 1);
  Cause cause;
  cause.intervention = "weights_8";
  CHECK(prove(q, cause, {.seeds = 1}).runs.size() == 1);
}

TEST_CASE("options with which nothing can be trained again are refused and not taken for a cause") {
  const QatModel qat = calibrated_on(train());
  Question q = question();
  q.qat = &qat;
  q.fit = few_steps();
  q.fit->epochs = 0;
  CHECK(says(refusal(q), "fit: epochs is 0"));
  q.fit = few_steps();
  q.fit->rates = {{"nothing*", 2.0}};
  CHECK(says(refusal(q), "no parameter that is trained is named 'nothing*'"));
}

TEST_CASE("models of another network or recipe are refused") {
  Graph g;
  g.output(linear(flatten(g.input({28, 28, 1})), {.units = 10}));
  const Model small(std::move(g), Rng(1));
  QatModel other = prepare(small, recipes::int8());
  calibrate(other, train());
  const QatModel narrow = calibrated_on(train(), recipes::w4a4_lsq()), good = calibrated_on(train());
  Question q = question();
  q.qat = &other;
  CHECK(says(refusal(q), "the QAT model is of another network than Question::fp32"));
  q.qat = &narrow;
  CHECK(says(refusal(q), "the QAT model was prepared with another recipe than Question::recipe: name: w4a4_lsq, wanted name: int8"));
  q.qat = &good;
  q.repetitions = {{&other, nullptr}};
  CHECK(says(refusal(q), "the QAT model of a repetition is of another network"));
  q.repetitions = {};
  q.calibrated = &narrow;
  CHECK(says(refusal(q), "the calibrated model was prepared with another recipe"));
  CHECK_THROWS_AS(prove(q, Cause{}), Error);
}

TEST_CASE("data without answers, interventions without a function and data that were moved from are refused") {
  Question q = question();
  q.train = Dataset(train().batch(0, 20).x);
  CHECK(says(refusal(q), "has no labels"));
  q = question();
  const Dataset moved = std::move(q.validation);
  CHECK(says(refusal(q), "a data set is empty; was it moved from?"));
  q = question();
  q.interventions = {{"mine", "", "", "", {}}};
  CHECK(says(refusal(q), "intervention 'mine' has no function"));
  CHECK_THROWS_AS(prove(question(), Cause{}, {.seeds = 1, .test = Dataset(train().batch(0, 20).x)}), Error);
}

TEST_CASE("calibration images without labels are not taken for images of no class") {
  const stet_test::CaughtWarnings caught;
  Question q = question();
  q.recipe.calibration_observer = PercentileObserver(Granularity::per_tensor(), 80);
  q.calibration = Dataset(train().batch(0, 1000).x);
  const Diagnosis d = diagnose(q);
  REQUIRE(d.verdict == Verdict::worse);
  CHECK(d.cause()->id == "calibration_observer");
}

TEST_CASE("classes that only the images of evaluation know are missing") {
  const stet_test::CaughtWarnings caught;
  // A data set of the first five classes that says so, as Dataset(x, labels, 5, name) does.
  const Dataset five = planted::only(train(), [](std::int32_t label, std::int64_t) { return label < 5; });
  const Batch b = five.batch(0, five.size());
  const Dataset few(b.x, b.labels, 5, "five classes");
  Question q = question();
  FitOptions fit = few_steps(3e-3);
  fit.epochs = 2;
  Model control = fp32();
  (void)stet::fit(control, few, fit);
  QatModel qat = calibrated_on(few);
  (void)stet::fit(qat, few, fit);
  q.train = few;
  q.control = &control;
  q.qat = &qat;
  const Diagnosis d = diagnose(q);
  REQUIRE(d.verdict == Verdict::worse);
  REQUIRE(d.cause()->id == "data_missing_classes");
  CHECK(says(d.cause()->what, "5 of 10 classes"));
}

TEST_CASE("the sentence and the seeds go by the rule of the question") {
  const stet_test::CaughtWarnings caught;
  const QatModel bad = calibrated_on(darkened(train()));
  Question q = question();
  q.qat = &bad;
  q.repetitions = {{&bad, nullptr}};
  q.rule.points = 90;
  const Diagnosis d = diagnose(q);
  CHECK(d.verdict == Verdict::no_difference);
  CHECK(says(d.sentence, ": no difference shown"));
  CHECK_FALSE(says(d.sentence, ": worse"));
  CHECK(seeds_text(d) == "worse than its control in 0 of 2 seeds");
}

TEST_CASE("where most seeds are worse and the first is not, one that is gets explained") {
  const stet_test::CaughtWarnings caught;
  const QatModel good = calibrated_on(train()), bad = calibrated_on(darkened(train()));
  Question q = question();
  q.qat = &good;
  q.repetitions = {{&bad, nullptr}, {&bad, &q.fp32}};
  const Diagnosis d = diagnose(q);
  CHECK(d.verdict == Verdict::worse);
  CHECK(d.cause()->id == "ranges_stuck");
  CHECK(d.by_seed.front().worse());
  CHECK(seeds_text(d) == "worse than its control in 2 of 3 seeds");
  CHECK(says(d.sentence, "shown first is run 2, which is worse"));
}

TEST_CASE("augmentation that evaluation does not show is named") {
  const stet_test::CaughtWarnings caught;
  FitOptions fit = few_steps();
  fit.epochs = 2;
  fit.augment = {AddNoise{.sigma = 3}};
  Model control = fp32();
  (void)stet::fit(control, train(), fit);
  QatModel qat = calibrated_on(train());
  (void)stet::fit(qat, train(), fit);
  Question q = question();
  q.control = &control;
  q.qat = &qat;
  q.fit = fit;
  const Diagnosis d = diagnose(q);
  REQUIRE(d.verdict == Verdict::worse);
  CHECK(d.cause()->id == "augmentation");
  CHECK(says(d.recipe_code, "options.augment.clear();"));
}

TEST_CASE("a model that was trained from another checkpoint is recognized by its weights, and fine-tuned ones are not") {
  const stet_test::CaughtWarnings caught;
  Model other(Graph(fp32().graph()), Rng(77));
  QatModel stranger = prepare(other, recipes::int8());
  calibrate(stranger, train());
  Question q = question();
  q.qat = &stranger;
  const Diagnosis d = diagnose(q);
  REQUIRE(d.verdict == Verdict::worse);
  CHECK(d.cause()->id == "other_checkpoint");
  CHECK(d.causes.size() == 1);
  CHECK(d.interventions.empty());
  q.fit = few_steps(1e-2);  // a rate that is known to be high is the first suspect
  CHECK(diagnose(q).cause()->id != "other_checkpoint");

  Recipe narrow = recipes::w2a2_lsq();
  QatModel own = calibrated_on(train(), narrow);
  FitOptions fit = few_steps(1e-3);
  fit.epochs = 4;
  (void)stet::fit(own, train(), fit);
  CHECK(detail::direction_kept(fp32(), own.model()) > 0.5);
}

TEST_CASE("a single training image is no reason to break off") {
  const stet_test::CaughtWarnings caught;
  const QatModel bad = calibrated_on(darkened(train()));
  Question q = question();
  q.qat = &bad;
  q.train = train().first(1);
  CHECK(diagnose(q).verdict == Verdict::worse);
}

TEST_CASE("ranges of a trained model are where training begins again, not fixed") {
  const stet_test::CaughtWarnings caught;
  QatModel qat = calibrated_on(train());
  (void)fit(qat, train().first(256), few_steps());
  Question q = question();
  q.qat = &qat;
  QatModel again = replay_of(q).quantize();
  CHECK_FALSE(again.quantizer("relu_1").fixed());
  CHECK(again.quantizer("relu_1").range().hi == qat.quantizer("relu_1").range().hi);
  qat.reopen();
  qat.quantizer("relu_1").fix({0, 3});
  CHECK(replay_of(q).quantize().quantizer("relu_1").fixed());
}

TEST_CASE("a proof of runs that are not worse restores nothing, and says so") {
  Proof p{"recalibrate", {}, 4.3, {}};
  ProofRun run;
  run.before_against_control = PairedDifference{};
  p.runs = {run};
  CHECK(says(p.str(), "no run is worse than its control"));
  CHECK_FALSE(says(p.str(), "430 %"));
}

}  // namespace question_test
