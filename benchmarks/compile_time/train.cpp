// The whole training library: build, train, prepare, calibrate, fine-tune and convert a network.
#include <stet/stet.hpp>

using namespace stet;

static Graph net(int classes) {
  Graph g;
  auto x = g.input({28, 28, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3})));
  x = max_pool(x, {.size = 2});
  x = relu(batch_norm(conv2d(x, {.filters = 32, .kernel = 3})));
  g.output(linear(global_average_pool(x), {.units = classes}));
  return g;
}

int main() {
  const auto data = load_fashion_mnist();
  Model model(net(10), Rng(1));
  fit(model, data.train, {.epochs = 8, .optimizer = Adam{.lr = 1e-3f}, .schedule = Cosine{}});
  save_checkpoint("fp32.safetensors", model);
  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, data.train);
  fit(qat, data.train, {.epochs = 2, .optimizer = Adam{.lr = 1e-4f}, .schedule = Cosine{}});
  const IntegerModel deployed = convert(qat);
  return deployed.nodes.empty();
}
