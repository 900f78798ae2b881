// check: what it says before training is what prepare, training and the target then do.

#include <stet/model/calibrate.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#include <stet/quant/mse_observer.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <cmath>
#include <string>

namespace check_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// Findings of one node above a plain `integer`, one per line.
std::string found(const CheckReport& report, std::string_view node) {
  std::string text;
  for (const CheckEntry& e : report.entries) {
    if (e.node == node && e.severity != Severity::integer) {
      text += std::string(name(e.severity)) + ": " + e.what + "; " + e.remedy + "\n";
    }
  }
  return text;
}

Recipe on(const Target& target) {
  Recipe r = recipes::int8();
  r.target = target;
  return r;
}

// Input, a branch with every operator that a target may run in its own way.
Graph varied() {
  Graph g;
  const auto x = g.input({8, 8, 4}).named("x");
  const auto a = average_pool(x, {.size = 2}).named("average");
  const auto m = max_pool(x, {.size = 1, .stride = 2}).named("sparse");
  const auto d = max_pool(x, {.size = 2}).named("dense");
  const auto c = conv2d(concat({a, m, d, a, m, d}).named("six"), {.filters = 4}).named("conv");
  const auto difference = (c - relu(concat({a}, 2).named("one")).named("alone")).named("difference");
  g.output(linear(flatten(difference), {.units = 3}).named("head"));
  return g;
}

}  // namespace

TEST_CASE("check names every node, and finds an error exactly where prepare throws") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    const Model model = random_model(seed);
    const Recipe recipe = on(targets::all[seed % targets::all.size()]);
    const CheckReport report = check(model, recipe);
    CHECK(report.ok());
    CHECK(report.target == recipe.target.name);
    for (const graph::Node& node : model.graph().nodes()) {
      CHECK(std::any_of(report.entries.begin(), report.entries.end(),
                        [&](const auto& e) { return e.node == node.name; }));
    }
    CHECK_NOTHROW(prepare(model, recipe));
  }

  Graph g;
  const auto x = g.input({24, 24, 2});
  auto y = leaky_relu(conv2d(x, {.filters = 2, .kernel = 3}).named("conv"), {.alpha = -1.0f}).named("falling");
  y = average_pool(y, {.size = 2, .padding = Padding::same(), .count_padding = true}).named("counting");
  y = max_pool(pad(y, {8, 8, 8, 8}), {.size = {17, 16}}).named("wide");
  g.output(softmax(linear(flatten(y), {.units = 2})).named("end"));
  g.output(x);
  Recipe recipe = recipes::int8();
  recipe.training_observer = MseObserver{};
  recipe.overrides = {{.node = "nowhere", .activations = Int8Activation(4)}};
  const Model model(std::move(g), Rng(1));
  const CheckReport report = check(model, recipe);
  CHECK_FALSE(report.ok());
  CHECK(report.count(Severity::error) == 6);
  try {
    (void)prepare(model, recipe);
    FAIL("prepare must refuse");
  } catch (const Error& e) {
    for (const CheckEntry& entry : report.entries) {
      if (entry.severity != Severity::error) continue;
      CHECK_THAT(std::string(e.what()), ContainsSubstring(entry.what + "; " + entry.remedy));
      CHECK_THAT(report.str(), ContainsSubstring(entry.what));
      CHECK_FALSE(entry.remedy.empty());
    }
  }
  CHECK_THAT(found(report, "wide"), ContainsSubstring("error: windows of 272 taps; training keeps the tap in 8 bits"));
  CHECK_THAT(report.str(), ContainsSubstring("check: target litert_default, 6 errors, 0 warnings, 0 notes\n"));
  CHECK(report.entries.back().node.empty());
}

TEST_CASE("a window of 256 taps is trained") {
  Graph g;
  g.output(linear(flatten(max_pool(g.input({16, 16, 2}), {.size = 16})), {.units = 2}));
  CHECK(check(g, recipes::int8()).ok());
}

TEST_CASE("check says what a target runs in its own way") {
  const CheckReport litert = check(varied(), on(targets::litert_default));
  CHECK_THAT(found(litert, "average"), ContainsSubstring("note: XNNPACK has no int8 average pool"));
  CHECK_THAT(found(litert, "alone"), ContainsSubstring("note: XNNPACK has no int8 activation of its own"));
  CHECK_THAT(found(litert, "six"), ContainsSubstring("note: XNNPACK concatenates 2 to 5 inputs, not 6"));
  CHECK_THAT(found(litert, "sparse"),
             ContainsSubstring("note: XNNPACK has no max pool with a stride above its window"));
  CHECK(found(litert, "dense") == "");
  CHECK(found(litert, "difference") == "");
  const CheckReport reference = check(varied(), on(targets::tflite_reference));
  CHECK(reference.count(Severity::note) + reference.count(Severity::warning) == 0);
  const CheckReport onnx = check(varied(), on(targets::onnxruntime));
  CHECK_THAT(found(onnx, "difference"), ContainsSubstring("note: the runtime has no integer subtraction"));
  // Rules of its sums and averages that C programs do not have.
  CHECK_THAT(found(onnx, "average"), ContainsSubstring("C program"));
  CHECK(onnx.count(Severity::note) == 3);

  Recipe r = on(targets::tflite_micro);
  r.linear_weights = symmetric(8);
  CHECK_THAT(found(check(varied(), r), "head"),
             ContainsSubstring("warning: TensorFlow Lite Micro before September 2024"));
  CHECK(found(check(varied(), r), "conv") == "");
  r.target = targets::litert_default;
  CHECK_THAT(found(check(varied(), r), "head"), ContainsSubstring("note: TensorFlow Lite Micro before September 2024"));
  r.target = targets::onnxruntime;
  CHECK(found(check(varied(), r), "head") == "");

  r = on(targets::litert_default);
  r.overrides = {{.node = "head", .activations = Int8Activation(5)}};
  CHECK_THAT(found(check(varied(), r), ""), ContainsSubstring("note: codes of fewer than 8 bits in 1 of 11 operators: a file cuts them by a MINIMUM"));
  CHECK(check(varied(), r).count(Severity::warning) == check(varied(), on(r.target)).count(Severity::warning));
  r.target = targets::onnxruntime;
  CHECK_THAT(found(check(varied(), r), ""), ContainsSubstring("by a Clip"));

  Graph bent;
  bent.output(tanh(hard_swish(sigmoid(bent.input({3})).named("gate")).named("swish")).named("bent"));
  CHECK(found(check(bent, on(targets::tflite_reference)), "bent") == "");
  CHECK_THAT(found(check(bent, on(targets::litert_default)), "swish"),
             ContainsSubstring("note: XNNPACK has no int8 hard_swish"));
  const CheckReport in_float = check(bent, on(targets::onnxruntime));
  CHECK(found(in_float, "gate") == "");
  for (const char* node : {"swish", "bent"}) {
    CHECK_THAT(found(in_float, node), ContainsSubstring("note: the runtime has no integer form"));
  }
  CHECK(found(check(bent, on(targets::tflite_micro)), "gate") == "");

  Graph wide;
  wide.output(linear(wide.input({66312}), {.units = 2}).named("head"));
  CHECK_THAT(found(check(wide, recipes::int8()), "head"), ContainsSubstring("warning: 66312 products per output"));
}

TEST_CASE("after calibration check finds the scales that a target cannot bridge") {
  Graph g;
  const auto x = g.input({4, 4, 2}).named("x");
  const auto a = relu6(conv2d(x, {.filters = 2, .kernel = 3}).named("a")).named("a6");
  const auto b = conv2d(x, {.filters = 2, .kernel = 3}).named("b");
  const auto s = (a + b).named("sum");
  const auto p = (a * b).named("product");
  const auto m = global_average_pool(s * p).named("mean");
  g.output(linear(m, {.units = 2}).named("head"));
  const Model model(std::move(g), Rng(3));
  const auto prepared = [&](const Target& target) {
    QatModel qat = prepare(model, on(target));
    for (Quantizer& q : qat.quantizers()) q.fix({-1.0f, 1.0f});
    return qat;
  };
  for (const Target& target : targets::all) {
    INFO(target.name);
    CHECK_THAT(found(check(prepare(model, on(target))), "sum"),
               ContainsSubstring("error: its value has no range yet; calibrate(model, data)"));
    const CheckReport good = check(prepared(target));
    CHECK(good.count(Severity::error) + good.count(Severity::warning) == 0);

    QatModel q = prepared(target);
    q.quantizer("b").fix({-1e-3f, 1e-3f});
    CHECK_THAT(found(check(q), "b"), ContainsSubstring("warning: 2 of 2 channels multiply the accumulator by up to"));
    q.quantizer("b").fix({-1e-7f, 1e-7f});
    q.quantizer("x").fix({-9.0f, 9.0f});
    CHECK_THAT(found(check(q), "b"), ContainsSubstring("error: b: channel 0 would be multiplied by"));
    CHECK_FALSE(check(q).ok());
    CHECK_THROWS_AS(convert(q), Error);

    q = prepared(target);
    q.quantizer("sum").fix({-1e-6f, 1e-6f});
    q.quantizer("b").fix({-100.0f, 100.0f});
    CHECK_THAT(found(check(q), "sum"), ContainsSubstring("error: add: input scales"));
    CHECK_THAT(found(check(q), "sum"), ContainsSubstring("quantizer(\"sum\").fix(range)"));

    q = prepared(target);
    q.quantizer("product").fix({-1e-6f, 1e-6f});
    CHECK_THAT(found(check(q), "product"), ContainsSubstring("error: mul: multiplier"));

    q = prepared(target);
    q.quantizer("mean").fix({-1e-3f, 1e-3f});
    CHECK_THAT(found(check(q), "mean"), ContainsSubstring("error: mean: input scale"));

    q = prepared(target);
    q.quantizer("product").fix({0.0f, 0.0f});
    CHECK_THAT(found(check(q), "product"),
               ContainsSubstring("warning: product was zero, or nearly, for all calibration data"));

    q = prepared(target);
    q.quantizer("a6").fix({0.0f, 3060.0f});  // steps of 12
    CHECK_THAT(found(check(q), "a"), ContainsSubstring("note: 6 lies between two codes"));
    q.quantizer("a6").fix({0.0f, 6.0f});
    CHECK(found(check(q), "a") == "");
  }
  QatModel q = prepared(targets::litert_default);
  q.quantizer("b").fix({-4e-4f * 2, 4e-4f * 2});
  CHECK_THAT(found(check(q), "sum"), ContainsSubstring("note: a ratio of scales lies outside of XNNPACK's"));
  q = prepared(targets::litert_default);
  q.quantizer("product").fix({-1e3f, 1e3f});
  CHECK_THAT(found(check(q), "product"), ContainsSubstring("note: the multiplier lies below XNNPACK's 2^-16"));
  q = prepared(targets::tflite_reference);
  q.quantizer("product").fix({-1e3f, 1e3f});
  CHECK(found(check(q), "product") == "");
}

TEST_CASE("after calibration check finds biases and channels that do not fit") {
  Graph g;
  const auto x = g.input({4, 4, 1}).named("x");
  g.output(linear(flatten(conv2d(x, {.filters = 3, .kernel = 3}).named("conv")), {.units = 2}));
  Model model(std::move(g), Rng(3));
  auto w = model.parameter("conv.weight").value.edit();
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = i < 9 ? 1e-3f : i < 18 ? 0.0f : 0.5f;
  model.parameter("conv.bias").value.edit()[0] = 1000.0f;
  QatModel q = prepare(model, recipes::int8());
  for (Quantizer& each : q.quantizers()) each.fix({0.0f, 1.0f});
  q.quantizer("conv").fix({0.0f, 2.0f});
  const std::string text = found(check(q), "conv");
  CHECK_THAT(text, ContainsSubstring("warning: 1 of 3 channels have their bias cut to 2^14 output steps"));
  CHECK_THAT(text, ContainsSubstring("warning: 1 of 3 channels have weights halved"));
  CHECK_THAT(text, ContainsSubstring("note: 1 of 3 channels are zero"));
}

}  // namespace check_test
