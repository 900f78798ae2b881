// Dropout in quantized training: scaled codes reach the layers behind it with their own scale.

#include <stet/core/random.hpp>
#include <stet/graph/builder.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/prepare.hpp>
#include <stet/model/qat_forward.hpp>

#include "../support/catch.hpp"

#include <string>

namespace qat_dropout_test {

using namespace stet;

namespace {

Dataset images(std::int64_t n) {
  Rng rng(3);
  Tensor<float> x(Shape{n, 4, 4, 2});
  for (float& v : x.edit()) v = static_cast<float>(rng.uniform());
  return Dataset(x, Tensor<std::int32_t>::zeros({n}), 2, "noise");
}

double mean_of(const Tensor<float>& x) {
  double sum = 0;
  for (const float v : x.span()) sum += static_cast<double>(v);
  return sum / static_cast<double>(x.size());
}

}  // namespace

TEST_CASE("dropout keeps the mean of a layer behind it") {
  Graph g;
  auto x = relu6(dropout(g.input({4, 4, 2}), {.rate = 0.5f}));
  g.output(linear(flatten(x), {.units = 3}));
  Model model(std::move(g), Rng(1));
  for (float& w : model.parameter("linear_1.weight").value.edit()) w = 0.25f;
  const Dataset data = images(64);
  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, data);
  // Room above: the sum of half of the elements, doubled, may exceed what calibration saw.
  qat.quantizer("linear_1").fix({0.0f, 20.0f});
  qat.start_quantizing();
  const Batch batch = data.batch(0, 64);
  double sum = 0;
  Rng rng(9);
  for (int i = 0; i < 20; ++i) {
    Tape tape;
    sum += mean_of(forward(tape, qat, batch.x, Mode::training, {.rng = &rng}).value());
  }
  const double deployed = mean_of(infer(qat, batch.x));
  CHECK(sum / 20 == Approx(deployed).epsilon(0.03));
}

TEST_CASE("prepare refuses dropout whose scale would have to be shared by a concat") {
  Graph g;
  const auto x = g.input({4, 4, 2});
  g.output(linear(flatten(concat({dropout(x, {.rate = 0.5f}), x}, 2)), {.units = 2}));
  const Model model(std::move(g), Rng(1));
  try {
    (void)prepare(model, recipes::int8());
    FAIL("expected an error");
  } catch (const Error& e) {
    CHECK(e.code() == Errc::unsupported);
    CHECK(std::string(e.what()).find("behind the concat") != std::string::npos);
  }
}

}  // namespace qat_dropout_test
