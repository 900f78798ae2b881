#include "options.hpp"

#include "../common/command_line.hpp"
#include "networks.hpp"

#include <stet/data/idx.hpp>

namespace example {

Options read_options(int argc, char** argv) {
  Options o;
  o.data_directory = stet::fashion_mnist_directory;
  CLI::App app(
      "Trains a network in FP32, quantizes it after training and with quantization-aware training, runs the integers "
      "and compares.");
  app.add_option("--network", o.network, "the network")
      ->check(CLI::IsMember(network_names()))
      ->capture_default_str();
  app.add_option("--epochs", o.epochs, "epochs of FP32 training")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--qat-epochs", o.qat_epochs, "epochs of QAT, and of the FP32 control")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seed", o.seed, "of initial weights and of the order of images")->capture_default_str();
  add_threads(app, o.threads);
  add_batch(app, o.batch);
  add_rate(app, "--lr", o.lr, "FP32 training");
  add_rate(app, "--qat-lr", o.qat_lr, "QAT and of the FP32 control");
  add_target(app, o.target);
  bool per_channel = false;
  auto* tensor = app.add_flag("--per-tensor", o.per_tensor, "one weight scale per convolution");
  app.add_flag("--per-channel", per_channel, "one weight scale per output channel (default)")->excludes(tensor);
  add_data(app, o.data);
  add_data_directory(app, o.data_directory);
  app.add_flag("--quick", o.quick, "every stage on a tenth of the images and few epochs, within a minute of training");
  add_images(app, o.images);
  add_folder(app, o.out, o.begin);
  parse_or_exit(app, argc, argv);
  o.values = option_values(app);
  return o;
}

}  // namespace example
