#include <stet/passes/analytic_bias_correction.hpp>

#include <stet/engine/engine.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/forward.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/passes/bias_correction.hpp>
#include <stet/passes/expected_channels.hpp>
#include <stet/passes/standard_passes.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace analytic_bias_correction_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

// Mean and variance by summing over the density in small steps.
detail::Moments integrated(const detail::Moments& x, double lo, double hi) {
  const double s = std::sqrt(x.variance);
  double sum = 0, square = 0, weight = 0;
  for (int i = -80000; i <= 80000; ++i) {
    const double t = i * 1e-4, p = std::exp(-0.5 * t * t), y = std::clamp(x.mean + s * t, lo, hi);
    sum += p * y;
    square += p * y * y;
    weight += p;
  }
  sum /= weight;
  return {sum, square / weight - sum * sum};
}

// A batch norm whose statistics are those of the images that come in, so that what it makes is normal as it says.
void set_norm(Model& model, const std::string& name, const std::vector<float>& gamma, const std::vector<float>& beta) {
  std::copy(gamma.begin(), gamma.end(), model.parameter(name + ".gamma").value.edit().begin());
  std::copy(beta.begin(), beta.end(), model.parameter(name + ".beta").value.edit().begin());
}

const std::vector<float> gammas{1.0f, 0.5f, 2.0f, 0.25f}, betas{0.5f, -0.5f, 3.0f, 1.0f};

// Weights that pick one input channel each: what comes out is as normal as what goes in, and independent.
void pick(Model& model, const std::string& name, float factor) {
  Tensor<float>& w = model.parameter(name + ".weight").value;
  for (std::int64_t i = 0; i < w.size(); ++i) w.edit()[static_cast<std::size_t>(i)] = i / 4 == i % 4 ? factor : 0.0f;
}

Recipe rough() {
  Recipe r = recipes::int8();
  r.weights = symmetric(3);  // per channel: where a channel has one weight, it is exact
  r.linear_weights = symmetric(3, false);
  return r;
}

// Mean errors of the layers against float, on many images: what bias_correction sees before it corrects.
std::vector<CorrectedBias> errors(QatModel qat, const Model& model, const Dataset& data) {
  BiasCorrectionReport report;
  bias_correction(qat, model, data, {.data = {.images = 0}}, &report);
  return report.layers;
}

}  // namespace

TEST_CASE("moments of a clamped normal variable are those of its density") {
  for (const double mean : {-7.0, -1.0, 0.0, 0.3, 2.0, 5.5, 20.0}) {
    for (const double sd : {0.1, 1.0, 3.0}) {
      for (const double hi : {6.0, std::numeric_limits<double>::infinity()}) {
        INFO(mean << " +- " << sd << " up to " << hi);
        const detail::Moments is = detail::clamped_normal({mean, sd * sd}, 0, hi), wanted = integrated({mean, sd * sd}, 0, hi);
        CHECK(is.mean == Approx(wanted.mean).margin(1e-7));
        CHECK(is.variance == Approx(wanted.variance).margin(1e-6));
      }
    }
  }
  CHECK(detail::clamped_normal({-1, 0}, 0, 6).mean == 0);
  CHECK(detail::clamped_normal({7, 0}, 0, 6).mean == 6);
  CHECK(detail::clamped_normal({2, 0}, 0, 6).mean == 2);
}

TEST_CASE("on normal values the correction without data brings each channel's mean back") {
  struct Network {
    const char* name;
    graph::Value (*body)(graph::Value);
  };
  const std::vector<Network> networks{
      {"relu", [](graph::Value x) { return relu(x); }},
      {"relu6", [](graph::Value x) { return relu6(x); }},
      {"average", [](graph::Value x) { return average_pool(relu(x), {.size = 2}); }},
      {"concat", [](graph::Value x) { return concat({relu(x), relu6(x)}); }},
      {"batch norm alone", [](graph::Value x) { return x; }},
  };
  for (const Network& n : networks) {
    INFO(n.name);
    Graph g;
    const auto x = g.input({4, 4, 4});
    const auto y = n.body(batch_norm(conv2d(x, {.filters = 4, .kernel = 1, .bias = false}).named("first")).named("norm"));
    g.output(conv2d(y, {.filters = 6, .kernel = 1}).named("second"));
    Model model(std::move(g), Rng(3));
    pick(model, "first", 1.0f);
    set_norm(model, "norm", gammas, betas);
    const Dataset data = stet_test::random_dataset({4, 4, 4}, 1500, 2, 5);
    QatModel qat = prepare(model, rough());
    calibrate(qat, data);
    const double before = errors(qat, model, data).back().before;
    AnalyticCorrectionReport report;
    analytic_bias_correction(qat, &report);
    REQUIRE(report.layers.size() == 1);
    CHECK(report.layers[0].layer == "second");
    REQUIRE(report.left.size() == 1);
    CHECK_THAT(report.left[0], ContainsSubstring("first keeps its bias: input"));
    const double after = errors(qat, model, data).back().before;
    CHECK(before > 0.05);
    CHECK(after < 0.2 * before);  // rounding of activations, and 24,000 values drawn
    CHECK(report.layers[0].shift == Approx(before).epsilon(0.2));
    CHECK_THAT(report.str(), ContainsSubstring("second: means of its channels moved back by "));
    const Tensor<float> some = data.batch(0, 20).x;
    CHECK(stet_test::same_bits(infer(qat, some), infer(Engine(convert(qat)), some)));
  }
}

TEST_CASE("two normal sides of an addition, flattened values and depthwise layers have their channels' means") {
  Graph g;
  const auto x = g.input({3, 3, 8});
  const auto side = [&](const char* conv, const char* norm) {
    return batch_norm(conv2d(x, {.filters = 4, .kernel = 1, .bias = false}).named(conv)).named(norm);
  };
  const auto sum = relu(add(side("a", "norm_a"), side("b", "norm_b")));
  const auto deep = depthwise_conv2d(sum, {.kernel = 3, .padding = Padding::valid(), .multiplier = 2}).named("deep");
  g.output(add(linear(flatten(sum), {.units = 3}).named("flat"), linear(flatten(deep), {.units = 3}).named("tail")));
  Model model(std::move(g), Rng(3));
  for (const char* name : {"a", "b"}) {  // channels of their own, so that the sides are independent
    Tensor<float>& w = model.parameter(std::string(name) + ".weight").value;
    for (std::int64_t i = 0; i < w.size(); ++i) w.edit()[static_cast<std::size_t>(i)] = i % 8 == i / 8 + (name[0] == 'a' ? 0 : 4) ? 1.0f : 0.0f;
  }
  set_norm(model, "norm_a", gammas, betas);
  set_norm(model, "norm_b", {0.5f, 0.5f, 1.0f, 1.0f}, {0.0f, 1.0f, -3.0f, 0.0f});
  const Dataset data = stet_test::random_dataset({3, 3, 8}, 2000, 2, 5);
  QatModel qat = prepare(model, rough());
  calibrate(qat, data);
  const std::vector<CorrectedBias> before = errors(qat, model, data);
  AnalyticCorrectionReport report;
  analytic_bias_correction(qat, &report);
  const std::vector<CorrectedBias> after = errors(qat, model, data);
  CHECK(report.layers.size() == 2);
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i].layer != "flat" && before[i].layer != "deep") continue;
    INFO(before[i].layer);
    CHECK(after[i].before < 0.25 * before[i].before);
  }
}

TEST_CASE("what batch norm does not tell is left and named") {
  Graph g;
  const auto x = g.input({8, 8, 2});
  const auto a = relu(batch_norm(conv2d(x, {.filters = 4, .kernel = 3, .bias = false}).named("first")));
  const auto b = relu(conv2d(max_pool(a, {.size = 2}).named("largest"), {.filters = 4, .kernel = 3}).named("pooled"));
  g.output(conv2d(b, {.filters = 2, .kernel = 1}).named("last"));
  const Model model(std::move(g), Rng(1));
  QatModel qat = prepare(model, rough());
  calibrate(qat, stet_test::random_dataset({8, 8, 2}, 64, 2, 1));
  AnalyticCorrectionReport report;
  analytic_bias_correction(qat, &report);
  CHECK(report.layers.empty());
  REQUIRE(report.left.size() == 3);
  CHECK_THAT(report.left[1], ContainsSubstring("pooled keeps its bias: largest (max_pool) has means that only data can tell"));
  CHECK_THAT(report.left[2], ContainsSubstring("last keeps its bias: largest (max_pool) has means"));
  CHECK(qat.model().parameter("pooled.bias").value[0] == model.parameter("pooled.bias").value[0]);
}

TEST_CASE("the correction without data refuses before anything changes, and is a pass of quantize") {
  Graph g;
  const auto x = relu(batch_norm(conv2d(g.input({6, 6, 2}), {.filters = 4, .kernel = 3, .bias = false}).named("first")));
  g.output(conv2d(x, {.filters = 2, .kernel = 1, .bias = false}).named("bare"));
  const Model model(std::move(g), Rng(1));
  const Dataset data = stet_test::random_dataset({6, 6, 2}, 64, 2, 1);
  QatModel qat = prepare(model, rough());
  CHECK_THROWS_WITH(analytic_bias_correction(qat), ContainsSubstring("no range yet"));
  calibrate(qat, data);
  CHECK_THROWS_WITH(analytic_bias_correction(qat), ContainsSubstring("no batch norm and no bias at bare; prepare(with_bias(model)"));
  CHECK_THROWS_WITH(analytic_bias_correction(qat, nullptr, {"nobody"}), ContainsSubstring("nobody"));
  const QatModel corrected = calibrated(model, rough(), data, {.passes = {passes::analytically_bias_corrected()}});
  bool moved = false;
  for (const float b : corrected.model().parameter("bare.bias").value.span()) moved = moved || b != 0.0f;
  CHECK(moved);
}

}  // namespace analytic_bias_correction_test
