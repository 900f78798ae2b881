#include "options.hpp"

#include "../common/command_line.hpp"
#include "../fashion_mnist/networks.hpp"

#include <stet/data/idx.hpp>

namespace example {

Options read_options(int argc, char** argv) {
  Options o;
  o.data_directory = stet::fashion_mnist_directory;
  CLI::App app(
      "Trains FP32, then fine-tunes it with 4, 3, 2 and 1 bits from the same checkpoint, runs the integers, and compares "
      "them with FP32 that was trained for as many epochs.");
  app.add_option("--network", o.network, "the network")
      ->check(CLI::IsMember(network_names()))
      ->capture_default_str();
  app.add_option("--recipes", o.recipes, "w4a4_lsq, w3a3_lsq, w2a2_lsq, binary")
      ->delimiter(',')
      ->check(CLI::IsMember({"w4a4_lsq", "w3a3_lsq", "w2a2_lsq", "binary"}))
      ->capture_default_str();
  app.add_option("--seeds", o.seeds, "one run each")->delimiter(',')->capture_default_str();
  app.add_option("--epochs", o.epochs, "epochs of FP32 training")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--qat-epochs", o.qat_epochs, "epochs of QAT, and of the FP32 control")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_batch(app, o.batch);
  add_rate(app, "--lr", o.lr, "FP32 training");
  add_rate(app, "--qat-lr", o.qat_lr, "QAT and of the FP32 control");
  app.add_option("--freeze-ranges", o.freeze_ranges_at, "part of the run after which scales stay")->capture_default_str();
  app.add_option("--freeze-batch-norm", o.freeze_batch_norm_at, "part of the run after which batch norm is folded")
      ->capture_default_str();
  app.add_flag("--no-distill", o.no_distill, "learn from the labels alone, not also from the FP32 network");
  app.add_flag("--reestimate", o.reestimate, "estimate batch norm's statistics again before converting");
  app.add_flag("--freeze-oscillations", o.freeze_oscillations, "freeze weights that flip between two codes");
  app.add_option("--dampen", o.dampen, "strength of the pull of weights towards their codes at the end of the run")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--estimator", o.estimator, "gradient of rounding weights: clipped, ste, ewgs, dsq, tanh or sigmoid")
      ->check(CLI::IsMember({"clipped", "ste", "ewgs", "dsq", "tanh", "sigmoid"}))
      ->capture_default_str();
  app.add_option("--depthwise-bits", o.depthwise_bits, "bits of depthwise layers and of what they make; 0: as the others")
      ->check(CLI::IsMember({0, 2, 3, 4, 5, 6, 7, 8}))
      ->capture_default_str();
  add_threads(app, o.threads);
  add_data_directory(app, o.data_directory);
  app.add_flag("--quick", o.quick, "one seed, a tenth of the images, one epoch each");
  add_images(app, o.images);
  add_folder(app, o.out, o.begin);
  parse_or_exit(app, argc, argv);
  o.values = option_values(app);
  return o;
}

}  // namespace example
