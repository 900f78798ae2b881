#include "options.hpp"

#include "../common/command_line.hpp"

#include <stet/data/idx.hpp>

namespace example {

namespace {

void add_data(CLI::App& app, DataSource& d) {
  app.add_option("--data,--data-dir", d.train,
                 "what to train on: a folder of the four MNIST files (t10k is the test part); a folder of one folder per class with .png, .jpg "
                 "or .wav files, or of two such folders, train and test; a .csv; a .npy (with --answers)")
      ->check(CLI::ExistingPath)
      ->capture_default_str();
  app.add_option("--answers", d.train_answers, "beside a .npy: integers [N] for classes or real numbers, .npy")->check(CLI::ExistingFile);
  app.add_option("--test", d.test, "what to test with, of the same kind; without it a part of --data, drawn by the seed with every class in it")->check(CLI::ExistingPath);
  app.add_option("--test-answers", d.test_answers, "as --answers")->check(CLI::ExistingFile);
  app.add_option("--test-share", d.test_share, "the part for the test where there is no --test")->check(CLI::Range(0.0, 1.0))->capture_default_str();
  app.add_option("--column", d.column, "of a .csv, the one with the answers: texts or integers are classes; without it the last one");
  app.add_option("--separator", d.separator, "of a .csv, one character or tab")->capture_default_str();
  app.add_flag("--no-header", d.no_header, "the first line of the .csv is data; columns are named 0, 1, ...");
  app.add_flag("--regression", d.regression, "the answers are real numbers, even if they are whole");
  app.add_flag("--channels-first", d.channels_first, "the .npy has images [N,C,H,W]");
  app.add_option("--mean", d.mean, "subtracted from inputs (of pictures, pixel / 255): one number, or one per channel")->capture_default_str();
  app.add_option("--std", d.std, "what is left is divided by it: one number, or one per channel")->capture_default_str();
  app.add_flag("--standardize", d.standardize, "by mean and deviation of the training part in place of these: every column of a table, or channel; targets too");
  app.add_flag("--balance", d.balance, "samples weigh so that all classes count alike");
  app.add_option("--images,--samples", d.samples, "training samples that are used; 0: all")->check(CLI::NonNegativeNumber)->capture_default_str();
  app.add_option("--sound-window", d.sound_window, "of .wav files, samples per moment; features are log-mel [moments, bands], as many as the model has")->capture_default_str();
  app.add_option("--sound-hop", d.sound_hop, "samples from moment to moment")->capture_default_str();
  app.add_option("--sound-low", d.sound_low, "where the lowest band begins, Hz")->capture_default_str();
  app.add_option("--sound-high", d.sound_high, "where the highest band ends, Hz")->capture_default_str();
}

}  // namespace

Options read_options(int argc, char** argv) {
  Options o;
  o.data.train = stet::fashion_mnist_directory;
  std::vector<std::string> bits;
  CLI::App app(
      "Takes a float network that was trained elsewhere (.onnx or .tflite) and data of one's own, replaces its head, trains it in FP32 and "
      "quantized, and writes float and int8 files for all runtimes. One input, one output: scores of classes, or real numbers.");
  app.add_option("model", o.model, "the network: a float .onnx or .tflite file")->required()->check(CLI::ExistingFile);
  add_data(app, o.data);
  app.add_option("--end", o.ends, "cut the network behind this value of the file");
  app.add_flag("--new-head", o.new_head, "replace the last layer by a fresh one with as many outputs as the data have classes or targets");
  app.add_option("--freeze", o.freeze, "nodes that training leaves as they are, all the time; * stands for any characters (the table names them)");
  app.add_option("--augment", o.augment, "what is done to training batches: flip, shift=PIXELS, noise=SIGMA, mixup=ALPHA");
  app.add_option("--head-epochs", o.head_epochs, "epochs of FP32 in which all but a new head is frozen; without it 2 with --new-head")->check(CLI::NonNegativeNumber);
  app.add_option("--float-epochs", o.float_epochs, "epochs of FP32 behind them")->check(CLI::NonNegativeNumber)->capture_default_str();
  app.add_option("--epochs", o.epochs, "epochs of QAT")->check(CLI::PositiveNumber)->capture_default_str();
  add_rate(app, "--head-lr", o.head_lr, "the new head");
  add_rate(app, "--float-lr", o.float_lr, "FP32");
  add_rate(app, "--lr", o.lr, "QAT");
  app.add_flag("--find-rate", o.find_rate, "search the learning rate of QAT, print the curve and take what it suggests");
  add_batch(app, o.batch);
  app.add_option("--calibration", o.calibration, "training samples that are drawn for calibration")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--bits", bits, "NODES=BITS: weights of so many bits (2 to 8) there, say 'conv2d_*=4'");
  app.add_option("--keep-float", o.keep_float, "nodes that are not quantized");
  app.add_flag("--keep-float-unsupported", o.keep_float_unsupported, "what the target has no integers for stays float, in place of an error");
  app.add_option("--seed", o.seed, "of new weights, the order of samples and the split")->capture_default_str();
  add_threads(app, o.threads);
  add_target(app, o.target);
  app.add_flag("--per-tensor", o.per_tensor, "one weight scale per convolution");
  add_folder(app, o.out, o.begin);
  parse_or_exit(app, argc, argv);
  for (const std::string& text : bits) {
    const auto at = text.rfind('=');
    const bool good = at != std::string::npos && at > 0 && at + 2 == text.size() && text[at + 1] >= '2' && text[at + 1] <= '8';
    stet::require(good, stet::Errc::range, "--bits {}: wants NODES=BITS with 2 to 8 bits", text);
    o.bits.emplace_back(text.substr(0, at), text[at + 1] - '0');
  }
  if (o.head_epochs < 0) o.head_epochs = o.new_head ? 2 : 0;
  o.values = option_values(app);
  return o;
}

}  // namespace example
