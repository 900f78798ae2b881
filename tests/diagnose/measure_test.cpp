#include <stet/diagnose/localize.hpp>
#include <stet/diagnose/measure.hpp>
#include <stet/passes/partly_quantized.hpp>
#include <stet/data/random_subset.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/qat_forward.hpp>

#include "small_network.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"

#include <cmath>
#include <numeric>

namespace measure_test {

using namespace stet;
using stet_test::drawn_images;
using stet_test::trained_network;

namespace {

QatModel calibrated(const Recipe& recipe = recipes::int8()) {
  QatModel qat = prepare(trained_network(), recipe);
  calibrate(qat, drawn_images().train);
  return qat;
}

const DiagnosedNode& node_of(const std::vector<DiagnosedNode>& nodes, const std::string& layer) {
  for (const DiagnosedNode& n : nodes) {
    if (n.layer == layer) return n;
  }
  throw std::runtime_error("no node " + layer);
}

}  // namespace

TEST_CASE("measured nodes of a healthy network lie in the healthy ranges") {
  const QatModel qat = calibrated();
  const std::vector<DiagnosedNode> nodes = measure_nodes(qat, drawn_images().train);
  REQUIRE(nodes.size() == qat.units().size());
  const HealthyRanges healthy;
  for (const DiagnosedNode& n : nodes) {
    INFO(n.node);
    CHECK(std::accumulate(n.histogram.begin(), n.histogram.end(), std::int64_t{0}) > 0);
    CHECK(n.least <= n.most);
    CHECK((n.reach > healthy.least_reach && n.reach < healthy.most_reach));
    CHECK(n.clipped < healthy.clipped);
    CHECK(n.batch_norm_drift < healthy.drift);
    CHECK(n.channel_disparity < healthy.disparity);
    CHECK(n.sqnr > 20);
  }
  CHECK(node_of(nodes, "conv2d_1").weight_bits == 8);
  CHECK(node_of(nodes, "conv2d_1").activation_bits == 8);
}

TEST_CASE("a measurement says what was planted, where it was planted") {
  SECTION("a range that is too narrow, and one too wide") {
    QatModel qat = calibrated();
    const Range before = qat.quantizer("relu_2").range();
    qat.quantizer("relu_2").fix(Range{0.0f, before.hi * 0.2f});
    std::vector<DiagnosedNode> nodes = measure_nodes(qat, drawn_images().train);
    CHECK(node_of(nodes, "conv2d_2").clipped > 0.01);
    CHECK(node_of(nodes, "conv2d_2").reach < 0.9);
    QatModel wide = calibrated();
    wide.quantizer("relu_2").fix(Range{0.0f, before.hi * 20});
    nodes = measure_nodes(wide, drawn_images().train);
    CHECK(node_of(nodes, "conv2d_2").reach > 8);
    CHECK(node_of(nodes, "conv2d_2").clipped == 0);
  }
  SECTION("running means that are off by a part of the deviation") {
    Model model = trained_network();
    auto& mean = model.buffer("batch_norm_2.mean");
    const Tensor<float> variance = model.buffer("batch_norm_2.variance");
    for (std::int64_t c = 0; c < mean.size(); ++c) mean.edit()[static_cast<std::size_t>(c)] += (c % 2 == 0 ? 0.5f : -0.5f) * std::sqrt(variance[c]);
    QatModel qat = prepare(model, recipes::int8());
    calibrate(qat, drawn_images().train);
    const std::vector<DiagnosedNode> nodes = measure_nodes(qat, drawn_images().train);
    CHECK(std::fabs(node_of(nodes, "conv2d_2").batch_norm_drift - 0.5) < 0.1);
    CHECK(node_of(nodes, "conv2d_1").batch_norm_drift < 0.1);
  }
  SECTION("one image that is far larger") {
    Batch b = drawn_images().train.batch(0, 200);
    const auto each = static_cast<std::size_t>(b.x.size() / 200);
    for (std::size_t i = 0; i < each; ++i) b.x.edit()[123 * each + i] *= 50;
    const Dataset spoilt(b.x, b.labels, 10, "spoilt");
    const std::vector<DiagnosedNode> nodes = measure_nodes(calibrated(), spoilt);
    CHECK(node_of(nodes, "conv2d_1").extreme_image == 123);
    CHECK(node_of(nodes, "conv2d_1").largest_to_second > 10);
  }
  SECTION("one channel that is far larger") {
    Model model = trained_network();
    auto& gamma = model.parameter("batch_norm_1.gamma").value;
    gamma.edit()[3] *= 100;
    QatModel qat = prepare(model, recipes::int8());
    calibrate(qat, drawn_images().train);
    CHECK(node_of(measure_nodes(qat, drawn_images().train), "conv2d_1").channel_disparity > 15);
  }
}

TEST_CASE("measuring needs ranges and images, and moves nothing") {
  const QatModel raw = prepare(trained_network(), recipes::int8());
  CHECK_THROWS_AS(measure_nodes(raw, drawn_images().train), Error);
  CHECK_THROWS_AS(measure_nodes(calibrated(), drawn_images().train, {.images = -1}), Error);
  const QatModel qat = calibrated();
  const Tensor<float> x = drawn_images().test.batch(0, 20).x, before = infer(qat, x);
  (void)measure_nodes(qat, drawn_images().train);
  const Tensor<float> after = infer(qat, x);
  CHECK(std::equal(before.span().begin(), before.span().end(), after.span().begin()));
}

TEST_CASE("a network that is quantized in no part is the float network, and in all parts nearly the deployed one") {
  const QatModel qat = calibrated();
  const Tensor<float> x = drawn_images().test.batch(0, 50).x;
  const auto none = [](const Unit&) { return false; };
  const auto all = [](const Unit&) { return true; };
  const Tensor<float> real = infer(qat.model(), x), untouched = infer(PartlyQuantized(qat, none, none), x);
  CHECK(std::equal(real.span().begin(), real.span().end(), untouched.span().begin()));
  for (const bool per_tensor : {false, true}) {
    QatModel q = calibrated(per_tensor ? recipes::int8_per_tensor() : recipes::int8());
    const Tensor<float> deployed = infer(q, x), whole = infer(PartlyQuantized(q, all, all), x);
    const float step = q.quantizer("logits").params().scale[0];
    float far = 0;
    for (std::int64_t i = 0; i < whole.size(); ++i) far = std::max(far, std::fabs(whole[i] - deployed[i]));
    CHECK(far <= 3 * step);  // biases and roundings of sums are all that differs
    const Tensor<float> weights = infer(PartlyQuantized(q, all, none), x);
    float apart = 0;
    for (std::int64_t i = 0; i < weights.size(); ++i) apart = std::max(apart, std::fabs(weights[i] - real[i]));
    CHECK(apart > 0);
    CHECK(apart < 20 * step);
  }
  CHECK_THROWS_AS(PartlyQuantized(prepare(trained_network(), recipes::int8()), all, all), Error);
}

TEST_CASE("the loss alone points at the node that was planted") {
  Recipe recipe = recipes::int8();
  recipe.overrides = {{.node = "conv2d_2", .weights = symmetric(2)}};
  const QatModel qat = calibrated(recipe);
  std::vector<DiagnosedNode> nodes(qat.units().size());
  localize(qat, drawn_images().test.first(500), nodes);
  std::size_t worst = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) worst = nodes[i].loss_alone > nodes[worst].loss_alone ? i : worst;
  CHECK(qat.node_name(qat.units()[worst].node) == "conv2d_2");
  CHECK(nodes[worst].loss_without > 0.5 * nodes[worst].loss_alone);
  std::vector<DiagnosedNode> wrong(1);
  CHECK_THROWS_AS(localize(qat, drawn_images().test.first(10), wrong), Error);
}

TEST_CASE("a sample is drawn from the whole data set and is the same for a seed") {
  const Dataset& data = drawn_images().test;
  const Dataset a = random_subset(data, 100, 1), b = random_subset(data, 100, 1), c = random_subset(data, 100, 2);
  CHECK(a.size() == 100);
  CHECK(std::equal(a.labels().begin(), a.labels().end(), b.labels().begin()));
  CHECK_FALSE(std::equal(a.labels().begin(), a.labels().end(), c.labels().begin()));
  CHECK(random_subset(data, 0, 1).size() == data.size());
  CHECK(random_subset(data, 100000, 1).size() == data.size());
  CHECK_THROWS_AS(random_subset(data, -1, 1), Error);
}

}  // namespace measure_test
