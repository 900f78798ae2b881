// Checkpoints that must not be loaded or written: of another model, damaged, or with values that nothing can use. What
// cannot be used is refused by convert and found by check as well.

#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/qat/ewgs_estimator.hpp>
#include <stet/train/checkpoint.hpp>
#include <stet/train/entry_templates.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/integer_models.hpp"
#include "support/networks.hpp"
#include "support/warnings.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace checkpoint_faults_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct Attributes {
  float eps = 1e-5f, rate = 0.1f;
  const char* name = "conv";
  bool six = false;
};
Graph network(const Attributes& a = {}) {
  Graph g;
  auto x =
      batch_norm(conv2d(g.input({4, 4, 1}), {.filters = 3, .kernel = 3, .bias = false}).named(a.name), {.eps = a.eps});
  x = dropout(a.six ? relu6(x).named("act") : relu(x).named("act"), {.rate = a.rate});
  x = conv2d(x, {.filters = 3}).named("middle");  // neither end: of the recipe's bits
  g.output(linear(flatten(x), {.units = 2}).named("logits"));
  return g;
}
QatModel prepared(const Recipe& recipe, std::uint64_t seed = 1, const Attributes& a = {}) {
  return prepare(Model(network(a), Rng(seed)), recipe);
}
QatModel calibrated(const Recipe& recipe, std::uint64_t seed = 1) {
  QatModel qat = prepared(recipe, seed);
  calibrate(qat, random_dataset({4, 4, 1}, 32, 2, 5));
  return qat;
}

std::string refusal_of(const std::string& path, QatModel& into, const LoadOptions& options = {}) {
  const State before = state_of(into);
  try {
    load_checkpoint(path, into, options);
  } catch (const Error& e) {
    CHECK(state_of(into) == before);
    return std::string(name(e.code())) + ": " + e.what();
  }
  return "loaded";
}

// The file with one field exchanged, and a right checksum.
template <class T>
void rewrite(const std::string& from, const std::string& to, const std::string& name,
             const std::function<void(std::span<T>)>& change) {
  const SafetensorsFile old = SafetensorsFile::load(from);
  SafetensorsFile file;
  file.seal();
  for (const auto& [key, text] : old.metadata()) file.set_metadata(key, text);
  bool found = false;
  for (const auto& e : old.entries()) {
    if (e.name != name) {
      file.add(e.name, e.dtype, e.shape, e.bytes.span());
      continue;
    }
    found = true;
    Tensor<T> value = old.get<T>(name);
    change(value.edit());
    file.add(name, value);
  }
  REQUIRE(found);
  file.save(to);
}

}  // namespace

TEST_CASE("a checkpoint of another recipe or graph is refused, with the differences") {
  const TemporaryDirectory dir;
  QatModel saved = calibrated(recipes::w4a4_lsq());
  save_checkpoint(dir.path("m"), saved);

  QatModel two = calibrated(recipes::w2a2_lsq(), 2);
  CHECK_THAT(refusal_of(dir.path("m"), two),
             ContainsSubstring("state: checkpoint ") &&
                 ContainsSubstring("another model: recipe: name: w4a4_lsq, wanted name: w2a2_lsq; weights: 4 bits") &&
                 ContainsSubstring("activations: 4 bits, affine per tensor, codes -128..-113, wanted activations: 2 bits") &&
                 ContainsSubstring("; allow_differences takes it"));
  const auto changed = [&](const std::function<void(Recipe&)>& change) {
    Recipe recipe = recipes::w4a4_lsq();
    change(recipe);
    QatModel other = calibrated(recipe, 2);
    return refusal_of(dir.path("m"), other);
  };
  CHECK(changed([](Recipe&) {}) == "loaded");
  CHECK_THAT(changed([](Recipe& r) { r.target = targets::onnxruntime; }),
             ContainsSubstring("wanted target: onnxruntime"));
  CHECK_THAT(changed([](Recipe& r) { r.scale_lr_factor = 0.5; }), ContainsSubstring("learning rate of scales: 0.5 of the others"));
  CHECK_THAT(changed([](Recipe& r) { r.weight_estimator = EwgsEstimator(0.1); }),
             ContainsSubstring("wanted weight estimator: ewgs(0.1)"));
  CHECK_THAT(changed([](Recipe& r) { r.schedule.freeze_ranges_at = 0.5; }),
             ContainsSubstring("schedule: quantize at 0, freeze ranges at 0.75"));
  CHECK_THAT(changed([](Recipe& r) { r.calibration_observer = MseObserver(Granularity::per_tensor(), Grid::int8(), false, 1024); }),
             ContainsSubstring("2048 bins, wanted calibration observer: MseObserver per tensor, 1024 bins"));
  CHECK_THAT(changed([](Recipe& r) { r.weights = symmetric(4); }), ContainsSubstring("largest magnitude"));
  CHECK_THAT(changed([](Recipe& r) {
               r.overrides = {{"conv", symmetric(8, true, WeightRange::mse), {}}};
             }),
             ContainsSubstring("nothing, wanted override of conv"));
  for (const auto& [attributes, text] : std::vector<std::pair<Attributes, std::string>>{
           {{.eps = 1e-3f}, "wanted batch_norm_1: batch_norm eps 0.001"},
           {{.rate = 0.2f}, "dropout rate 0.1 (act) -> [4,4,3], wanted dropout_1: dropout rate 0.2"},
           {{.six = true}, "act: relu (batch_norm_1) -> [4,4,3], wanted act: relu6"},
           {{.name = "other"}, "wanted other: conv2d"}}) {
    QatModel other = prepared(recipes::w4a4_lsq(), 2, attributes);
    CHECK_THAT(refusal_of(dir.path("m"), other), ContainsSubstring(text));
  }
  // A float model has a graph.
  Model plain(network(), Rng(1)), eps(network({.eps = 1e-3f}), Rng(1));
  save_checkpoint(dir.path("f"), plain);
  CHECK_THROWS_WITH(load_checkpoint(dir.path("f"), eps), ContainsSubstring("batch_norm eps 0.001"));
  QatModel quantized = prepared(recipes::int8());
  CHECK_THAT(refusal_of(dir.path("f"), quantized), ContainsSubstring("is of a float model, and this one is quantized"));
}

TEST_CASE("a checkpoint of another identity is taken on demand, with a warning, as far as names and shapes fit") {
  const TemporaryDirectory dir;
  QatModel saved = calibrated(recipes::int8());
  save_checkpoint(dir.path("m"), saved);
  Recipe recipe = recipes::int8();
  recipe.target = targets::onnxruntime;
  const CaughtWarnings warnings;
  QatModel other = prepared(recipe, 2);
  load_checkpoint(dir.path("m"), other, {.allow_differences = true});
  REQUIRE(warnings.all().size() == 1);
  CHECK_THAT(warnings.all()[0], ContainsSubstring("is of another model: recipe: target: litert_default"));
  CHECK(state_of(other) == state_of(saved));
  CHECK(same_constants(convert(other), convert(saved)));
  CHECK(convert(other).target == targets::onnxruntime);
  QatModel learned = prepared(recipes::w4a4_lsq());
  CHECK_THAT(refusal_of(dir.path("m"), learned, {.allow_differences = true}), ContainsSubstring("missing: quantizer/"));
}

TEST_CASE("a file without checksum or identity is loaded with a warning for each") {
  const TemporaryDirectory dir;
  QatModel saved = calibrated(recipes::w4a4_lsq());
  save_checkpoint(dir.path("m"), saved);
  SafetensorsFile old;  // as it was written before there were checksums
  const SafetensorsFile now = SafetensorsFile::load(dir.path("m"));
  for (const auto& e : now.entries()) old.add(e.name, e.dtype, e.shape, e.bytes.span());
  old.set_metadata("format", "stet checkpoint 1");
  old.save(dir.path("old"));
  QatModel loaded = prepared(recipes::w4a4_lsq(), 2);
  {
    const CaughtWarnings warnings;
    load_checkpoint(dir.path("old"), loaded);
    CHECK(warnings.all().size() == 2);
    CHECK(warnings.mention("has no checksum"));
    CHECK(warnings.mention("does not say of which graph or recipe"));
  }
  CHECK(state_of(loaded) == state_of(saved));
  const CaughtWarnings warnings;
  save_checkpoint(dir.path("old"), loaded);
  load_checkpoint(dir.path("old"), loaded);
  CHECK(warnings.all().empty());
}

TEST_CASE("every flipped bit of a checkpoint is refused, and the model stays as it is") {
  const TemporaryDirectory dir;
  Graph g;
  g.output(linear(g.input({3}), {.units = 2}).named("fc"));
  Model model(g, Rng(1));
  const CaughtWarnings warnings;
  save_checkpoint(dir.path("m"), model);
  const std::vector<std::uint8_t> whole = read_file(dir.path("m"));
  std::vector<std::uint8_t> damaged = whole;
  const State before = state_of(model);
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const std::string path = dir.write("d", {reinterpret_cast<const char*>(damaged.data()), damaged.size()});
    INFO("bit " << bit);
    REQUIRE_THROWS_AS(load_checkpoint(path, model), Error);
    damaged[bit / 8] = whole[bit / 8];
  }
  CHECK(state_of(model) == before);
  CHECK(warnings.all().empty());
  load_checkpoint(dir.path("m"), model);
}

TEST_CASE("values that nothing can compute with are refused before anything is changed") {
  const TemporaryDirectory dir;
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const Recipe& recipe : {recipes::int8(), recipes::w4a4_lsq()}) {
    QatModel saved = calibrated(recipe);
    saved.start_quantizing();
    save_checkpoint(dir.path("m"), saved);
    QatModel into = prepared(recipe, 2);
    const auto floats = [&](const std::string& name, float value) {
      rewrite<float>(dir.path("m"), dir.path("b"), name, [&](std::span<float> x) { x.back() = value; });
      return refusal_of(dir.path("b"), into);
    };
    for (const float value : {nan, inf, -inf}) {
      for (const char* name :
           {"conv.weight", "logits.bias", "batch_norm_1.gamma", "batch_norm_1.mean", "batch_norm_1.variance"}) {
        CHECK_THAT(floats(name, value), ContainsSubstring("range: checkpoint ") && ContainsSubstring(name) &&
                                            ContainsSubstring("values are NaN or infinite"));
      }
    }
    CHECK_THAT(floats("batch_norm_1.variance", -1e-3f),
               ContainsSubstring("a variance is -0.001, must not be negative"));
    CHECK(floats("batch_norm_1.variance", 0.0f) == "loaded");
    if (recipe.learned_weights) {
      CHECK_THAT(floats("quantizer/act.range.scale", nan), ContainsSubstring("act.range.scale: 1 of 1"));
      CHECK_THAT(floats("quantizer/middle.weight_range.scale", inf),
                 ContainsSubstring("middle.weight_range.scale: 1 of 3"));
    }
    for (const float scale : {nan, inf, -inf, 0.0f, -0.0f, -1.0f, -3.4e38f, 1e-40f}) {
      CHECK_THAT(floats("quantizer/act.scale", scale),
                 ContainsSubstring("range: ") && ContainsSubstring("quantizer of act: scale"));
    }
    const std::int32_t top = saved.quantizer("act").grid().hi;
    for (const std::int32_t zero :
         {top + 1, -129, std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()}) {
      rewrite<std::int32_t>(dir.path("m"), dir.path("b"), "quantizer/act.zero_point", [&](auto x) { x[0] = zero; });
      CHECK_THAT(refusal_of(dir.path("b"), into), ContainsSubstring("quantizer of act: zero point"));
    }
    for (const std::int64_t state : {std::int64_t{3}, std::int64_t{-1}, std::int64_t{1} << 32}) {
      rewrite<std::int64_t>(dir.path("m"), dir.path("b"), "quantizer/act.state", [&](auto x) { x[0] = state; });
      CHECK_THAT(refusal_of(dir.path("b"), into), ContainsSubstring("range: ") && ContainsSubstring("act"));
    }
    rewrite<std::uint8_t>(dir.path("m"), dir.path("b"), "quantizer/act.calibrated", [&](auto x) { x[0] = 2; });
    CHECK_THAT(refusal_of(dir.path("b"), into), ContainsSubstring("act.calibrated: is 2, must be 0 or 1"));
    rewrite<std::uint8_t>(dir.path("m"), dir.path("b"), "quantizer/act.calibrated", [&](auto x) { x[0] = 0; });
    CHECK_THAT(refusal_of(dir.path("b"), into), ContainsSubstring("quantizer of act: makes codes without a range"));
  }
}

TEST_CASE("a model with NaN is not saved, and the last good file stays") {
  const TemporaryDirectory dir;
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  QatModel good = calibrated(recipes::w4a4_lsq());
  save_checkpoint(dir.path("m"), good);
  const std::vector<std::uint8_t> file = read_file(dir.path("m"));
  const std::vector<std::function<void(QatModel&)>> faults{
      [](QatModel& q) { q.model().parameter("conv.weight").value.edit()[3] = nan; },
      [](QatModel& q) { q.model().buffer("batch_norm_1.variance").edit()[1] = std::numeric_limits<float>::infinity(); },
      [](QatModel& q) { q.model().buffer("batch_norm_1.variance").edit()[1] = -1.0f; },
      [](QatModel& q) {
        for (const Unit& unit : q.units()) {
          if (unit.learns_weight_scale) q.weight_range(unit).parameters()[0]->value.edit()[0] = nan;
        }
      },
      [](QatModel& q) { q.quantizer("act").learned_range().parameters()[0]->value.edit()[0] = nan; },
  };
  for (const auto& spoil : faults) {
    QatModel bad = good;
    spoil(bad);
    CHECK_THROWS_WITH(save_checkpoint(dir.path("m"), bad), ContainsSubstring("nothing is written"));
    CHECK(read_file(dir.path("m")) == file);
    CheckpointWriter writer;
    CHECK_THROWS_AS(writer.model(bad), Error);
  }
  Model plain(network(), Rng(1));
  plain.parameter("logits.bias").value.edit()[0] = nan;
  CHECK_THROWS_WITH(
      save_checkpoint(dir.path("n"), plain),
      ContainsSubstring("checkpoint: logits.bias: 1 of 2 values are NaN or infinite, the first at index 0"));
  CHECK(dir.files() == 1);
}

TEST_CASE("values that nothing can compute with are refused by convert and found by check, however they came") {
  constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const Recipe& recipe : {recipes::int8(), recipes::w2a2_lsq(), recipes::binary()}) {
    const QatModel good = calibrated(recipe);
    CHECK(check(good).ok());
    for (const float value : {not_a_number, inf}) {
      for (const char* parameter :
           {"conv.weight", "middle.weight", "logits.weight", "logits.bias", "batch_norm_1.gamma"}) {
        QatModel bad = good;
        bad.model().parameter(parameter).value.edit()[0] = value;
        INFO(recipe.name << " " << parameter);
        CHECK_THROWS_WITH(convert(bad), ContainsSubstring(parameter));
        CHECK_FALSE(check(bad).ok());
      }
    }
    for (const float value : {not_a_number, inf, -1.0f}) {
      QatModel bad = good;
      bad.model().buffer("batch_norm_1.variance").edit()[0] = value;
      CHECK_THROWS_WITH(convert(bad), ContainsSubstring("batch_norm_1.variance"));
      CHECK_FALSE(check(bad).ok());
    }
    QatModel bad = good;
    for (const float scale : {not_a_number, inf, 0.0f, -3.4e38f}) {
      CHECK_THROWS_WITH(bad.quantizer("act").fix(scale, -128), ContainsSubstring("quantizer of act: scale"));
    }
    for (const std::int32_t zero :
         {std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()}) {
      CHECK_THROWS_WITH(bad.quantizer("act").fix(0.1f, zero), ContainsSubstring("quantizer of act: zero point"));
    }
    CHECK(state_of(bad) == state_of(good));
  }
}

}  // namespace checkpoint_faults_test
