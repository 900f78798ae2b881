// check(qat, data) finds what data can show, beside healthy ranges, and says once what several nodes have in common.

#include <stet/model/check.hpp>
#include <stet/model/measure_values.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/quant/apot_scheme.hpp>
#include <stet/train/fit_qat.hpp>

#include "diagnose/small_network.hpp"
#include "support/catch.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace check_data_test {

using namespace stet;
using stet_test::drawn_images;
using stet_test::trained_network;

namespace {

QatModel calibrated(const Recipe& recipe = recipes::int8(), const Model& model = trained_network()) {
  QatModel qat = prepare(model, recipe);
  calibrate(qat, drawn_images().train);
  return qat;
}

// Warnings that the data add.
std::vector<CheckEntry> found(const QatModel& qat, const Dataset& data = drawn_images().train) {
  std::vector<CheckEntry> of_data;
  for (const CheckEntry& e : check(qat, data).entries) {
    if (e.severity == Severity::warning && std::string(e.group.id).starts_with("data ")) of_data.push_back(e);
  }
  return of_data;
}

void check_found(const QatModel& qat, const std::string& node, const std::string& words, const Dataset& data = drawn_images().train) {
  bool any = false;
  for (const CheckEntry& e : found(qat, data)) {
    INFO(e.str());
    any = any || (e.node == node && e.what.find(words) != std::string::npos);
    CHECK(e.what.find("(healthy: ") != std::string::npos);
    CHECK_FALSE(e.remedy.empty());
  }
  INFO(node << " " << words);
  CHECK(any);
}

}  // namespace

TEST_CASE("data say nothing bad of healthy models, and a note says how far they are from it") {
  for (const Recipe& recipe : {recipes::int8(), recipes::int8_per_tensor(), recipes::w4a4_lsq(), recipes::w2a2_lsq()}) {
    INFO(recipe.name);
    QatModel qat = calibrated(recipe);
    if (recipe.learned_weights) {  // without training, rounding has moved what batch norm was trained on
      fit(qat, drawn_images().train, {.epochs = 2, .batch = 64, .optimizer = Adam{.lr = 1e-3}, .schedule = Cosine{}, .progress = ProgressMode::quiet});
    }
    const CheckReport report = check(qat, drawn_images().train);
    INFO(report.str());
    CHECK(found(qat).empty());
    CHECK(report.warnings() == check(qat).warnings());
    const auto notes = std::count_if(report.entries.begin(), report.entries.end(), [](const CheckEntry& e) { return e.what.starts_with("on data: "); });
    CHECK(notes == 1);
  }
}

TEST_CASE("data show what was planted, where it was planted") {
  SECTION("ranges") {
    QatModel wide = calibrated(), narrow = calibrated();
    const Range before = wide.quantizer("relu_2").range();
    wide.quantizer("relu_2").fix(Range{0.0f, before.hi * 20});
    check_found(wide, "relu_2", "reaches");
    narrow.quantizer("relu_2").fix(Range{0.0f, before.hi * 0.2f});
    check_found(narrow, "relu_2", "cuts");
    CHECK(found(narrow).size() == 1);
  }
  SECTION("ranges of few bits") {
    QatModel narrow = calibrated(recipes::w4a4_lsq());
    narrow.quantizer("relu_2").fix(Range{0.0f, narrow.quantizer("relu_2").range().hi * 0.02f});
    check_found(narrow, "relu_2", "cuts");
  }
  SECTION("statistics of batch norm") {
    Model model = trained_network();
    auto& mean = model.buffer("batch_norm_2.mean");
    const Tensor<float> variance = model.buffer("batch_norm_2.variance");
    for (std::int64_t c = 0; c < mean.size(); ++c) mean.edit()[static_cast<std::size_t>(c)] += (c % 2 == 0 ? 0.5f : -0.5f) * std::sqrt(variance[c]);
    check_found(calibrated(recipes::int8(), model), "relu_2", "standard deviations");
  }
  SECTION("channels: one that is far larger, half of them dead") {
    Model model = trained_network();
    model.parameter("batch_norm_1.gamma").value.edit()[3] *= 100;
    check_found(calibrated(recipes::int8(), model), "relu_1", "times the median");
    Model dead = trained_network();
    for (std::size_t c = 0; c < 8; ++c) {
      dead.parameter("batch_norm_2.gamma").value.edit()[c] = 0.01f;
      dead.parameter("batch_norm_2.beta").value.edit()[c] = -2;
    }
    check_found(calibrated(recipes::int8(), dead), "relu_2", "8 of 16 channels are dead");
  }
  SECTION("an image") {
    Batch b = drawn_images().train.batch(0, 200);
    const auto each = static_cast<std::size_t>(b.x.size() / 200);
    for (std::size_t i = 0; i < each; ++i) b.x.edit()[123 * each + i] *= 50;
    check_found(calibrated(), "input_1", "image 123 reaches", Dataset(b.x, b.labels, 10, "spoilt"));
  }
}

TEST_CASE("checking on data needs ranges and images, and moves nothing") {
  const QatModel raw = prepare(trained_network(), recipes::int8());
  CHECK_THROWS_AS(check(raw, drawn_images().train), Error);
  const QatModel qat = calibrated();
  CHECK_THROWS_AS(check(qat, drawn_images().train, {.batch = 0}), Error);
  const std::string before = detail::describe_start(qat);
  (void)check(qat, drawn_images().train.first(5));  // too few for statistics
  (void)check(qat, drawn_images().train);
  CHECK(detail::describe_start(qat) == before);
  CHECK_THROWS_AS(batch_norm_shifts(qat, drawn_images().train.batch(0, 7).x), Error);
}

TEST_CASE("few images give batch norm no drift of their own") {
  const QatModel qat = calibrated();
  for (const std::int64_t first : {0, 500, 1000, 1500}) {
    for (const double shift : batch_norm_shifts(qat, drawn_images().train.batch(first, first + 32).x)) CHECK(shift < HealthyRanges{}.drift);
  }
}

TEST_CASE("what is the same of several nodes is one sentence, of the worst") {
  std::vector<CheckEntry> entries;
  for (int i = 1; i <= 9; ++i) {
    entries.push_back({.node = formatted("conv2d_{}", i), .severity = Severity::warning, .what = formatted("{} channels", i == 4 ? 10 : i), .remedy = "mend it"});
    entries.back().group = {"channels", i == 4 ? 10.0 : i};
    entries.push_back({.node = formatted("conv2d_{}", i), .severity = Severity::integer, .what = "runs"});
  }
  entries.push_back({.node = "other", .severity = Severity::warning, .what = "alone"});
  const CheckReport report{"target", entries};
  REQUIRE(report.warnings().size() == 2);
  CHECK(report.warnings()[0] == "conv2d_4, conv2d_1, conv2d_2 and 6 more: 10 channels (conv2d_4, the worst); mend it");
  CHECK(report.warnings()[1] == "other: alone");
  CHECK(report.count(Severity::warning) == 10);
  CHECK(grouped(entries).size() == 11);
  CHECK(grouped({}).empty());
}

TEST_CASE("a network of few bits says each kind of warning once") {
  Recipe simulated = recipes::int8();
  simulated.weights = simulated.linear_weights = AdditivePowersOfTwo{};
  for (const Recipe& recipe : {recipes::int8(), recipes::w4a4_lsq(), recipes::w2a2_lsq(), recipes::binary(), simulated}) {
    INFO(recipe.name);
    QatModel qat = prepare(trained_network(), recipe);
    {
      const stet_test::CaughtWarnings caught;
      calibrate(qat, drawn_images().train);
      CHECK(caught.all().size() <= 1);
    }
    qat.quantizer("relu_2").fix(Range{0, 1000});
    const CheckReport report = check(qat, drawn_images().train);
    std::vector<std::string> kinds;
    for (const CheckEntry& e : grouped(report.entries)) {
      if (e.severity == Severity::warning) kinds.push_back(e.group.id);
    }
    for (const std::string& kind : kinds) CHECK((kind.empty() || std::count(kinds.begin(), kinds.end(), kind) == 1));
    if (recipe.weights.name() == simulated.weights.name()) CHECK(report.count(Severity::warning) > static_cast<int>(report.warnings().size()));
  }
}

}  // namespace check_data_test
