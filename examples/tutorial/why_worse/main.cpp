// Tutorial 4: quantized training that is worse, and why.   tutorial_why_worse

#include <stet/data/shapes.hpp>
#include <stet/diagnose/diagnose.hpp>
#include <stet/stet.hpp>

using namespace stet;

int main() {
  Graph g;
  auto x = g.input({28, 28, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2})));
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3, .stride = 2})));
  g.output(linear(flatten(x), {.units = 10}));
  Model model(std::move(g), Rng(1));
  const DatasetSplit data = make_shapes(1, 2000, 1200);
  FitOptions options{.epochs = 6, .optimizer = Adam{.lr = 3e-3}, .schedule = Cosine{}, .progress = ProgressMode::quiet};
  fit(model, data.train, options);

  // The fault: the network was trained on pixels of 0 to 1, and is calibrated on pixels of 0 to 255.
  Batch bytes = data.train.batch(0, 500);
  for (float& pixel : bytes.x.edit()) pixel *= 255;
  const Dataset wrong{bytes.x, bytes.labels, 10, "pixels of 0 to 255"};

  options.epochs = 2;
  options.optimizer = Adam{.lr = 1e-4};
  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, wrong);
  fit(qat, data.train, options);
  Model control = model;
  fit(control, data.train, options);
  fmt::print("float {:.1f} %, control {:.1f} %, QAT {:.1f} %\n", 100 * evaluate(model, data.test).accuracy,
             100 * evaluate(control, data.test).accuracy, 100 * evaluate(qat, data.test).accuracy);

  const Diagnosis d = diagnose({.fp32 = model,
                                .recipe = recipes::int8(),
                                .qat = &qat,
                                .control = &control,
                                .calibration = wrong,
                                .train = data.train,
                                .validation = data.test});
  fmt::print("{}\n", d.sentence);
  if (d.cause() == nullptr) return 1;
  fmt::print("cause: {}\ncure: {}\n", d.cause()->title, d.cause()->cure);

  QatModel cured = prepare(model, recipes::int8());
  calibrate(cured, data.train);
  fit(cured, data.train, options);
  fmt::print("QAT with the cure {:.1f} %\n", 100 * evaluate(cured, data.test).accuracy);
}
