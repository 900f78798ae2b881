#include "options.hpp"

#include "../common/command_line.hpp"

#include <stet/data/idx.hpp>

namespace example {

Options read_options(int argc, char** argv) {
  Options o;
  o.data_directory = stet::fashion_mnist_directory;
  CLI::App app(
      "Says why a quantized model is worse than its FP32 model, if it is. Exit status: 0 no difference, 3 a cause was found, "
      "4 worse and no cause found, 1 an error.");
  app.add_option("--fp32", o.fp32, "the checkpoint that QAT started from: fp32.safetensors of the main job, or a float .onnx or .tflite")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--qat", o.qat, "what training made of it: qat.safetensors, several for several seeds; without it the question is about quantization without training")
      ->check(CLI::ExistingFile);
  app.add_option("--control", o.control, "FP32 trained on for as many epochs as QAT; several in the order of --qat")->check(CLI::ExistingFile);
  app.add_option("--reference", o.reference, "the FP32 model whose accuracy is quoted, if that is not --fp32")->check(CLI::ExistingFile);
  app.add_option("--recipe", o.recipe, "int8, int8_per_tensor, w4a4_lsq, w3a3_lsq, w2a2_lsq or binary; without it the one that --qat fits, else int8")
      ->check(CLI::IsMember({"int8", "int8_per_tensor", "w4a4_lsq", "w3a3_lsq", "w2a2_lsq", "binary"}));
  add_target(app, o.target);
  app.add_option("--data", o.data_directory,
                 "folder of train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, plain or .gz")
      ->capture_default_str();
  app.add_option("--images", o.images, "of the first half of the test images, on which cures are chosen; 0: all of it")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--train-images", o.train_images, "training images, the first of the file; 0: all")->check(CLI::NonNegativeNumber)->capture_default_str();
  app.add_flag("--prove", o.prove, "train again with the cure, over seeds, and compare on the second half of the test images (minutes)");
  app.add_option("--seeds", o.seeds, "of --prove")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--epochs", o.epochs, "of QAT, as it was trained; for --prove and the control")->check(CLI::PositiveNumber)->capture_default_str();
  add_rate(app, "--lr", o.lr, "QAT, as it was trained");
  add_batch(app, o.batch);
  app.add_option("--seed", o.seed, "of QAT, as it was trained")->capture_default_str();
  add_threads(app, o.threads);
  app.add_option("--html", o.html, "writes the report as one page");
  app.add_option("--json", o.json, "writes the diagnosis as JSON");
  app.callback([&] {
    if (o.control.size() > 1 && o.control.size() != o.qat.size()) throw CLI::ValidationError("--control", "one for all, or one per --qat");
  });
  parse_or_exit(app, argc, argv);
  return o;
}

}  // namespace example
