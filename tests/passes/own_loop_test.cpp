// Loops of one's own around forward: the example's, and those that leave phases of the schedule out, which is said.

#include "../../examples/own_loop/own_loop.hpp"

#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/warnings.hpp"

#include <set>

namespace own_loop_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

Model network() {
  Graph g;
  const auto x = relu(batch_norm(conv2d(g.input({6, 6, 1}).named("x"), {.filters = 4, .kernel = 3})));
  g.output(linear(flatten(x), {.units = 3}).named("logits"));
  return {std::move(g), Rng(1)};
}

Dataset images() { return random_dataset({6, 6, 1}, 40, 3, 2); }

// Steps that tell the model nothing.
void steps_of_own(QatModel& qat, int count) {
  const std::vector<ParameterRef> parameters = parameter_refs(qat);
  OptimizerState optimizer(Adam{.lr = 1e-2}, parameters);
  const Batch batch = images().batch(0, 20);
  for (int i = 0; i < count; ++i) {
    clear_gradients(parameters);
    {
      Tape tape;
      tape.backward(softmax_cross_entropy(forward(tape, qat, batch.x), batch.labels));
    }
    optimizer.step(parameters);
  }
}

std::vector<std::string> warned_by_convert(const QatModel& qat) {
  const CaughtWarnings caught;
  (void)convert(qat);
  return caught.all();
}

std::vector<std::string> warnings_of_check(const QatModel& qat) { return check(qat).warnings(); }

QatModel prepared(const Recipe& recipe = recipes::int8()) {
  return calibrated_model(network(), recipe, images());
}

}  // namespace

TEST_CASE("the example's own loop trains integers that are as good as floats, and no code differs", "[bits]") {
  using namespace own_loop;
  const Spots data = draw_spots(1024, 1), test = draw_spots(200, 2);
  Model model = own_loop::network(1);
  train(model, data, 6, 3e-3);
  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, unlabelled(data));
  const double before = mean_distance(model, test);
  train(qat, data, 3, 1e-3);
  CHECK(mean_distance(qat, test) < before);
  CHECK(qat.phases().float_steps == 0);
  CHECK(qat.phases().quantized_steps == 96);
  CHECK(qat.batch_norm_frozen());
  CHECK(warned_by_convert(qat).empty());
  const IntegerModel integers = convert(qat);
  CHECK(mean_distance(Engine(integers), test) == mean_distance(qat, test));
  const CodeComparison codes = compare_codes(qat, integers, test);
  CHECK(codes.compared > 0);
  CHECK(codes.different == 0);
}

TEST_CASE("after calibrate forward quantizes at once, and before it is an error") {
  const Tensor<float> x = images().batch(0, 10).x;
  QatModel raw = prepare(network(), recipes::int8());
  Tape tape;
  try {
    (void)forward(tape, raw, x);
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code() == Errc::state);
    CHECK_THAT(e.what(), ContainsSubstring("forward: x has no range yet; call calibrate(model, data) before"));
  }
  CHECK(raw.phases().float_steps == 0);

  CHECK_FALSE(raw.quantizing());
  QatModel qat = prepared();
  CHECK(qat.quantizing());
  const QParams out = qat.quantizer("logits").params();
  const Tensor<float> y = forward(tape, qat, x).value();
  CHECK(qat.quantizing());
  CHECK(qat.phases().quantized_steps == 1);
  std::set<float> values(y.span().begin(), y.span().end());
  for (const float v : values) {  // logits lie on their grid
    const float steps = v / out.scale[0];
    CHECK(std::fabs(steps - std::round(steps)) < 1e-3f);
  }
  // With a later start the float network is observed, calibrated or not.
  Recipe late = recipes::int8();
  late.schedule.quantize_at = 0.5;
  QatModel observed = prepare(network(), late);
  (void)forward(tape, observed, x);
  CHECK_FALSE(observed.quantizing());
  CHECK(observed.phases().float_steps == 1);
  CHECK(observed.calibrated());
}

TEST_CASE("convert warns of phases that a loop left out, and check lists them") {
  QatModel qat = prepared();
  CHECK(warned_by_convert(qat).empty());  // post-training quantization: never trained, nothing to say
  CHECK(warnings_of_check(qat).empty());
  steps_of_own(qat, 3);
  CHECK(qat.quantizing());
  const auto two = [&](const std::vector<std::string>& said) {
    REQUIRE(said.size() == 2);
    CHECK_THAT(said[0], ContainsSubstring("ranges moved to the end of 3 quantized steps"));
    CHECK_THAT(said[1], ContainsSubstring("batch norm moved to the end of 3 quantized steps"));
    CHECK_THAT(said[0], ContainsSubstring("QatSteps"));
  };
  two(warned_by_convert(qat));
  two(warnings_of_check(qat));
  qat.freeze_ranges();
  qat.freeze_batch_norm();
  two(warned_by_convert(qat));  // no step was made with what is frozen now
  steps_of_own(qat, 1);
  CHECK(warned_by_convert(qat).empty());
  CHECK(warnings_of_check(qat).empty());

  Recipe late = recipes::w4a4_lsq();
  late.schedule.quantize_at = 0.5;
  QatModel unaware = prepared(late);
  const std::vector<std::string> before = warnings_of_check(unaware);
  steps_of_own(unaware, 4);  // no QatSteps: the float network is trained
  REQUIRE(warned_by_convert(unaware).size() == 1);
  CHECK_THAT(warned_by_convert(unaware)[0], ContainsSubstring("convert: trained for 4 steps, none of them quantized"));
  CHECK(warnings_of_check(unaware).size() == before.size() + 1);

  const CaughtWarnings caught;
  (void)quantize(network(), recipes::int8(), images());
  CHECK(caught.all().empty());
}

TEST_CASE("fit reports what check warns of at the end of a run") {
  const Dataset data = images();
  FitOptions o = quiet_fit({.epochs = 2, .batch = 10});
  QatModel qat = prepared();
  CHECK(fit(qat, data, o).warnings.empty());
  CHECK(warned_by_convert(qat).empty());
  FitRun run;
  o.run = &run;
  o.stop_after = 1;
  const FitReport half = fit(qat, data, o);
  CHECK(half.warnings.empty());  // what the run's second half will freeze is no loss yet
  CHECK(warnings_of_check(qat).size() == 2);  // of the model as it is now, neither has been frozen again
  CHECK(fit(qat, data, o).warnings.empty());
  Model model = network();
  o.run = nullptr;
  o.stop_after = 0;
  FitReport report = fit(model, data, o);
  CHECK(report.warnings.empty());
  report.warnings = {"something is lost"};
  CHECK_THAT(fmt::format("{}", report), ContainsSubstring("epoch 2: loss ") && ContainsSubstring("\nwarning: something is lost\n"));
}

TEST_CASE("counts of training steps are part of a checkpoint, and evaluation does not count") {
  QatModel qat = prepared();
  steps_of_own(qat, 2);
  (void)evaluate(qat, images());
  Tape tape;
  (void)forward(tape, qat, images().batch(0, 5).x, Mode::evaluation);
  CHECK(qat.phases().quantized_steps == 2);
  bool found = false;
  qat.fields([&](std::string_view name, auto& value) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, std::int64_t>) {
      found = found || (name == "quantized_steps" && value == 2);
    }
  });
  CHECK(found);
}

}  // namespace own_loop_test
