// Tutorial 6: a network from PyTorch, trained for other images, quantized and written.   tutorial_own_network NETWORK.onnx

#include <stet/data/shapes.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/model/load_onnx_integer.hpp>
#include <stet/stet.hpp>

using namespace stet;

namespace {

// How many codes two integer models compute otherwise.
void compare(const char* file, const IntegerModel& saved, const IntegerModel& loaded, const Tensor<float>& images) {
  const QTensor a = Engine(saved).run(images), b = Engine(loaded).run(images);
  int different = 0;
  for (std::int64_t i = 0; i < a.codes.size(); ++i) different += a.codes[i] != b.codes[i] ? 1 : 0;
  fmt::print("{}: {} of {} codes differ\n", file, different, a.codes.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print("usage: tutorial_own_network NETWORK.onnx, say tests/io/torch/conv_bn_relu.dynamo.onnx\n");
    return 2;
  }
  const Model loaded = load_onnx(argv[1]);
  fmt::print("{}\n", table(loaded.graph()));

  const Recipe recipe = recipes::int8();
  const CheckReport report = check(loaded, recipe);
  fmt::print("{}\n", report.str());
  if (!report.ok()) return 1;

  // The first five kinds of figures; the network knew ten classes of something else.
  const auto five = [](const Dataset& all) {
    const Tensor<std::int32_t> labels = all.batch(0, all.size()).labels;
    std::vector<std::int64_t> kept;
    for (std::int64_t i = 0; i < all.size(); ++i) {
      if (labels[i] < 5) kept.push_back(i);
    }
    const Batch b = all.subset(kept).batch(0, std::ssize(kept));
    return Dataset(b.x, b.labels, 5, "five figures");
  };
  const DatasetSplit all = make_shapes(1, 3000, 2000);
  const Dataset train = five(all.train), test = five(all.test);

  Model model = replace_head(loaded, 5);
  FitOptions options{.epochs = 6, .batch = 16, .optimizer = Adam{.lr = 4e-3}, .progress = ProgressMode::quiet};
  options.schedule = Cosine{};
  fit(model, train, options);

  QatModel qat = prepare(model, recipe);
  calibrate(qat, train);
  options.epochs = 2;
  options.optimizer = Adam{.lr = 3e-4};
  fit(qat, train, options);
  Model control = model;
  fit(control, train, options);
  fmt::print("float {:.1f} %, control {:.1f} %, QAT {:.1f} %\n", 100 * evaluate(model, test).accuracy,
             100 * evaluate(control, test).accuracy, 100 * evaluate(qat, test).accuracy);

  const IntegerModel integers = convert(qat);
  save_tflite("figures.tflite", integers);
  save_onnx("figures.onnx", integers);
  const Tensor<float> images = test.batch(0, test.size()).x;
  compare("figures.tflite", integers, load_tflite_integer("figures.tflite", integers.target), images);
  compare("figures.onnx", integers, load_onnx_integer("figures.onnx", integers.target), images);
}
