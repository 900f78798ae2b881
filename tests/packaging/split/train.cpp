// A unit that sees declarations: it trains, quantizes and converts.
#include <stet/data/shapes.hpp>
#include <stet/stet.hpp>

double other_unit();

int main() {
  const stet::DatasetSplit data = stet::make_shapes(1, 256, 64);
  stet::Graph g;
  auto x = g.input(data.train.shape());
  x = max_pool(relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3}))), {.size = 2});
  g.output(linear(global_average_pool(x), {.units = 10}));
  stet::Model model(std::move(g), stet::Rng(1));
  const auto report = fit(model, data.train, {.epochs = 2, .progress = stet::ProgressMode::quiet});
  stet::QatModel qat = prepare(model, stet::recipes::int8());
  calibrate(qat, data.train);
  fit(qat, data.train, {.epochs = 1, .progress = stet::ProgressMode::quiet});
  const bool trained = report.epochs.back().loss < report.epochs.front().loss;
  return trained && !convert(qat).nodes.empty() && other_unit() < 0.02 ? 0 : 1;
}
