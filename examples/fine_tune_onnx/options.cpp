#include "options.hpp"

#include "../common/command_line.hpp"

#include <stet/data/idx.hpp>

namespace example {

Options read_options(int argc, char** argv) {
  Options o;
  o.data_directory = stet::fashion_mnist_directory;
  CLI::App app(
      "Takes a float image classifier that was trained elsewhere (.onnx or .tflite), calibrates it, fine-tunes it with "
      "quantization-aware training and writes int8 files.");
  app.add_option("model", o.model, "the classifier: a float .onnx or .tflite file")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--data-dir", o.data_directory,
                 "folder of train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
                 "t10k-labels-idx1-ubyte, plain or .gz")
      ->capture_default_str();
  app.add_option("--mean", o.mean, "subtracted from pixel / 255: one number, or one per channel")
      ->capture_default_str();
  app.add_option("--std", o.std, "what is left is divided by it: one number, or one per channel")
      ->capture_default_str();
  app.add_option("--epochs", o.epochs, "epochs of QAT")->check(CLI::PositiveNumber)->capture_default_str();
  add_rate(app, "--lr", o.lr, "QAT");
  add_batch(app, o.batch);
  app.add_option("--calibration", o.calibration, "training images that are drawn for calibration")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_images(app, o.images);
  app.add_option("--seed", o.seed, "of the order of images")->capture_default_str();
  add_threads(app, o.threads);
  add_target(app, o.target);
  app.add_flag("--new-head", o.new_head, "replace the last layer by a fresh one with as many classes as the data have");
  app.add_flag("--per-tensor", o.per_tensor, "one weight scale per convolution");
  add_folder(app, o.out, o.begin);
  parse_or_exit(app, argc, argv);
  o.values = option_values(app);
  return o;
}

}  // namespace example
