// Trains, quantizes and runs a network on images that the library draws.
#include <cstdio>
#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/stet.hpp>
#include <stet/version.hpp>

double other_unit();

int main() {
  const stet::DatasetSplit data = stet::make_shapes(1, 256, 64);
  stet::Graph g;
  auto x = g.input(data.train.shape());
  x = max_pool(relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3}))), {.size = 2});
  g.output(linear(global_average_pool(x), {.units = 10}));
  stet::Model model(std::move(g), stet::Rng(1));
  fit(model, data.train, {.epochs = 1, .progress = stet::ProgressMode::quiet});
  stet::QatModel qat = prepare(model, stet::recipes::int8());
  calibrate(qat, data.train);
  stet::Engine engine(convert(qat));
  const stet::Tensor<float> logits = infer(engine, data.test.batch(std::vector<std::int64_t>{0, 1, 2}).x);
  std::printf("stet %d.%d.%d: %d logits\n", STET_VERSION_MAJOR, STET_VERSION_MINOR, STET_VERSION_PATCH,
              static_cast<int>(logits.size()));
  return logits.size() == 30 && other_unit() < 0.02 ? 0 : 1;
}
