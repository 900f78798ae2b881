// Tutorial 3: a network in float, quantized without training, and trained quantized.   tutorial_first_qat

#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/stet.hpp>

using namespace stet;

int main() {
  Graph g;
  auto x = g.input({28, 28, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2})));
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3, .stride = 2})));
  g.output(linear(flatten(x), {.units = 10}));
  Model model(std::move(g), Rng(1));

  const DatasetSplit data = make_shapes(1, 2000, 1000);
  FitOptions options{.epochs = 6, .optimizer = Adam{.lr = 3e-3}, .schedule = Cosine{}, .progress = ProgressMode::quiet};
  fit(model, data.train, options);

  const Recipe recipe = recipes::w3a3_lsq();  // weights and activations of 3 bits, scales that are learned
  QatModel qat = prepare(model, recipe);
  calibrate(qat, data.train);
  const double untrained = evaluate(qat, data.test).accuracy;

  options.optimizer = Adam{.lr = 1e-3};
  fit(qat, data.train, options);
  Model control = model;  // as many epochs more in float: what QAT is compared with
  fit(control, data.train, options);

  const IntegerModel integers = convert(qat);
  const Engine engine(integers);
  fmt::print("float {:.1f} %, trained on {:.1f} %\n", 100 * evaluate(model, data.test).accuracy,
             100 * evaluate(control, data.test).accuracy);
  fmt::print("3 bits: before training {:.1f} %, after {:.1f} %\n", 100 * untrained,
             100 * evaluate(qat, data.test).accuracy);

  const Batch test = data.test.batch(0, 1000);
  const Tensor<float> trained = infer(qat, test.x), deployed = infer(engine, test.x);
  int different = 0;
  for (std::int64_t i = 0; i < trained.size(); ++i) different += trained[i] != deployed[i] ? 1 : 0;
  fmt::print("{} of {} outputs of the integer engine differ\n", different, trained.size());
}
