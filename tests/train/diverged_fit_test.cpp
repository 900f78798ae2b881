// Training that diverges: the first step that makes something NaN or infinite is named, and the last good checkpoint stays.
#include <stet/graph/builder.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/prepare.hpp>
#include <stet/train/entry_templates.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>

#include "io/temporary_directory.hpp"
#include "support/catch.hpp"
#include "support/networks.hpp"

#include <limits>
#include <string>
#include <vector>

namespace diverged_fit_test {

using namespace stet;
using namespace stet_test;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();

Model network() {
  Graph g;
  auto x = batch_norm(conv2d(g.input({4, 4, 1}), {.filters = 3, .kernel = 3, .bias = false}).named("first"));
  x = relu(conv2d(relu(x), {.filters = 3}).named("second"));
  g.output(linear(flatten(x), {.units = 2}).named("logits"));
  return Model(std::move(g), Rng(1));
}
Dataset images() { return random_dataset({4, 4, 1}, 32, 2, 5); }

FitOptions options(const std::string& checkpoint) {
  FitOptions o;
  o.epochs = 3;
  o.batch = 8;  // four steps an epoch
  o.progress = ProgressMode::quiet;
  o.checkpoint = checkpoint;
  return o;
}

// Trains while one value is spoilt, in step `step` of the run, before the update; gives the error and what the checkpoint holds.
template <class M>
std::string spoilt(M model, std::int64_t step, const std::string& parameter, float value, const std::string& path,
                   FitOptions o = {}) {
  if (o.checkpoint.empty()) o = options(path);
  o.on_gradients = [&](const StepReport& r) {
    if (r.step != step) return;
    for (const ParameterRef& ref : parameter_refs(model)) {
      if (ref.name == parameter && !ref.parameter->gradient.empty()) ref.parameter->gradient.edit()[0] = value;
    }
  };
  try {
    (void)fit(model, images(), o);
  } catch (const Error& e) {
    CHECK(e.code() == Errc::range);
    return e.what();
  }
  return "trained";
}

}  // namespace

TEST_CASE(
    "the step that makes a parameter not a number is named, also the last of an epoch, and the last good file stays") {
  const TemporaryDirectory dir;
  FitOptions one = options(dir.path("one"));
  one.epochs = 3, one.stop_after = 1;
  Model whole = network();
  (void)fit(whole, images(), one);
  for (const std::int64_t step : {4, 5, 7}) {  // epoch 2
    CHECK_THAT(spoilt(network(), step, "second.weight", not_a_number, dir.path("m")),
               ContainsSubstring("fit: second.weight became NaN or infinite in step " + std::to_string(step - 3) +
                                 " of epoch 2"));
    Model loaded = network();
    load_checkpoint(dir.path("m"), loaded);  // that of epoch 1
    CHECK(state_of(loaded) == state_of(whole));
    CHECK(std::remove(dir.path("m").c_str()) == 0);
  }
}

TEST_CASE("the first of several layers is named, and the state of an optimizer counts") {
  const TemporaryDirectory dir;
  Model model = network();
  FitOptions o = options(dir.path("m"));
  o.on_gradients = [&](const StepReport& r) {
    if (r.step != 1) return;
    for (const ParameterRef& ref : parameter_refs(model)) ref.parameter->gradient.edit()[0] = inf;
  };
  CHECK_THROWS_WITH(
      fit(model, images(), o),
      ContainsSubstring("first.weight became NaN or infinite (and 6 parameters more) in step 2 of epoch 1"));
  CHECK(dir.files() <= 1);  // the lock at most: there was no good epoch
  // The square overflows, the update is 0 and the parameter never moves again.
  CHECK_THAT(spoilt(network(), 2, "second.bias", 3e38f, dir.path("a")),
             ContainsSubstring("the buffers of adam for second.bias became NaN or infinite in step 3 of epoch 1"));
}

TEST_CASE("a running variance that overflows is noticed in its step") {
  const TemporaryDirectory dir;
  Model model = network();
  FitOptions o = options(dir.path("m"));
  o.on_step = [&](const StepReport& r) {
    if (r.step != 4) return;
    for (float& w : model.parameter("first.weight").value.edit()) w = 1e25f;
  };
  CHECK_THROWS_WITH(fit(model, images(), o),
                    ContainsSubstring("batch_norm_1.variance: 3 of 3 values are NaN or infinite") &&
                        ContainsSubstring("in step 2 of epoch 2"));
}

TEST_CASE("what a callback spoils is found at the end of the epoch") {
  const TemporaryDirectory dir;
  Model model = network();
  FitOptions o = options(dir.path("m"));
  o.on_step = [&](const StepReport& r) {
    if (r.step == 7) model.parameter("second.weight").value.edit()[1] = not_a_number;
  };
  CHECK_THROWS_WITH(fit(model, images(), o),
                    ContainsSubstring("second.weight: 1 of 9 values are NaN or infinite, the first at index 1") &&
                        ContainsSubstring("epoch 2"));
  Model loaded = network();
  load_checkpoint(dir.path("m"), loaded);
}

TEST_CASE("learned scales and weights of quantized models are watched, which hide NaN in codes") {
  const TemporaryDirectory dir;
  for (const Recipe& recipe : {recipes::int8(), recipes::w2a2_lsq(), recipes::binary()}) {
    QatModel qat = prepare(network(), recipe);
    calibrate(qat, images());
    CHECK_THAT(spoilt(qat, 3, "second.weight", not_a_number, dir.path("q")),
               ContainsSubstring("second.weight became NaN or infinite in step 4 of epoch 1"));
  }
  QatModel qat = prepare(network(), recipes::w4a4_lsq());
  calibrate(qat, images());
  std::string scale;
  for (const ParameterRef& ref : parameter_refs(qat)) {
    if (ref.name.find("range") != std::string::npos) scale = ref.name;
  }
  REQUIRE_FALSE(scale.empty());
  CHECK_THAT(spoilt(qat, 2, scale, not_a_number, dir.path("s")),
             ContainsSubstring(scale + " became NaN or infinite in step 3 of epoch 1"));
}

}  // namespace diverged_fit_test
