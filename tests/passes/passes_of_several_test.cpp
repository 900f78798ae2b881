// Passes and measurements of models with several inputs and outputs: what goes on as with one, and what says that it compares
// classes of one output.
#include <stet/diagnose/diagnose.hpp>
#include <stet/diagnose/diagnose_input.hpp>
#include <stet/diagnose/paired.hpp>
#include <stet/engine/engine.hpp>
#include <stet/graph/replace_head.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/measure_values.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/passes/choose_ranges.hpp>
#include <stet/passes/equalize.hpp>
#include <stet/passes/gptq.hpp>
#include <stet/passes/hessian_trace.hpp>
#include <stet/passes/layer_sensitivity.hpp>
#include <stet/passes/mixed_precision.hpp>
#include <stet/passes/standard_passes.hpp>
#include <stet/train/evaluate.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/several.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace passes_of_several_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

const Dataset& data() {
  static const Dataset d = scenes(96, 1);
  return d;
}

bool engine_agrees(const QatModel& qat) {
  const std::vector<Tensor<float>> x = data().batch(0, 16).inputs(), a = infer(qat, x), b = infer(Engine(convert(qat)), x);
  return std::ranges::equal(a, b, [](const auto& p, const auto& q) { return same_bits(p, q); });
}

// The class alone, of both inputs.
Model classifier() {
  const Model whole = fusion_model();
  Graph g;
  for (const graph::Node& n : whole.graph().nodes()) {
    if (n.name != "box") g.add(n.op, n.inputs, n.name);
  }
  g.output(g.find("class"));
  return Model(std::move(g), Rng(1));
}

}  // namespace

TEST_CASE("every pass of post-training quantization takes several inputs and outputs") {
  const Model model = fusion_model();
  std::vector<std::pair<const char*, std::vector<PostTrainingPass>>> lists{
      {"none", {}}, {"standard", passes::standard()}, {"equalized", {passes::equalized()}}, {"absorbed", {passes::absorbed()}},
      {"smoothed", {passes::smoothed()}}, {"corrected without data", {passes::analytically_bias_corrected()}},
      {"rounded", {passes::ada_rounded({.learning = {.iterations = 20}, .windows = 256, .progress = ProgressMode::quiet})}}, {"gptq", {passes::gptq_rounded()}}};
  for (const auto& [name, list] : lists) {
    INFO(name);
    const QatModel qat = calibrated(model, recipes::w4a8(), data(), {.passes = list});
    CHECK(engine_agrees(qat));
  }
  const std::vector<Tensor<float>> x = data().batch(0, 16).inputs(), before = infer(model, x), after = infer(equalize(model), x);
  for (std::size_t k = 0; k < before.size(); ++k) CHECK(same_bits(before[k], after[k]));
}

TEST_CASE("ranges are chosen by the answers of all outputs") {
  ChooseRangesReport report;
  const Recipe best = choose_ranges(fusion_model(), recipes::w4a8(), data(), {.per_layer = false}, &report);
  CHECK(report.trials.size() > 2);
  CHECK(report.trials[0].divergence > 0);
  CHECK(engine_agrees(calibrated_model(fusion_model(), best, data())));
}

TEST_CASE("check and measurements look at all values of several inputs") {
  const QatModel qat = calibrated_model(fusion_model(), recipes::int8(), data());
  CHECK(check(fusion_model(), recipes::int8()).ok());
  const CheckReport report = check(qat, data());
  CHECK(report.ok());
  for (const IntegerFormat format : integer_formats) CHECK(report.writes(format));
  const std::vector<MeasuredNode> nodes = measure_values(qat, data());
  REQUIRE(nodes.size() == qat.units().size());
  CHECK(std::ranges::count_if(nodes, [](const MeasuredNode& n) { return n.kind == "input" && n.most > n.least; }) == 2);
  CHECK(batch_norm_shifts(qat, data().batch(0, 32).inputs()).size() == nodes.size());
  CHECK_THROWS_WITH(batch_norm_shifts(qat, data().batch(0, 32).x), ContainsSubstring("batch_norm_shifts: the model has 2 inputs, got 1"));
  CHECK_THROWS_WITH(check(qat, Dataset(data().batch(0, 32).x)), ContainsSubstring("the model has 2 inputs"));
}

TEST_CASE("what compares classes of one output with labels says so of several") {
  const std::string why = "the model has 2 outputs, and the classes of one are compared with labels";
  const Model model = fusion_model();
  CHECK_THROWS_WITH(layer_sensitivity(model, recipes::int8(), data()), ContainsSubstring("layer_sensitivity: " + why));
  CHECK_THROWS_WITH(hessian_trace(model, data(), {"class"}), ContainsSubstring("hessian_trace: " + why));
  PrecisionFrontier frontier;
  CHECK_THROWS_WITH(measure_choices(frontier, model, recipes::int8(), data(), data(), 1), ContainsSubstring("measure_choices: " + why));
  CHECK_THROWS_WITH(diagnose(Question{.fp32 = model, .recipe = recipes::int8(), .train = data(), .validation = data()}),
                    ContainsSubstring("diagnose: " + why));
  const QatModel qat = calibrated_model(model, recipes::int8(), data());
  CHECK_THROWS_WITH(diagnose_input(convert(qat), data()), ContainsSubstring("diagnose_input: the model has 2 inputs and 2 outputs"));
  CHECK_THROWS_WITH(answers_of(qat, data()), ContainsSubstring("answers_of: the model has 2 outputs; name one"));
  CHECK_THROWS_WITH(replace_head(model, 5), ContainsSubstring("replace_head: the graph has 2 outputs"));

  // Several inputs alone stand in nobody's way.
  const Dataset classes = classes_of_scenes(96, 1);
  const QatModel one = calibrated_model(classifier(), recipes::int8(), classes);
  CHECK(answers_of(one, classes).accuracy() == evaluate(one, classes).accuracy);
  CHECK(hessian_trace(classifier(), classes, {"class"}, {.images = 32, .probes = 2}).size() == 1);
  CHECK(layer_sensitivity(classifier(), recipes::int8(), classes, {.images = 32}).size() == 4);
}

}  // namespace passes_of_several_test
