// Checkpoints of models with quantizers: a model that was only prepared becomes, by loading, the one that was saved, at
// every stage and with every recipe.

#include <stet/engine/engine.hpp>
#include <stet/model/convert.hpp>
#include <stet/train/checkpoint.hpp>
#include <stet/train/entry_templates.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/integer_models.hpp"
#include "support/networks.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace checkpoint_stages_test {

using namespace stet;
using namespace stet_test;

namespace {

Graph network() {
  Graph g;
  auto x = g.input({8, 8, 2});
  x = relu(batch_norm(conv2d(x, {.filters = 6, .kernel = 3, .bias = false}).named("a"))).named("a_out");
  const auto b = batch_norm(depthwise_conv2d(x, {.kernel = 3, .bias = false}).named("b"));
  x = relu(add(b, batch_norm(conv2d(x, {.filters = 6, .kernel = 1, .bias = false}).named("c")))).named("sum");
  x = conv2d(x, {.filters = 4, .kernel = 3}).named("e");
  g.output(linear(flatten(max_pool(x)), {.units = 4}).named("d"));
  return g;
}

Dataset images() { return random_dataset({8, 8, 2}, 64, 4, 5); }
QatModel prepared(const Recipe& recipe, std::uint64_t seed) { return prepare(Model(network(), Rng(seed)), recipe); }

std::vector<Recipe> all_recipes() {
  std::vector<Recipe> all{recipes::int8(),     recipes::int8_per_tensor(), recipes::w4a4_lsq(),
                          recipes::w3a3_lsq(), recipes::w2a2_lsq(),        recipes::binary()};
  Recipe percent = recipes::int8();
  percent.name = "narrow activations, not learned";
  percent.activations = Int8Activation(3);
  all.push_back(percent);
  percent.name = "narrow activations by name";
  percent.activations = Int8Activation(8);
  percent.overrides = {{.node = "sum", .activations = Int8Activation(5)}};
  all.push_back(percent);
  return all;
}

FitOptions options() { return quiet_fit({.batch = 16, .optimizer = Adam{.lr = 1e-2}}); }

// What can have been done to a model before it is saved.
const std::vector<std::pair<const char*, std::function<void(QatModel&)>>> stages{
    {"calibrated", [](QatModel&) {}},
    {"fixed by hand", [](QatModel& q) { q.quantizer("sum").fix({0.0f, 6.0f}); }},
    {"training", [](QatModel& q) { q.start_quantizing(); }},
    {"ranges frozen", [](QatModel& q) { q.start_quantizing(), q.freeze_ranges(); }},
    {"trained to the end", [](QatModel& q) { (void)fit(q, images(), options()); }},
};

}  // namespace

TEST_CASE("a checkpoint makes a model that was only prepared the one that was saved, at every stage") {
  const TemporaryDirectory dir;
  const Tensor<float> x = images().batch(0, 32).x;
  for (const Recipe& recipe : all_recipes()) {
    for (const auto& [stage, advance] : stages) {
      INFO(recipe.name << ", " << stage);
      QatModel saved = prepared(recipe, 3);
      calibrate(saved, images());
      advance(saved);
      save_checkpoint(dir.path("m"), saved);
      QatModel loaded = prepared(recipe, 4);
      load_checkpoint(dir.path("m"), loaded);
      CHECK(state_of(loaded) == state_of(saved));
      CHECK(loaded.quantizing() == saved.quantizing());
      for (std::size_t i = 0; i < saved.quantizers().size(); ++i) {
        CHECK(loaded.quantizers()[i].params() == saved.quantizers()[i].params());
        CHECK(loaded.quantizers()[i].params().grid == loaded.quantizers()[i].grid());
        CHECK(loaded.quantizers()[i].follows() == saved.quantizers()[i].follows());
      }
      const IntegerModel integers = convert(loaded);
      CHECK(same_constants(integers, convert(saved)));
      CHECK(same_bits(infer(loaded, x), infer(saved, x)));
      CHECK(same_bits(infer(Engine(integers), x), infer(saved, x)));
    }
  }
}

TEST_CASE("a model that was loaded trains on as the one that was saved") {
  const TemporaryDirectory dir;
  for (const Recipe& recipe : all_recipes()) {
    INFO(recipe.name);
    QatModel saved = prepared(recipe, 3);
    calibrate(saved, images());
    saved.start_quantizing();
    save_checkpoint(dir.path("m"), saved);
    QatModel loaded = prepared(recipe, 4);
    load_checkpoint(dir.path("m"), loaded);
    (void)fit(saved, images(), options());
    (void)fit(loaded, images(), options());
    CHECK(state_of(loaded) == state_of(saved));
    CHECK(same_constants(convert(loaded), convert(saved)));
  }
}

TEST_CASE("a run resumes into a model that was only prepared as if it had not been interrupted") {
  const TemporaryDirectory dir;
  for (const Recipe& recipe : all_recipes()) {
    INFO(recipe.name);
    FitOptions o = options();
    o.epochs = 3;
    QatModel whole = prepared(recipe, 3);
    calibrate(whole, images());
    (void)fit(whole, images(), o);

    o.checkpoint = dir.path("run");
    o.resume = true;
    QatModel interrupted = prepared(recipe, 3);
    calibrate(interrupted, images());
    struct Stop {};
    o.on_epoch = [](const EpochReport& e) {
      if (e.epoch == 0) throw Stop{};
    };
    CHECK_THROWS_AS(fit(interrupted, images(), o), Stop);
    o.on_epoch = nullptr;
    QatModel resumed = prepared(recipe, 3);
    (void)fit(resumed, images(), o);
    CHECK(state_of(resumed) == state_of(whole));
    CHECK(same_constants(convert(resumed), convert(whole)));
    CHECK(std::remove(o.checkpoint.c_str()) == 0);
  }
}

TEST_CASE("a quantizer's parameters carry its grid, whatever was loaded or fixed") {
  for (const int bits : {2, 3, 4, 5, 8}) {
    Quantizer q("q", Int8Activation(bits), MovingAverageObserver{});
    q.fields([]<class T>(std::string_view, T& field) {
      if constexpr (std::is_same_v<T, bool>) field = true;  // calibrated, as from a file
    });
    CHECK(q.params() == QParams::per_tensor(1.0f, 0, Grid::activation(bits)));
    q.fix(0.5f, -128);
    CHECK(q.params() == QParams::per_tensor(0.5f, -128, Grid::activation(bits)));
  }
}

}  // namespace checkpoint_stages_test
