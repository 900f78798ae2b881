// Quantized training learns, resumes bit by bit from a checkpoint, and reaches a steady state of memory.

#include <stet/core/parallel.hpp>
#include <stet/core/pool.hpp>
#include <stet/engine/engine.hpp>
#include <stet/model/quantize.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"

namespace qat_fit_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

// Which quadrant of the image is bright.
Dataset quadrants(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed);
  Tensor<float> x(Shape{count, 6, 6, 1});
  Tensor<std::int32_t> labels(Shape{count});
  const auto pixels = x.edit();
  for (std::int64_t n = 0; n < count; ++n) {
    const int label = draw(rng, 0, 3);
    labels.edit()[static_cast<std::size_t>(n)] = label;
    for (int i = 0; i < 36; ++i) {
      const bool bright = (i / 18) * 2 + (i % 6) / 3 == label;
      pixels[static_cast<std::size_t>(n * 36 + i)] = static_cast<float>(0.5 * rng.normal() + (bright ? 1.0 : 0.0));
    }
  }
  return {x, labels, 4, "quadrants"};
}

Model network() {
  Graph g;
  auto x = g.input({6, 6, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3}))).named("first");
  const auto y = relu6(batch_norm(depthwise_conv2d(x, {.kernel = 3}))).named("second");
  x = dropout(max_pool(x + y), {.rate = 0.1f});
  g.output(linear(flatten(x), {.units = 4}).named("head"));
  return {std::move(g), Rng(1)};
}

FitOptions options(int epochs) {
  return quiet_fit({.epochs = epochs, .batch = 32, .optimizer = Adam{.lr = 1e-2}, .schedule = Cosine{}});
}

QatModel prepared(const Dataset& data, const Recipe& recipe = recipes::int8()) {
  return calibrated_model(network(), recipe, data);
}

struct Stop {};

// Trains o.epochs epochs, stopped after `stop` of them and resumed in a fresh model.
template <class M>
std::pair<M, FitReport> interrupted(const M& start, const Dataset& data, FitOptions o, const std::string& file, int stop) {
  o.checkpoint = file;
  {
    M model = start;
    FitOptions first = o;
    first.on_epoch = [&](const EpochReport& e) {
      if (e.epoch + 1 == stop) throw Stop{};
    };
    CHECK_THROWS_AS(fit(model, data, first), Stop);
  }
  M model = start;
  o.resume = true;
  const FitReport report = fit(model, data, o);
  return {model, report};
}

template <class M>
void check_resume(const M& start, const Dataset& data, const FitOptions& o) {
  const TemporaryDirectory dir;
  M whole = start;
  const FitReport report = fit(whole, data, o);
  for (const int stop : {1, 2, 3}) {
    INFO("stopped after epoch " << stop);
    const auto [model, resumed] = interrupted(start, data, o, dir.path(fmt::format("run{}", stop)), stop);
    CHECK(state_of(model) == state_of(whole));
    REQUIRE(resumed.epochs.size() == report.epochs.size());
    for (std::size_t i = 0; i < report.epochs.size(); ++i) {
      CHECK(resumed.epochs[i].loss == report.epochs[i].loss);
      CHECK(resumed.epochs[i].accuracy == report.epochs[i].accuracy);
      CHECK(resumed.epochs[i].validation_loss == report.epochs[i].validation_loss);
    }
  }
}

}  // namespace

TEST_CASE("quantized training learns, from scratch and after float training") {
  const Dataset train = quadrants(512, 1), test = quadrants(256, 2);
  for (const Recipe& recipe : {recipes::int8(), recipes::int8_per_tensor()}) {
    INFO(recipe.name);
    QatModel qat = prepared(train, recipe);
    const double before = evaluate(qat, test).accuracy;
    const FitReport report = fit(qat, train, options(6));
    const double after = evaluate(qat, test).accuracy;
    INFO("before " << before << ", after " << after);
    CHECK(report.epochs.back().loss < 0.5 * report.epochs.front().loss);
    CHECK(after > 0.9);
    const Engine engine(convert(qat));
    CHECK(evaluate(engine, test).correct == evaluate(qat, test).correct);
  }
  Model model = network();
  (void)fit(model, train, options(5));
  const double real = evaluate(model, test).accuracy;
  CHECK(real > 0.9);
  CHECK(evaluate(Engine(quantize(model, recipes::int8(), train)), test).accuracy > real - 0.03);
  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, train);
  FitOptions fine = options(2);
  fine.optimizer = Adam{.lr = 1e-3};
  (void)fit(qat, train, fine);
  CHECK(evaluate(qat, test).accuracy > real - 0.02);
}

TEST_CASE("a resumed run ends with the bits of an uninterrupted one", "[bits]") {
  const Dataset data = quadrants(100, 3), validation = quadrants(40, 4);
  FitOptions o = options(4);
  o.validation = &validation;
  o.clip_norm = 1.0;
  check_resume(network(), data, o);
  check_resume(prepared(data), data, o);
  Recipe late = recipes::int8_per_tensor();
  late.schedule = {.quantize_at = 0.3, .freeze_ranges_at = 0.5, .freeze_batch_norm_at = 0.6};
  check_resume(prepare(network(), late), data, o);
  o.optimizer = Sgd{.lr = 0.05, .momentum = 0.9};
  check_resume(prepared(data), data, o);
}

TEST_CASE("a checkpoint of another recipe or run is refused") {
  const TemporaryDirectory dir;
  const Dataset data = quadrants(64, 5);
  QatModel qat = prepared(data);
  FitOptions o = options(1);
  o.checkpoint = dir.path("run");
  (void)fit(qat, data, o);
  o.resume = true;
  QatModel other = prepared(data, recipes::int8_per_tensor());
  const auto before = state_of(other);
  CHECK_THROWS_WITH(fit(other, data, o), ContainsSubstring("int8_per_tensor"));
  CHECK(state_of(other) == before);
  Model plain = network();
  CHECK_THROWS_AS(fit(plain, data, o), Error);
  o.seed = 2;
  CHECK_THROWS_WITH(fit(qat, data, o), ContainsSubstring("seed 2"));
}

TEST_CASE("save_checkpoint and load_checkpoint carry a quantized model in every phase", "[bits]") {
  const TemporaryDirectory dir;
  const Dataset data = quadrants(64, 6);
  const Tensor<float> x = random_images({6, 6, 1}, 5, 7);
  QatModel qat = prepare(network(), recipes::int8());
  const auto round_trip = [&](const char* phase) {
    INFO(phase);
    save_checkpoint(dir.path("m"), qat);
    QatModel other = prepare(network(), recipes::int8());
    load_checkpoint(dir.path("m"), other);
    CHECK(state_of(other) == state_of(qat));
    if (qat.calibrated()) CHECK(same_bits(infer(other, x), infer(qat, x)));
  };
  round_trip("prepared");
  calibrate(qat, data);
  round_trip("calibrated");
  qat.start_quantizing();
  round_trip("training");
  (void)fit(qat, data, options(1));
  round_trip("trained");
  qat.freeze_ranges();
  qat.freeze_batch_norm();
  round_trip("frozen");
  // The integers are those of the original.
  QatModel other = prepare(network(), recipes::int8());
  load_checkpoint(dir.path("m"), other);
  CHECK(same_bits(infer(Engine(convert(other)), x), infer(qat, x)));
  Model plain = network();
  CHECK_THROWS_WITH(load_checkpoint(dir.path("m"), plain), ContainsSubstring("is of a quantized model, and this one is float"));
}

TEST_CASE("training takes no memory from the system after its first steps") {
  const Dataset data = quadrants(64 * 12, 8);
  {
    // How many batches the loader holds at once depends on how fast it is, and a step uses blocks of the same size: the
    // pool gets room for both, and fewer blocks than there are steps, so that a block lost in every step still shows.
    std::vector<Batch> held;
    for (int i = 0; i < 64; ++i) held.push_back(data.batch(0, 64));
  }
  const auto steady = [&](auto model, const char* what) {
    INFO(what);
    std::vector<std::uint64_t> count;
    FitOptions o = options(10);
    o.batch = 64;
    o.on_step = [&](const StepReport&) { count.push_back(MemoryPool::instance().statistics().system_allocations); };
    (void)fit(model, data, o);
    REQUIRE(count.size() == 120);
    CHECK(count.back() == count[4]);
  };
  set_threads(1);  // whether two threads need scratch at the same time is chance
  steady(network(), "float");
  Recipe live = recipes::int8(), frozen = recipes::int8();
  live.schedule = {0.0, 2.0, 2.0};
  frozen.schedule = {0.0, 0.0, 0.0};
  steady(prepared(data, live), "live batch norm");
  steady(prepared(data, frozen), "frozen batch norm");
  set_threads(0);
}

}  // namespace qat_fit_test
