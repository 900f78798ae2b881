// The program of README.md, word for word (tests/packaging/readme.sh compares them).
#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/stet.hpp>
using namespace stet;

int main() {
  Graph g;
  auto x = g.input({28, 28, 1});  // height, width, channels; the batch is implicit
  x = max_pool(relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3}))), {.size = 2});
  x = relu(batch_norm(conv2d(x, {.filters = 32, .kernel = 3, .stride = 2})));
  g.output(linear(flatten(x), {.units = 10}));
  Model model(std::move(g), Rng(1));

  const DatasetSplit data = make_shapes(1, 6000, 1000);  // drawn images; load_fashion_mnist() reads real ones
  fit(model, data.train, {.epochs = 4, .schedule = Cosine{}});

  QatModel qat = prepare(model, recipes::int8());
  calibrate(qat, data.train);  // draws 1024 images, in any order of the data
  fit(qat, data.train, {.epochs = 2, .optimizer = Adam{.lr = 1e-4}, .schedule = Cosine{}});

  const IntegerModel integers = convert(qat);
  save_tflite("int8.tflite", integers);
  Engine engine(integers);  // runs the codes with which evaluate(qat) computes
  const Tensor<float> logits = infer(engine, data.test.batch(0, 8).x);
  fmt::print("FP32 {:.2f} %, QAT {:.2f} %, logits {}\n", 100 * evaluate(model, data.test).accuracy,
             100 * evaluate(qat, data.test).accuracy, logits.shape());
}
