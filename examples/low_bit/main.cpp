// Low bits: FP32, then 4, 3, 2 and 1 bits from the same checkpoint against FP32 with as many epochs, over several seeds.
// What is evaluated is the integer engine.

#include "../common/run_program.hpp"
#include "../common/say.hpp"
#include "../fashion_mnist/networks.hpp"
#include "options.hpp"
#include "table.hpp"

#include <stet/engine/engine.hpp>
#include <stet/io/integers.hpp>
#include <stet/lab/soft_estimators.hpp>
#include <stet/qat/ewgs_estimator.hpp>
#include <stet/stet.hpp>
#include <stet/train/weight_oscillation.hpp>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>

namespace example {

namespace {

using namespace stet;

Recipe recipe_of(const std::string& name) {
  if (name == "w4a4_lsq") return recipes::w4a4_lsq();
  if (name == "w3a3_lsq") return recipes::w3a3_lsq();
  if (name == "w2a2_lsq") return recipes::w2a2_lsq();
  return recipes::binary();
}

std::optional<AnyEstimator> estimator_of(const std::string& name) {
  if (name == "ste") return Ste{};
  if (name == "ewgs") return EwgsEstimator{};
  if (name == "dsq") return DsqEstimator{};
  if (name == "tanh") return TanhEstimator{};
  if (name == "sigmoid") return SigmoidEstimator{};
  return std::nullopt;
}

std::string checkpoint_name(const std::string& title, std::uint64_t seed) {
  return fmt::format("{}.seed{}.checkpoint", title, seed);
}
std::string integers_name(const std::string& recipe, std::uint64_t seed) {
  return fmt::format("{}.seed{}.safetensors", recipe, seed);
}
std::vector<std::string> own_files(const Options& o) {
  std::vector<std::string> names{"results.json"};
  for (const std::uint64_t seed : o.seeds) {
    for (const char* title : {"fp32", "control"}) names.push_back(checkpoint_name(title, seed));
    for (const std::string& recipe : o.recipes) {
      names.push_back(checkpoint_name(recipe, seed));
      names.push_back(integers_name(recipe, seed));
    }
  }
  return names;
}

FitOptions fit_options(const Options& o, const RunFolder& folder, std::uint64_t seed, const std::string& title,
                       int epochs, double lr) {
  FitOptions f;
  f.epochs = epochs;
  f.batch = o.batch;
  f.optimizer = Adam{.lr = lr};
  f.schedule = Cosine{};
  f.seed = seed;
  f.title = fmt::format("seed {}: {}", seed, title);
  f.checkpoint = folder.file(checkpoint_name(title, seed));
  f.resume = true;  // the folder has no checkpoint of another run
  return f;
}

// Codes in which the training forward in evaluation and the engine differ, over all output codes of the test images.
std::int64_t different_codes(const QatModel& qat, const Engine& engine, const Dataset& test) {
  std::int64_t different = 0;
  for (std::int64_t first = 0; first < test.size(); first += 500) {
    const Batch batch = test.batch(first, std::min<std::int64_t>(first + 500, test.size()));
    const Tensor<std::int8_t> a = infer_codes(qat, batch.x, [](int, const QTensor&) {}).codes;
    const Tensor<std::int8_t> b = engine.run(batch.x).codes;
    for (std::int64_t i = 0; i < a.size(); ++i) different += a[i] != b[i] ? 1 : 0;
  }
  return different;
}

void print_frozen(const OscillationFreezing& freezing) {
  for (const OscillationFreezing::Layer& layer : freezing.layers()) {
    say("{}: {} of {} weights frozen, {} were turning\n", layer.node, layer.frozen, layer.weights, layer.oscillating);
  }
}

int run(const Options& given) {
  Options o = given;
  set_threads(o.threads);
  DatasetSplit data = load_fashion_mnist(o.data_directory);
  if (o.quick) {
    o.seeds.resize(1);
    o.epochs = o.qat_epochs = 1;
    data.train = data.train.first(6000);
    data.test = data.test.first(2000);
  }
  if (o.images > 0) data.train = data.train.first(o.images);
  const RunFolder folder(o.out, "low_bit", o.values, own_files(o), o.begin);
  say("{} on {}: {} training and {} test images, {} epochs FP32, then {} epochs each\n", o.network, data.train.name(),
      data.train.size(), data.test.size(), o.epochs, o.qat_epochs);

  Table table(o.recipes, o.qat_epochs);
  for (const std::uint64_t seed : o.seeds) {
    Model fp32(make_network(o.network), Rng(seed));
    fit(fp32, data.train, fit_options(o, folder, seed, "fp32", o.epochs, o.lr));
    table.add("fp32", evaluate(fp32, data.test).accuracy, 0, 0);
    Model control = fp32;
    fit(control, data.train, fit_options(o, folder, seed, "control", o.qat_epochs, o.qat_lr));
    table.add("control", evaluate(control, data.test).accuracy, 0, 0);
    for (const std::string& name : o.recipes) {
      Recipe recipe = recipe_of(name);
      recipe.schedule.freeze_ranges_at = o.freeze_ranges_at;
      recipe.schedule.freeze_batch_norm_at = o.freeze_batch_norm_at;
      recipe.weight_estimator = estimator_of(o.estimator);
      recipe.depthwise_bits = o.depthwise_bits == 0 ? std::nullopt : std::optional<int>(o.depthwise_bits);
      QatModel qat = prepare(fp32, recipe);
      calibrate(qat, data.train);
      FitOptions f = fit_options(o, folder, seed, name, o.qat_epochs, o.qat_lr);
      if (!o.no_distill) f.loss = Distillation(fp32);
      f.identity = fmt::format("{}, dampening {}", o.no_distill ? "labels alone" : "taught by FP32", o.dampen);
      std::optional<OscillationFreezing> freezing;
      if (o.freeze_oscillations) {
        f.on_step = std::ref(freezing.emplace(qat));
        f.state = {{"freezing", *freezing}};
      }
      if (o.dampen > 0) f.on_gradients = OscillationDampening(qat, o.dampen);
      say_warnings(fit(qat, data.train, f).warnings);
      if (freezing) print_frozen(*freezing);
      if (o.reestimate) reestimate_batch_norm(qat, data.train);
      const IntegerModel deployed = convert(qat);
      const Engine engine(deployed);
      const std::string file = folder.file(integers_name(name, seed));
      save_integers(file, deployed);
      table.add(name, evaluate(engine, data.test).accuracy, static_cast<std::int64_t>(std::filesystem::file_size(file)),
                different_codes(qat, engine, data.test));
    }
    table.print();
  }
  table.save(folder.file("results.json"), o);
  folder.finish();
  say("Files are in {}/.\n", o.out);
  return table.different() == 0 ? 0 : 2;
}

}  // namespace

}  // namespace example

int main(int argc, char** argv) {
  return example::run_program("low_bit", [&] { return example::run(example::read_options(argc, argv)); });
}
