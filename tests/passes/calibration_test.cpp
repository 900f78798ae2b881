// Calibration does not depend on the order of the data, and says what is wrong with them.

#include <stet/engine/engine.hpp>
#include <stet/model/check.hpp>
#include <stet/model/quantize.hpp>
#include <stet/passes/reestimate_batch_norm.hpp>
#include <stet/quant/percentile_observer.hpp>
#include <stet/train/fit_qat.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace calibration_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// Four levels of brightness, each twice the one before: images of one class do not have the range of another.
Dataset levels(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed);
  Tensor<float> x(Shape{count, 6, 6, 1});
  Tensor<std::int32_t> labels(Shape{count});
  const auto pixels = x.edit();
  for (std::int64_t n = 0; n < count; ++n) {
    const int label = draw(rng, 0, 3);
    labels.edit()[static_cast<std::size_t>(n)] = label;
    const double level = 0.125 * (1 << label) * rng.uniform(0.9, 1.1);
    for (int i = 0; i < 36; ++i)
      pixels[static_cast<std::size_t>(n * 36 + i)] = static_cast<float>(level * rng.uniform(0.7, 1.3));
  }
  return {x, labels, 4, "levels"};
}

Model trained() {
  Graph g;
  auto x = g.input({6, 6, 1}).named("x");
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3}))).named("features");
  g.output(linear(global_average_pool(relu(conv2d(x, {.filters = 8, .kernel = 3}))), {.units = 4}).named("logits"));
  Model model(std::move(g), Rng(1));
  const FitOptions o = quiet_fit({.epochs = 12, .batch = 32, .optimizer = Adam{.lr = 1e-2}, .schedule = Cosine{}});
  (void)fit(model, levels(512, 1), o);
  return model;
}

// The images at these positions, each times a factor of its own.
Dataset arranged(
    const Dataset& data, const std::vector<std::int64_t>& order,
    const std::function<float(std::int64_t)>& factor = [](std::int64_t) { return 1.0f; }) {
  Batch all = data.batch(order);
  const std::int64_t pixels = all.x.size() / all.size();
  const auto x = all.x.edit();
  for (std::int64_t i = 0; i < all.x.size(); ++i) x[static_cast<std::size_t>(i)] *= factor(i / pixels);
  return {all.x, all.labels, data.classes(), "arranged"};
}

std::vector<std::int64_t> by_class(const Dataset& data) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(data.size()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return data.labels()[static_cast<std::size_t>(a)] < data.labels()[static_cast<std::size_t>(b)];
  });
  return order;
}

Recipe with(const AnyObserver& observer, int bits = 8) {
  Recipe r = recipes::int8();
  r.calibration_observer = observer;
  r.activations = Int8Activation(bits);
  return r;
}

std::vector<float> scales(const QatModel& qat) {
  std::vector<float> all;
  for (const Quantizer& q : qat.quantizers()) all.push_back(q.params().scale[0]);
  return all;
}

}  // namespace

TEST_CASE("post-training quantization is as good on sorted, reversed and spoilt calibration data as on shuffled") {
  const Model model = trained();
  const Dataset data = levels(1024, 2), test = levels(512, 3);
  const double real = evaluate(model, test).accuracy;
  REQUIRE(real > 0.95);
  const std::vector<std::int64_t> sorted = by_class(data), shuffled = shuffled_order(data.size(), 5, 0);
  const std::vector<std::int64_t> reversed(sorted.rbegin(), sorted.rend());
  const auto blank = [](std::int64_t i) { return i < 128 ? 0.0f : 1.0f; };
  const auto outlier = [](std::int64_t i) { return i == 300 ? 30.0f : 1.0f; };
  for (const int bits : {8, 4}) {
    INFO(bits << " bits");
    const auto accuracy = [&](const Dataset& calibration) {
      CaughtWarnings warnings;
      return evaluate(Engine(quantize(model, with(Recipe{}.calibration_observer, bits), calibration)), test).accuracy;
    };
    const double margin = bits == 8 ? 0.01 : 0.03;
    const double wanted = accuracy(arranged(data, shuffled));
    CHECK(wanted > real - margin);
    CHECK(accuracy(arranged(data, sorted)) > wanted - margin);
    CHECK(accuracy(arranged(data, reversed)) > wanted - margin);
    CHECK(accuracy(arranged(data, shuffled, blank)) > wanted - margin);
    CHECK(accuracy(arranged(data, shuffled, outlier)) > wanted - margin);
    CHECK(accuracy(levels(20000, 2)) > wanted - margin);  // drawn from the whole
  }
}

TEST_CASE("with all images, observers that pool them choose the same bits for any order") {
  const Model model = trained();
  const Dataset data = levels(300, 2);
  for (const AnyObserver& observer :
       {AnyObserver(MinMaxObserver{}), AnyObserver(MseObserver{}), AnyObserver(PercentileObserver{})}) {
    std::vector<float> first;
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
      QatModel qat = prepare(model, with(observer));
      calibrate(qat, arranged(data, shuffled_order(300, seed, 0)), {.images = 0, .seed = seed});
      if (first.empty()) first = scales(qat);
      CHECK(scales(qat) == first);
    }
  }
}

TEST_CASE("the median of batches moves with their order by no more than the spread of batches") {
  const Model model = trained();
  const Dataset data = levels(640, 2);
  // At least half of the B batches of n/B images reach the median or beyond, and at least half do not pass it: it lies
  // between the middle one of the images' maxima and the B/2 largest.
  std::vector<float> most;
  for (std::int64_t i = 0; i < data.size(); ++i) most.push_back(min_max(data.batch(i, i + 1).x.span()).hi);
  std::sort(most.begin(), most.end());
  const float least = most[most.size() / 2 - 1], largest = most[most.size() - 5];
  const auto range = [&](const std::vector<std::int64_t>& order) {
    QatModel qat = prepare(model, with(MedianObserver<>{}));
    calibrate(qat, arranged(data, order), {.batch = 64, .images = 0});
    return qat.quantizer("x").calibration().chosen();
  };
  std::vector<std::vector<std::int64_t>> orders{by_class(data)};
  orders.emplace_back(orders[0].rbegin(), orders[0].rend());
  for (const std::uint64_t seed : {1u, 2u, 3u}) orders.push_back(shuffled_order(data.size(), seed, 0));
  for (const auto& order : orders) {
    CHECK(range(order).hi >= least);
    CHECK(range(order).hi <= largest);
  }
}

TEST_CASE("the images are drawn by the seed, and the same every time", "[bits]") {
  const Model model = trained();
  const Dataset data = levels(2000, 2);
  const auto drawn = [&](const CalibrateOptions& o) {
    QatModel qat = prepare(model, recipes::int8());
    calibrate(qat, data, o);
    CHECK(qat.calibration_data().images == std::min<std::int64_t>(o.images == 0 ? 2000 : o.images, 2000));
    CHECK(std::accumulate(qat.calibration_data().of_class.begin(), qat.calibration_data().of_class.end(),
                          std::int64_t{0}) == qat.calibration_data().images);
    return scales(qat);
  };
  CHECK(drawn({}) == drawn({}));
  CHECK(drawn({.images = 100}) != drawn({.images = 100, .seed = 2}));
  CHECK(drawn({.images = 0}) == drawn({.images = 5000}));
}

TEST_CASE("a second call takes the place of the first, and says so") {
  const Model model = trained();
  const Dataset data = levels(200, 2);
  QatModel once = prepare(model, recipes::w4a4_lsq()), twice = once;
  CaughtWarnings warnings;
  calibrate(twice, arranged(data, by_class(data), [](std::int64_t) { return 255.0f; }));
  CHECK(warnings.all().empty());
  calibrate(twice, data);
  CHECK(warnings.mention("calibrate: takes the place of an earlier call"));
  CHECK(warnings.all().size() == 1);
  calibrate(once, data);
  CHECK(state_of(twice) == state_of(once));
  // After training it is what one calls it for.
  twice = prepare(model, recipes::int8());
  calibrate(twice, data);
  const FitOptions o = quiet_fit({});
  twice.start_quantizing();
  Tape tape;
  (void)forward(tape, twice, data.batch(0, 32).x);
  CaughtWarnings later;
  calibrate(twice, data);
  CHECK_FALSE(later.mention("earlier call"));
}

TEST_CASE("re-estimating batch norm is no training step to calibration") {
  QatModel qat = prepare(trained(), recipes::w4a4_lsq());
  calibrate(qat, levels(200, 2));
  qat.start_quantizing();
  reestimate_batch_norm(qat, levels(200, 2));
  for (const Quantizer& q : qat.quantizers()) CHECK(q.freshly_calibrated());
}

TEST_CASE("check and calibrate say what is wrong with the calibration data") {
  const Model model = trained();
  const Dataset data = levels(600, 2);
  const auto said = [&](const Dataset& calibration, const CalibrateOptions& o = {}) {
    QatModel qat = prepare(model, recipes::int8());
    CaughtWarnings warnings;
    calibrate(qat, calibration, o);
    std::string text;
    for (const CheckEntry& e : check(qat).entries) {
      if (e.severity == Severity::warning) text += e.node + ": " + e.what + "; " + e.remedy + "\n";
    }
    for (const std::string& w : warnings.all()) text += "warned: " + w + "\n";
    return text;
  };
  CHECK(said(data) == "");
  const std::string one_class = said(arranged(data, by_class(data)).first(100));
  CHECK_THAT(one_class,
             ContainsSubstring(": 100 of 100 calibration images are of class 0; calibrate on images of all classes"));
  CHECK_THAT(one_class, ContainsSubstring("warned: calibrate: 100 of 100 calibration images are of class 0"));
  CHECK_THAT(said(data, {.images = 10}),
             ContainsSubstring(": calibrated on 10 images; some hundred images of all classes"));
  std::vector<std::int64_t> all(600);
  std::iota(all.begin(), all.end(), std::int64_t{0});
  const std::string outlier = said(arranged(data, all, [](std::int64_t i) { return i == 77 ? 30.0f : 1.0f; }));
  CHECK_THAT(outlier, ContainsSubstring("calibration batches disagree: one reaches "));
  CHECK_THAT(outlier, ContainsSubstring("warned: calibrate: "));
  CHECK(std::count(outlier.begin(), outlier.end(), '\n') == 2);  // one cause, said once
}

TEST_CASE("calibration that fails changes nothing") {
  QatModel qat = prepare(trained(), recipes::int8());
  calibrate(qat, levels(100, 2));
  const auto before = state_of(qat);
  Dataset broken = levels(100, 4);
  QatModel damaged = qat;
  damaged.model().parameter("logits.bias").value.edit()[0] = std::nanf("");
  const auto state = state_of(damaged);
  CHECK_THROWS_WITH(calibrate(damaged, broken), ContainsSubstring("calibrate: ") && ContainsSubstring("logits"));
  CHECK(state_of(damaged) == state);
  CHECK_THROWS_WITH(calibrate(qat, broken, {.images = -1}), ContainsSubstring("images must not be negative, got -1"));
  CHECK_THROWS_WITH(calibrate(qat, broken, {.batch = 0}), ContainsSubstring("batch must be positive, got 0"));
  CHECK(state_of(qat) == before);
}

TEST_CASE("a training observer of values is refused, with what to name instead") {
  Recipe recipe = recipes::int8();
  recipe.training_observer = MseObserver{};
  const Model model = trained();
  CHECK_THROWS_WITH(prepare(model, recipe), ContainsSubstring("training_observer needs values") &&
                                                ContainsSubstring("name it calibration_observer"));
  CHECK_FALSE(check(model, recipe).ok());
}

TEST_CASE("without calibrate, an observer of values chooses from the float network's training") {
  Recipe recipe = with(MseObserver{}, 4);
  recipe.schedule = {.quantize_at = 0.5, .freeze_ranges_at = 2.0, .freeze_batch_norm_at = 2.0};
  QatModel qat = prepare(trained(), recipe);
  const Dataset data = levels(256, 2);
  Tape tape;
  for (int i = 0; i < 4; ++i) (void)forward(tape, qat, data.batch(i * 64, i * 64 + 64).x);
  const Quantizer& q = qat.quantizer("features");
  CHECK(q.calibrated());
  CHECK(q.calibration().chosen().hi < q.calibration().typical().hi);
  CHECK(q.params().scale[0] < choose_qparams(q.calibration().typical(), q.grid()).scale[0]);
}

TEST_CASE("ranges that training cannot bring back are named at its end, where calibration could not know") {
  const Model model = trained();
  const Dataset data = levels(256, 2);
  std::vector<std::int64_t> order(256);
  std::iota(order.begin(), order.end(), 0);
  const auto warns = [&](const Dataset& calibration, std::string_view words) {
    QatModel qat = prepare(model, recipes::int8());
    calibrate(qat, calibration);
    const FitReport report = fit(qat, data, quiet_fit({.epochs = 2, .batch = 32, .optimizer = Adam{.lr = 1e-4}}));
    return std::any_of(report.warnings.begin(), report.warnings.end(),
                       [&](const std::string& w) { return w.find(words) != std::string::npos; });
  };
  CHECK(warns(arranged(data, order, [](std::int64_t) { return 255.0f; }), "times as far as the values of the last training step"));
  CHECK(warns(arranged(data, order, [](std::int64_t) { return 0.05f; }), "the values of the last training step reach"));
  CHECK_FALSE(warns(data, "the last training step"));
}

}  // namespace calibration_test
