#include "options.hpp"

#include <stet/data/idx.hpp>

#include <CLI/CLI.hpp>

#include <cstdlib>

namespace example {

Options read_options(int argc, char** argv) {
  Options o;
  o.data_directory = stet::fashion_mnist_directory;
  CLI::App app(
      "Trains a network in FP32, quantizes it after training and with quantization-aware training, runs the integers "
      "and "
      "compares.");
  app.add_option("--network", o.network, "plain, separable or residual")
      ->check(CLI::IsMember({"plain", "separable", "residual"}))
      ->capture_default_str();
  app.add_option("--epochs", o.epochs, "epochs of FP32 training")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--qat-epochs", o.qat_epochs, "epochs of QAT, and of the FP32 control")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seed", o.seed, "of initial weights and of the order of images")->capture_default_str();
  app.add_option("--threads", o.threads, "0: all; results do not depend on it")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--batch", o.batch, "images per step")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--lr", o.lr, "learning rate of FP32 training (Adam, cosine)")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--qat-lr", o.qat_lr, "learning rate of QAT and of the FP32 control (Adam, cosine)")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--target", o.target, "arithmetic to train for: litert_default, tflite_reference or onnxruntime")
      ->check(CLI::IsMember({"litert_default", "tflite_reference", "onnxruntime"}))
      ->capture_default_str();
  bool per_channel = false;
  auto* tensor = app.add_flag("--per-tensor", o.per_tensor, "one weight scale per convolution");
  app.add_flag("--per-channel", per_channel, "one weight scale per output channel (default)")->excludes(tensor);
  app.add_option("--data", o.data, "fashion-mnist, or shapes: images that this program draws itself")
      ->check(CLI::IsMember({"fashion-mnist", "shapes"}))
      ->capture_default_str();
  app.add_option("--data-dir", o.data_directory, "folder of the four Fashion-MNIST files")->capture_default_str();
  app.add_flag("--quick", o.quick, "every stage on a tenth of the images and few epochs, within a minute of training");
  app.add_flag("--resume", o.resume, "continue an interrupted run with the same options and --out");
  app.add_option("--out", o.out, "folder for results, checkpoints and models")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  return o;
}

}  // namespace example
