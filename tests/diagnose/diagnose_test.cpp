// The part of benchmarks/why.cpp that takes seconds: causes planted in a small network must be named first.
#include "../../benchmarks/planted_causes.hpp"

#include <stet/diagnose/name_cause.hpp>
#include <stet/diagnose/prove.hpp>

#include "small_network.hpp"
#include "support/catch.hpp"
#include "support/warnings.hpp"

namespace diagnose_test {

using namespace stet;

namespace {

planted::Healthy healthy() {
  return {"small", stet_test::trained_network(), stet_test::trained_network(), stet_test::drawn_images().train, stet_test::drawn_images().test, 1, 2};
}

const planted::Plant& plant_named(const std::vector<planted::Plant>& plants, const std::string& name) {
  for (const planted::Plant& p : plants) {
    if (p.name == name) return p;
  }
  throw std::runtime_error("no plant " + name);
}

}  // namespace

TEST_CASE("a planted cause of quantization is named first, with what it costs and what restores it") {
  const stet_test::CaughtWarnings caught;
  const planted::Healthy h = healthy();
  const auto plants = planted::all_plants();
  // One of each kind: the data, the observer, bits of a layer, bits of all values, the model. `sh benchmarks/run.sh why` plants all.
  const std::string name = GENERATE("calibrated on x255", "one image x100, min-max", "first layer 2 bits", "activations 3 bits", "batch norm off by 1 sigma");
  INFO(name);
  const planted::Plant& plant = plant_named(plants, name);
  planted::Case c(h);
  plant.plant(c, h);
  const Question q = c.question();
  const Diagnosis d = diagnose(q);
  REQUIRE(d.verdict == Verdict::worse);
  REQUIRE(d.cause() != nullptr);
  CHECK(d.cause()->id == plant.cause);
  CHECK(d.cause()->share >= 0.8);
  CHECK(d.cause()->points < -0.3);
  CHECK_FALSE(d.cause()->evidence.empty());
  CHECK(d.cause()->effect->p < 0.01);
  CHECK(d.nodes.size() == prepare(c.fp32, c.recipe).units().size());
  // What the cure restores, shown on all images.
  const std::size_t said = caught.all().size();
  const Proof proof = prove(q, *d.cause());
  CHECK(caught.all().size() == said);  // replays repeat, and say nothing again
  REQUIRE(proof.runs.size() == 1);
  REQUIRE(proof.runs[0].before_against_control.has_value());
  CHECK(proof.runs[0].before_against_control->worse());
  CHECK(proof.restored >= 0.8);
  CHECK(proof.runs[0].after > proof.runs[0].before);
}

TEST_CASE("a planted cause of training is named first") {
  const stet_test::CaughtWarnings caught;
  const planted::Healthy h = healthy();
  const auto plants = planted::all_plants();
  const std::string name = GENERATE("learning rate 3e-2, constant", "x255 and ranges frozen", "batch norm of QAT off by 0.3 sigma", "W2A2, never switched on");
  INFO(name);
  const planted::Plant& plant = plant_named(plants, name);
  planted::Case c(h);
  if (name == "batch norm of QAT off by 0.3 sigma") {
    c.train_both();
    planted::shift_statistics(c.qat->model(), 1.0, h.seed);  // a network this small has less to lose
  } else {
    plant.plant(c, h);
  }
  const Diagnosis d = diagnose(c.question());
  REQUIRE(d.verdict == Verdict::worse);
  REQUIRE(d.cause() != nullptr);
  CHECK(d.cause()->id == plant.cause);
}

TEST_CASE("nobody complains about healthy models") {
  const stet_test::CaughtWarnings caught;
  const planted::Healthy h = healthy();
  for (const planted::Plant& plant : planted::healthy_cases()) {
    INFO(plant.name);
    planted::Case c(h);
    plant.plant(c, h);
    const Diagnosis d = diagnose(c.question());
    CHECK(d.verdict != Verdict::worse);
    CHECK(d.causes.empty());
    CHECK(d.interventions.empty());
    CHECK(d.sentence.find("worse") == std::string::npos);
  }
}

TEST_CASE("a diagnosis is the same for a seed, and leaves models as they were") {
  const stet_test::CaughtWarnings caught;
  const planted::Healthy h = healthy();
  planted::Case c(h);
  plant_named(planted::all_plants(), "calibrated on x0.1").plant(c, h);
  const Model before = c.fp32;
  const Diagnosis a = diagnose(c.question()), b = diagnose(c.question());
  CHECK(a.sentence == b.sentence);
  CHECK(a.gap_loss == b.gap_loss);
  REQUIRE(a.interventions.size() == b.interventions.size());
  for (std::size_t i = 0; i < a.interventions.size(); ++i) CHECK(a.interventions[i].loss == b.interventions[i].loss);
  for (std::size_t i = 0; i < before.parameters().size(); ++i) {
    const auto x = before.parameters()[i].parameter.value.span(), y = c.fp32.parameters()[i].parameter.value.span();
    CHECK(std::equal(x.begin(), x.end(), y.begin()));
  }
}

TEST_CASE("with several seeds worse is what most of them are, each against its own control") {
  const stet_test::CaughtWarnings caught;
  const planted::Healthy h = healthy();
  const planted::Case c(h);
  const auto calibrated_on = [&](const Dataset& data) {
    QatModel q = prepare(c.fp32, c.recipe);
    calibrate(q, data);
    return q;
  };
  const QatModel good = calibrated_on(h.train), bad = calibrated_on(planted::changed(h.train, 500, [](float v, std::int64_t) { return 0.1f * v; }));
  const Model control = c.fp32;
  Question q = c.question();
  q.control = &control;

  q.qat = &bad;
  q.repetitions = {{&good, &control}, {&good, nullptr}};
  const Diagnosis chance = diagnose(q);
  CHECK(chance.verdict == Verdict::no_difference);
  CHECK(chance.seeds == 3);
  REQUIRE(chance.by_seed.size() == 3);
  CHECK(chance.by_seed[0].worse());
  CHECK_FALSE(chance.by_seed[1].worse());
  CHECK(chance.by_seed[1].points == chance.by_seed[2].points);  // the control given is the one it falls back to
  CHECK(seeds_text(chance) == "worse than its control in 1 of 3 seeds");
  CHECK_THAT(chance.sentence, Catch::Matchers::ContainsSubstring("worse in 1: no difference shown"));
  CHECK(chance.causes.empty());

  q.repetitions = {{&bad, &control}, {&good, &control}};
  const Diagnosis repeated = diagnose(q);
  CHECK(repeated.verdict == Verdict::worse);
  REQUIRE(repeated.cause() != nullptr);
  CHECK(repeated.cause()->id != "unknown");
  CHECK_THAT(repeated.sentence, Catch::Matchers::ContainsSubstring("over 3 seeds -") && Catch::Matchers::ContainsSubstring("worse in 2: worse"));
  const auto named = [&](const std::string& id) { return std::count_if(repeated.models.begin(), repeated.models.end(), [&](const DiagnosedModel& m) { return m.id == id; }); };
  CHECK(named("deployed run 2") == 1);
  CHECK(named("control run 3") == 1);

  q.repetitions = {{nullptr, &control}};
  CHECK_THROWS_AS(diagnose(q), Error);
  q.qat = nullptr;
  q.repetitions = {{&good, &control}};
  CHECK_THROWS_AS(diagnose(q), Error);
}

TEST_CASE("few bits are those of the layers between the ends") {
  planted::Case c(healthy());
  c.recipe = recipes::w2a2_lsq();
  const Question q = c.question();
  Measured m;
  for (const int bits : {8, 2, 2, 8}) {
    DiagnosedNode n;
    n.weight_bits = n.activation_bits = bits;
    m.nodes.push_back(n);
  }
  InterventionResult helped;
  helped.id = "weights_8";
  CHECK(name_cause(helped, q, replay_of(q), m).what == "recipe w2a2_lsq gives weights 2 bits.");
  helped.id = "activations_8";
  const Cause cause = name_cause(helped, q, replay_of(q), m);
  CHECK(cause.id == "activation_bits");
  CHECK(cause.evidence.at(0).value == 2);
}

TEST_CASE("an intervention of one's own is tried, and can be the cause") {
  const stet_test::CaughtWarnings caught;
  const planted::Healthy h = healthy();
  planted::Case c(h);
  plant_named(planted::all_plants(), "calibrated on x0.1").plant(c, h);
  Question q = c.question();
  q.interventions = {{"undo", "the factor undone", "undo the factor", "", [&](Replay& r) {
                        r.calibration = h.train;
                        return true;
                      }}};
  const Diagnosis d = diagnose(q);
  REQUIRE(d.interventions.size() == 1);
  CHECK(d.interventions[0].closes);
  CHECK(d.cause()->id == "undo");
}

TEST_CASE("what cannot be asked is refused") {
  const planted::Healthy h = healthy();
  planted::Case c(h);
  Question q = c.question();
  q.share = 0;
  CHECK_THROWS_AS(diagnose(q), Error);
  q = c.question();
  q.images = -1;
  CHECK_THROWS_AS(diagnose(q), Error);
  q = c.question();
  q.rule.points = -1;
  CHECK_THROWS_AS(diagnose(q), Error);
  CHECK_THROWS_AS(prove(c.question(), Cause{}, {.seeds = 0}), Error);
  CHECK(prove(c.question(), Cause{}).runs.empty());
}

}  // namespace diagnose_test
