#include "options.hpp"

#include "../common/command_line.hpp"
#include "../fashion_mnist/networks.hpp"

#include <stet/data/idx.hpp>

namespace example {

Options read_options(int argc, char** argv) {
  Options o;
  o.data_directory = stet::fashion_mnist_directory;
  CLI::App app(
      "Trains a network in FP32 and with quantization-aware training, in as many processes as mpirun starts; the files "
      "are "
      "the same for any number of them.");
  app.add_option("--network", o.network, "the network")->check(CLI::IsMember(network_names()))->capture_default_str();
  app.add_option("--epochs", o.epochs, "epochs of FP32 training")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--qat-epochs", o.qat_epochs, "epochs of QAT")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seed", o.seed, "of initial weights and of the order of images")->capture_default_str();
  app.add_option("--threads", o.threads, "of each process, 0: all cores; results do not depend on it")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_batch(app, o.batch);
  app.add_option("--part", o.part, "images of a part of a step; results depend on it, and not on who has which part")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_rate(app, "--lr", o.lr, "FP32 training");
  add_rate(app, "--qat-lr", o.qat_lr, "QAT");
  app.add_flag("--any-order", o.any_order,
               "add gradients as is fastest: the last bits then depend on the number of processes");
  app.add_option("--timeout", o.timeout, "seconds that processes wait for the slowest one")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_target(app, o.target);
  add_data(app, o.data);
  add_data_directory(app, o.data_directory);
  app.add_flag("--quick", o.quick, "a tenth of the images and few epochs");
  add_images(app, o.images);
  add_folder(app, o.out, o.begin);
  parse_or_exit(app, argc, argv);
  o.values = option_values(app);
  return o;
}

}  // namespace example
