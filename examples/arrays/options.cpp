#include "options.hpp"

#include "../common/command_line.hpp"

namespace example {

Options read_options(int argc, char** argv) {
  Options o;
  CLI::App app(
      "Trains a small network on arrays of one's own, in FP32 and quantized, and writes int8. Inputs are rows [N,F], "
      "time series "
      "[N,T,C] or images [N,H,W,C], scaled to about -1..1; answers are integers [N] for classes, or real numbers.");
  const auto file = [&](const char* name, std::string& path, const char* what) {
    app.add_option(name, path, what)->required()->check(CLI::ExistingFile);
  };
  file("--train-x", o.train_x, "inputs to train on, .npy");
  file("--train-y", o.train_y, "their answers, .npy");
  file("--test-x", o.test_x, "inputs to test with, .npy");
  file("--test-y", o.test_y, "their answers, .npy");
  app.add_option("--epochs", o.epochs, "epochs of FP32")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--qat-epochs", o.qat_epochs, "epochs of QAT, and of FP32 for comparison")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--width", o.width, "units or filters of the first layer")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_rate(app, "--lr", o.lr, "FP32; QAT takes a tenth of it");
  add_batch(app, o.batch);
  app.add_option("--seed", o.seed, "of the weights and the order of samples")->capture_default_str();
  add_threads(app, o.threads);
  add_folder(app, o.out, o.begin);
  parse_or_exit(app, argc, argv);
  o.values = option_values(app);
  return o;
}

}  // namespace example
