// Fine-tunes a classifier from another framework with QAT: load, calibrate, train, write int8 files.

#include "../common/run_program.hpp"
#include "../common/say.hpp"
#include "classifier.hpp"
#include "options.hpp"

#include <stet/engine/engine.hpp>
#include <stet/io/integers.hpp>
#include <stet/io/save_onnx.hpp>
#include <stet/io/save_tflite.hpp>
#include <stet/stet.hpp>

namespace example {

namespace {

using namespace stet;

void print_row(const char* name, const Evaluation& e) {
  say("{:<24}{:>8.2f} %{:>12.4f}\n", name, 100 * e.accuracy, e.loss);
}

int run(const Options& o) {
  set_threads(o.threads);
  Model model = load_classifier(o.model);
  const Shape input = model.graph().node(model.graph().inputs()[0]).shape;
  DatasetSplit raw = load_mnist(o.data_directory, o.data_directory);
  if (o.new_head) model = replace_head(model, raw.train.classes(), Rng(o.seed));
  say("{}", table(model.graph()));

  if (o.images > 0) raw.train = raw.train.first(o.images);
  const DatasetSplit data{normalize(raw.train, input, o.mean, o.std), normalize(raw.test, input, o.mean, o.std)};
  Recipe recipe = o.per_tensor ? recipes::int8_per_tensor() : recipes::int8();
  recipe.target = targets::by_name(o.target);

  QatModel qat = prepare(model, recipe);  // what cannot become integers is reported here, before anything is trained
  const RunFolder folder(o.out, "fine_tune_onnx", o.values,
                         {"qat.checkpoint", "qat.safetensors", "int8.safetensors", "qat_int8.tflite", "qat_int8.onnx"},
                         o.begin);  // and what cannot be written, here
  const Evaluation loaded = evaluate(model, data.test);
  calibrate(qat, data.train, {.images = o.calibration});
  const Evaluation quantized = evaluate(qat, data.test);
  FitOptions options{.epochs = o.epochs, .optimizer = Adam{.lr = o.lr}, .schedule = Cosine{}};
  options.batch = o.batch;
  options.seed = o.seed;
  options.title = "qat";
  options.checkpoint = folder.file("qat.checkpoint");
  options.resume = true;  // the folder has no checkpoint of another run
  say_warnings(fit(qat, data.train, options).warnings);

  const IntegerModel integers = convert(qat);
  save_checkpoint(folder.file("qat.safetensors"), qat);
  save_integers(folder.file("int8.safetensors"), integers);
  save_tflite(folder.file("qat_int8.tflite"), integers, {.float_input = true, .float_output = true});
  save_onnx(folder.file("qat_int8.onnx"), integers);
  folder.finish();

  say("\n{:<24}{:>10}{:>12}\n", o.data_directory == fashion_mnist_directory ? "Fashion-MNIST" : o.data_directory,
      "accuracy", "loss");
  print_row("as loaded, FP32", loaded);
  print_row("after calibration, int8", quantized);
  print_row("after QAT, int8 engine", evaluate(Engine(integers), data.test));
  say("\nqat_int8.tflite, qat_int8.onnx, int8.safetensors and qat.safetensors are in {}/.\n", o.out);
  return 0;
}

}  // namespace

}  // namespace example

int main(int argc, char** argv) {
  return example::run_program("fine_tune_onnx", [&] { return example::run(example::read_options(argc, argv)); });
}
