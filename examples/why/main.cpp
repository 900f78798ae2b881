// Why is this quantized model worse? Compares it fairly, finds what costs the accuracy by changing one thing at a time, and
// with --prove trains again with the cure.

#include "../common/run_program.hpp"
#include "../common/say.hpp"
#include "../fashion_mnist/networks.hpp"
#include "options.hpp"

#include <stet/data/idx.hpp>
#include <stet/diagnose/diagnose.hpp>
#include <stet/diagnose/html.hpp>
#include <stet/diagnose/json.hpp>
#include <stet/diagnose/prove.hpp>
#include <stet/io/file.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/stet.hpp>

#include <optional>
#include <string>
#include <vector>

namespace example {

namespace {

using namespace stet;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// A checkpoint does not hold its graph: the network is the one of the examples that it fits.
Model load_float(const std::string& path) {
  if (ends_with(path, ".onnx")) return load_onnx(path);
  if (ends_with(path, ".tflite")) return load_tflite(path);
  std::string reasons;
  for (const NamedNetwork& n : networks()) {
    Model model(n.make(), Rng(1));
    try {
      load_checkpoint(path, model);
      return model;
    } catch (const Error& e) {
      reasons += fmt::format("\n  {}: {}", n.name, e.what());
    }
  }
  fail(Errc::format, "{} is a checkpoint of none of the examples' networks; save another network as .onnx or .tflite (save_onnx, save_tflite):{}", path, reasons);
}

Recipe recipe_named(const std::string& name) {
  for (Recipe r : {recipes::int8(), recipes::int8_per_tensor(), recipes::w4a4_lsq(), recipes::w3a3_lsq(), recipes::w2a2_lsq(), recipes::binary()}) {
    if (r.name == name) return r;
  }
  fail(Errc::range, "no recipe is named {}", name);
}

QatModel load_quantized(const std::string& path, const Model& fp32, const Options& o) {
  std::string reasons;
  for (const char* name : {"int8", "int8_per_tensor", "w4a4_lsq", "w3a3_lsq", "w2a2_lsq", "binary"}) {
    if (!o.recipe.empty() && o.recipe != name) continue;
    Recipe recipe = recipe_named(name);
    recipe.target = targets::by_name(o.target);
    QatModel qat = prepare(fp32, recipe);
    try {
      load_checkpoint(path, qat);
      return qat;
    } catch (const Error& e) {
      reasons += fmt::format("\n  {}: {}", name, e.what());
    }
  }
  fail(Errc::format, "{} is a checkpoint of this network with none of the recipes:{}", path, reasons);
}

int run(const Options& o) {
  set_threads(o.threads);
  const Model fp32 = load_float(o.fp32);
  DatasetSplit data = load_mnist(o.data_directory, o.data_directory);
  if (o.train_images > 0) data.train = data.train.first(o.train_images);
  std::optional<QatModel> qat;
  std::optional<Model> control, reference;
  if (!o.qat.empty()) qat = load_quantized(o.qat[0], fp32, o);
  if (!o.control.empty()) control = load_float(o.control[0]);
  std::vector<QatModel> other_seeds;
  std::vector<Model> other_controls;
  for (std::size_t i = 1; i < o.qat.size(); ++i) other_seeds.push_back(load_quantized(o.qat[i], fp32, o));
  for (std::size_t i = 1; i < o.control.size(); ++i) other_controls.push_back(load_float(o.control[i]));
  if (!o.reference.empty()) reference = load_float(o.reference);

  const std::int64_t half = data.test.size() / 2;
  Question q{.fp32 = fp32, .recipe = qat ? qat->recipe() : recipe_named(o.recipe.empty() ? "int8" : o.recipe), .train = data.train, .validation = data.test.first(half)};
  q.recipe.target = targets::by_name(o.target);
  q.images = o.images;
  if (qat) q.qat = &*qat;
  if (reference) q.reference = &*reference;
  if (o.prove && qat) {
    FitOptions fit{.epochs = o.epochs, .optimizer = Adam{.lr = o.lr}, .schedule = Cosine{}};
    fit.batch = o.batch;
    fit.seed = o.seed;
    q.fit = fit;
    if (!control) {
      say("No --control: training FP32 on for {} epochs.\n", o.epochs);
      fit.title = "control";
      Model trained = fp32;
      (void)stet::fit(trained, data.train, fit);
      control = std::move(trained);
    }
  }
  if (control) q.control = &*control;
  for (std::size_t i = 0; i < other_seeds.size(); ++i) {
    q.repetitions.push_back({&other_seeds[i], i < other_controls.size() ? &other_controls[i] : nullptr});
  }

  Diagnosis d = diagnose(q);
  if (o.prove && d.cause() != nullptr) {
    const Proof proof = prove(q, *d.cause(), {.seeds = o.seeds, .test = data.test.slice(half, data.test.size())});
    if (!proof.runs.empty()) d.proofs.push_back(proof);
  }
  say("{}\n", d.str());
  if (!o.html.empty()) {
    save_html(o.html, d);
    say("The report is in {}.\n", o.html);
  }
  if (!o.json.empty()) write_file_atomically(o.json, json(d) + "\n");
  if (d.verdict != Verdict::worse) return 0;
  return d.cause() != nullptr && d.cause()->id != "unknown" ? 3 : 4;
}

}  // namespace

}  // namespace example

int main(int argc, char** argv) {
  return example::run_program("why", [&] { return example::run(example::read_options(argc, argv)); });
}
