// The body of both units, in the namespace STET_ODR_NAME: a small network from training to integers.
#include "odr.hpp"

namespace STET_ODR_NAME {

stet::IntegerModel train(const stet::Dataset& data) {
  stet::Graph g;
  auto x = g.input(data.shape());
  x = relu(batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .stride = 2})));
  x = relu6(batch_norm(depthwise_conv2d(x, {.kernel = 3})));
  x = max_pool(x, {.size = 2});
  g.output(linear(global_average_pool(x), {.units = 10}));
  stet::Model model(std::move(g), stet::Rng(1));
  fit(model, data, {.epochs = 1, .batch = 32, .progress = stet::ProgressMode::quiet});
  stet::QatModel qat = prepare(model, stet::recipes::int8());
  calibrate(qat, data);
  fit(qat, data, {.epochs = 1, .batch = 32, .progress = stet::ProgressMode::quiet});
  return convert(qat);
}

std::vector<std::int8_t> run(const stet::IntegerModel& model, const stet::Tensor<float>& images) {
  stet::Engine engine(model);
  const auto codes = engine.run(images).codes;
  return {codes.span().begin(), codes.span().end()};
}

std::vector<float> fake_quantize(const std::vector<float>& x) {
  std::vector<float> y(x.size());
  stet::fake_quantize(x, stet::choose_qparams(stet::min_max(x), stet::Grid::int8()), y);
  return y;
}

std::vector<float> product(const stet::Tensor<float>& x, const stet::Tensor<float>& w) {
  stet::Tape tape;
  const auto y = linear(tape.constant(x), tape.constant(w)).value();
  return {y.span().begin(), y.span().end()};
}

}  // namespace STET_ODR_NAME
