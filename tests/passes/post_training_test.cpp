#include <stet/passes/post_training.hpp>

#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/qat_forward.hpp>
#include <stet/model/quantize.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <string>
#include <vector>

namespace post_training_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;

namespace {

const DatasetSplit& images() {
  static const DatasetSplit data = make_shapes(1, 2000, 2000);
  return data;
}

const Model& trained() {
  static const Model model = [] {
    Graph g;
    auto x = g.input({28, 28, 1});
    x = max_pool(relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2, .bias = false}))), {.size = 2});
    x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3, .bias = false})));
    g.output(linear(flatten(x), {.units = 10}));
    Model m(std::move(g), Rng(1));
    (void)fit(m, images().train, {.epochs = 6, .optimizer = Adam{.lr = 3e-3}, .progress = ProgressMode::quiet});
    return m;
  }();
  return model;
}

Evaluation deployed(const Recipe& recipe, const QuantizeOptions& options) {
  return evaluate(Engine(quantize(trained(), recipe, images().train, options)), images().test);
}

}  // namespace

TEST_CASE("without passes it is quantize") {
  const Tensor<float> x = images().test.batch(0, 50).x;
  const Tensor<float> a = infer(Engine(quantize(trained(), recipes::int8(), images().train)), x);
  const Tensor<float> b = infer(Engine(quantize(trained(), recipes::int8(), images().train, QuantizeOptions{})), x);
  CHECK(stet_test::same_bits(a, b));
}

TEST_CASE("passes run in order, each where it belongs") {
  std::vector<std::string> said;
  const auto pass = [&](const char* name, bool before, bool after) {
    PostTrainingPass p{name, {}, {}};
    if (before) p.before_prepare = [&said, name](Model&, const Dataset&) { said.push_back(std::string(name) + " before"); };
    if (after) {
      p.after_calibrate = [&said, name](QatModel& q, const Dataset& data) {
        CHECK(q.calibrated());
        CHECK(data.size() == images().train.size());
        said.push_back(std::string(name) + " after");
      };
    }
    return p;
  };
  (void)calibrated(trained(), recipes::int8(), images().train, {.passes = {pass("a", false, true), pass("b", true, true), pass("c", true, false)}});
  CHECK(said == std::vector<std::string>{"b before", "c before", "a after", "b after"});
  CHECK_THROWS_WITH(calibrated(trained(), recipes::int8(), images().train, {.passes = {pass("idle", false, false)}}), ContainsSubstring("'idle' does nothing"));
}

TEST_CASE("re-estimating batch norm lowers the loss that few bits bring without training", "[slow]") {
  Recipe recipe = recipes::int8();
  recipe.weights = symmetric(3);
  recipe.linear_weights = symmetric(3);
  const double fp32 = evaluate(trained(), images().test).loss, plain = deployed(recipe, {}).loss;
  REQUIRE(plain > fp32 + 0.02);
  const double helped = deployed(recipe, {.passes = {passes::reestimated({.batches = 10})}}).loss;
  CHECK(helped < plain);
}

TEST_CASE("what is calibrated may be trained on, and the model that was given stays as it was") {
  const Model before = trained();
  QatModel qat = calibrated(trained(), recipes::int8_per_tensor(), images().train, {.passes = {passes::equalized(), passes::reestimated({.batches = 4})}, .calibrate = {.images = 256}});
  CHECK(qat.calibrated());
  CHECK(qat.calibration_data().images == 256);
  for (std::size_t i = 0; i < before.parameters().size(); ++i) {
    CHECK(stet_test::same_bits(before.parameters()[i].parameter.value, trained().parameters()[i].parameter.value));
  }
  const Tensor<float> x = images().test.batch(0, 20).x;
  CHECK(stet_test::same_bits(infer(qat, x), infer(Engine(convert(qat)), x)));
}

TEST_CASE("an error of a pass says whose it is") {
  const PostTrainingPass faulty{"mine", {}, [](QatModel&, const Dataset&) { fail(Errc::unsupported, "not here"); }, {}};
  CHECK_THROWS_WITH(quantize(trained(), recipes::int8(), images().train, {.passes = {faulty}}), ContainsSubstring("quantize: pass 'mine': not here"));
}

}  // namespace post_training_test
