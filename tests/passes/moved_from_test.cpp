// What was moved from says so: none of the objects that a user holds goes on with what is no longer there.

#include <stet/engine/engine.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/stet.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

#include <utility>

namespace moved_from_test {

using namespace stet;
using namespace stet_test;

namespace {

Model small_model() {
  Graph g;
  const auto x = g.input({6, 6, 3});
  g.output(linear(global_average_pool(relu(conv2d(x, {.filters = 4, .kernel = 3}))), {.units = 3}).named("head"));
  return Model(std::move(g), Rng(1));
}

template <class F>
void says_so(const char* what, F use) {
  INFO(what);
  try {
    use();
    FAIL("went on");
  } catch (const Error& e) {
    INFO(e.what());
    CHECK(e.code() == Errc::state);
  }
}

}  // namespace

// NOLINTBEGIN(bugprone-use-after-move): that is the question
TEST_CASE("a model that was moved from is an error wherever it is used") {
  const Dataset data = random_dataset({6, 6, 3}, 20, 3, 1);
  const Tensor<float> x = random_images({6, 6, 3}, 2, 1);
  Model model = small_model();
  const Model moved = std::move(model);
  says_so("infer", [&] { (void)infer(model, x); });
  says_so("fit", [&] { fit(model, data, FitOptions{}); });
  says_so("prepare", [&] { (void)prepare(model, recipes::int8()); });
  says_so("check", [&] { (void)check(model, recipes::int8()); });
  says_so("parameter", [&] { (void)model.parameter("head.weight"); });
  says_so("save_checkpoint", [&] { save_checkpoint("nowhere/model.safetensors", model); });
  says_so("onnx_bytes", [&] { (void)onnx_bytes(model); });
  says_so("tflite_bytes", [&] { (void)tflite_bytes(model); });
}

TEST_CASE("a QatModel that was moved from is not calibrated, but an error") {
  const Dataset data = random_dataset({6, 6, 3}, 20, 3, 1);
  const Tensor<float> x = random_images({6, 6, 3}, 2, 1);
  QatModel qat = prepare(small_model(), recipes::int8());
  calibrate(qat, data);
  const QatModel moved = std::move(qat);
  says_so("calibrated", [&] { (void)qat.calibrated(); });
  says_so("quantizer", [&] { (void)qat.quantizer(0); });
  says_so("quantizer by name", [&] { (void)qat.quantizer("head"); });
  says_so("advance", [&] { qat.advance(1.0); });
  says_so("start_quantizing", [&] { qat.start_quantizing(); });
  says_so("freeze_ranges", [&] { qat.freeze_ranges(); });
  says_so("calibrate", [&] { calibrate(qat, data); });
  says_so("fit", [&] { fit(qat, data, FitOptions{}); });
  says_so("infer", [&] { (void)infer(qat, x); });
  says_so("check", [&] { (void)check(qat); });
  says_so("convert", [&] { (void)convert(qat); });
}

TEST_CASE("integers and data that were moved from are an error") {
  const Dataset data = random_dataset({6, 6, 3}, 20, 3, 1);
  IntegerModel integers = quantize(small_model(), recipes::int8(), data);
  const IntegerModel moved = std::move(integers);
  says_so("Engine", [&] { const Engine engine(integers); });

  Dataset gone = data;
  const Dataset kept = std::move(gone);
  CHECK(kept.size() == 20);
  CHECK(gone.size() == 0);
  says_so("batch", [&] { (void)gone.batch(0, 1); });
  says_so("slice", [&] { (void)gone.first(3); });
  says_so("labels", [&] { (void)gone.labels(); });
}

TEST_CASE("erased values that were moved from are an error or still whole") {
  AnyObserver observer = MinMaxObserver();
  const AnyObserver kept = std::move(observer);
  says_so("observer", [&] { (void)observer.empty(); });
  says_so("copy of an observer", [&] { const AnyObserver copy = observer; });
  says_so("recipe", [&] {
    Recipe recipe = recipes::w4a4_lsq();
    const Recipe taken = std::move(recipe);
    (void)prepare(small_model(), recipe);
  });
  AnyOptimizer optimizer = Sgd{.lr = 0.5f};
  const AnyOptimizer other = std::move(optimizer);
  CHECK(optimizer.lr() == other.lr());
  AnyEstimator estimator;
  const AnyEstimator second = std::move(estimator);
  CHECK(estimator.name() == second.name());
}
// NOLINTEND(bugprone-use-after-move)

}  // namespace moved_from_test
