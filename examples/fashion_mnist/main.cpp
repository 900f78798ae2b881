// Trains FP32, then compares: more FP32 epochs, post-training quantization, and quantization-aware training, the last in
// its training forward and in the integer engine.

#include "../common/export.hpp"
#include "../common/run_program.hpp"
#include "../common/say.hpp"
#include "compare.hpp"
#include "networks.hpp"
#include "options.hpp"
#include "report.hpp"

#include <stet/data/shapes.hpp>
#include <stet/diagnose/diagnose.hpp>
#include <stet/diagnose/html.hpp>
#include <stet/engine/engine.hpp>
#include <stet/io/integers.hpp>
#include <stet/io/save_c_program.hpp>
#include <stet/stet.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace example {

namespace {

using namespace stet;

DatasetSplit load_data(const Options& o) {
  if (o.data == "shapes") return make_shapes(o.seed);
  try {
    return load_fashion_mnist(o.data_directory);
  } catch (const Error& e) {
    throw Error(e.code(),
                std::string(e.what()) +
                    "\nWithout it, --data shapes trains on images that this program draws itself (the results "
                    "are then not about Fashion-MNIST and say so).");
  }
}

// What the program writes, besides what export_models does.
std::vector<std::string> own_files() {
  std::vector<std::string> names{"fp32.checkpoint",
                                 "fp32_continued.checkpoint",
                                 "qat.checkpoint",
                                 "results.json",
                                 "why.html",
                                 "fp32.safetensors",
                                 "qat.safetensors",
                                 "ptq_int8.safetensors",
                                 "int8.safetensors",
                                 "int8_outputs.npy",
                                 "int8/",
                                 "int8_program/int8_program.c",
                                 "int8_program/int8_program.h"};
  const std::vector<std::string> exported = exported_files();
  names.insert(names.end(), exported.begin(), exported.end());
  return names;
}

FitOptions fit_options(const Options& o, const char* title, int epochs, double lr, const std::string& checkpoint) {
  FitOptions f;
  f.epochs = epochs;
  f.batch = o.batch;
  f.optimizer = Adam{.lr = lr};
  f.schedule = Cosine{};
  f.seed = o.seed;
  f.title = title;
  f.checkpoint = checkpoint;
  f.resume = true;  // the folder has no checkpoint of another run
  return f;
}

Row row(const char* name, const Evaluation& e, std::int64_t bytes, double seconds) {
  return {name, e.correct, e.images, bytes, seconds};
}

int run(const Options& given) {
  Options o = given;
  set_threads(o.threads);
  DatasetSplit data = load_data(o);
  if (o.quick) {
    o.epochs = std::min(o.epochs, 2);
    o.qat_epochs = std::min(o.qat_epochs, 1);
    data.train = data.train.first(6000);
    data.test = data.test.first(2000);
  }
  if (o.images > 0) data.train = data.train.first(o.images);
  const std::string data_name =
      data.train.name() + (o.quick || o.images > 0 ? fmt::format(" (first {})", data.train.size()) : "");
  const RunFolder folder(o.out, "fashion_mnist", o.values, own_files(), o.begin);
  say("{} on {}: {} training and {} test images\n", o.network, data_name, data.train.size(), data.test.size());
  Report report{o.network, data_name, o.seed, threads(), {}, {}, {}, {}, {}};

  Model fp32(make_network(o.network), Rng(o.seed));
  const FitReport trained =
      fit(fp32, data.train, fit_options(o, "fp32", o.epochs, o.lr, folder.file("fp32.checkpoint")));
  save_checkpoint(folder.file("fp32.safetensors"), fp32);
  const std::int64_t float_bytes = file_size(folder.file("fp32.safetensors"));
  report.rows.push_back(row("fp32", evaluate(fp32, data.test), float_bytes, trained.seconds));

  Model continued = fp32;
  const FitReport more =
      fit(continued, data.train,
          fit_options(o, "fp32 continued", o.qat_epochs, o.qat_lr, folder.file("fp32_continued.checkpoint")));
  report.rows.push_back(row("fp32_continued", evaluate(continued, data.test), float_bytes, more.seconds));

  Recipe recipe = o.per_tensor ? recipes::int8_per_tensor() : recipes::int8();
  recipe.target = targets::by_name(o.target);
  const IntegerModel ptq = quantize(fp32, recipe, data.train);
  save_integers(folder.file("ptq_int8.safetensors"), ptq);
  report.rows.push_back(
      row("ptq_int8", evaluate(Engine(ptq), data.test), file_size(folder.file("ptq_int8.safetensors")), 0));

  QatModel qat = prepare(fp32, recipe);
  calibrate(qat, data.train);
  const FitReport tuned =
      fit(qat, data.train, fit_options(o, "qat", o.qat_epochs, o.qat_lr, folder.file("qat.checkpoint")));
  say_warnings(tuned.warnings);
  save_checkpoint(folder.file("qat.safetensors"), qat);
  const IntegerModel deployed = convert(qat);
  save_integers(folder.file("int8.safetensors"), deployed);
  save_integers_npy(folder.file("int8/"), deployed);
  const std::string program = folder.file("int8_program/int8_program.c");
  const ProgramMemory memory = save_c_program(program.substr(0, program.rfind('/')), deployed);
  report.program = {"int8_program/", memory.flash(), memory.ram()};
  const std::int64_t integer_bytes = file_size(folder.file("int8.safetensors"));
  report.rows.push_back(
      row("qat_int8_forward", evaluate(qat, data.test), file_size(folder.file("qat.safetensors")), tuned.seconds));
  report.rows.push_back(row("qat_int8_engine", evaluate(Engine(deployed), data.test), integer_bytes, tuned.seconds));

  Tensor<std::int8_t> outputs;
  report.bit_exact = compare(qat, deployed, data.test, outputs);
  save_npy(folder.file("int8_outputs.npy"), outputs);
  const ActivationRanges ranges = observe_ranges(fp32, data.train);
  Question why{
      .fp32 = fp32, .recipe = recipe, .qat = &qat, .control = &continued, .train = data.train, .validation = data.test};
  why.calibration = data.train;
  why.history = &tuned;
  why.images = 0;
  const Diagnosis diagnosis = diagnose(why);
  report.why = {std::string(name(diagnosis.verdict)), diagnosis.sentence,
                diagnosis.cause() == nullptr ? "" : diagnosis.cause()->title};
  save_html(folder.file("why.html"), diagnosis);
  std::vector<std::string> left_out;
  report.runtimes = export_models(folder, {fp32, ranges, ptq, deployed}, data.test, left_out);
  require(left_out.empty(), Errc::unsupported, "not all files could be written: {}",
          left_out.empty() ? "" : left_out[0].c_str());
  save(report, folder.file("results.json"));
  folder.finish();
  print(report);
  say("\nIs QAT worse? {}, {}.\n", report.why.sentence, seeds_text(diagnosis));
  if (!report.why.cause.empty()) say("Why: {}.\n", report.why.cause);
  say("The whole answer is the page {}/why.html; all files are in {}/.\n", o.out, o.out);
  return report.bit_exact.different_codes == 0 ? 0 : 2;
}

}  // namespace

}  // namespace example

int main(int argc, char** argv) {
  return example::run_program("fashion_mnist", [&] { return example::run(example::read_options(argc, argv)); });
}
