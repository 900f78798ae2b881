// Does stet complain where nothing is wrong? Trains networks quantized as one should, in several ways, and prints what fit's monitor
// and check(qat, data) find, a row per run; exit status 1 if anything.
//   bench_healthy_runs [networks, comma] [seeds] [directory to keep the float networks in] [images of training]

#include "float_network.hpp"

#include <stet/core/warning.hpp>
#include <stet/data/idx.hpp>
#include <stet/engine/engine.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/check.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#include <stet/train/distillation.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit_qat.hpp>

#include <cstdio>
#include <functional>

namespace {

using namespace stet;

struct Way {
  const char* name;
  std::function<Recipe()> recipe;
  double lr;
  int epochs;
  bool from_start = false;  // from random weights: the float network trains first
};

std::vector<Way> ways() {
  return {{"int8, 1e-4, 2 epochs", [] { return recipes::int8(); }, 1e-4, 2},
          {"int8 per tensor, 1e-4, 2 epochs", [] { return recipes::int8_per_tensor(); }, 1e-4, 2},
          {"w4a4_lsq, 1e-3, 3 epochs", [] { return recipes::w4a4_lsq(); }, 1e-3, 3},
          {"w2a2_lsq, 1e-3, 4 epochs", [] { return recipes::w2a2_lsq(); }, 1e-3, 4},
          {"int8 from random weights, quantized at 0.4, 1e-3, 4 epochs",
           [] {
             Recipe r;
             r.schedule = {.quantize_at = 0.4, .freeze_ranges_at = 0.75, .freeze_batch_norm_at = 0.9};
             return r;
           },
           1e-3, 4, true}};
}

int run(const std::string& networks, int seeds, const std::string& directory, std::int64_t images) {
  set_warning_handler([](const std::string&) {});
  const DatasetSplit data = load_fashion_mnist();
  int runs = 0, complaints = 0;
  fmt::print("| network, seed | run | FP32 | deployed | monitor | check on data |\n|---|---|---|---|---|---|\n");
  for (const std::string& network : bench::list_of(networks)) {
    for (int s = 1; s <= seeds; ++s) {
      const auto seed = static_cast<std::uint64_t>(s);
      const Model fp32 = bench::float_network(network, seed, 3, data.train, directory);
      const Dataset train = data.train.slice((s - 1) * images, s * images);
      for (const Way& way : ways()) {
        QatModel qat = prepare(way.from_start ? Model(example::make_network(network), Rng(seed)) : fp32, way.recipe());
        calibrate(qat, train);
        FitOptions o{.epochs = way.epochs, .optimizer = Adam{.lr = way.lr}, .schedule = Cosine{}, .seed = seed, .progress = ProgressMode::quiet};
        if (!way.from_start && way.lr > 1e-4) o.loss = Distillation(fp32);
        const FitReport report = fit(qat, train, o);
        std::string watched, checked;
        for (const TrainingFinding& f : report.findings) watched += fmt::format("{}{} ({})", watched.empty() ? "" : "; ", f.str(), f.cause);
        for (const std::string& w : check(qat, train).warnings()) checked += fmt::format("{}{}", checked.empty() ? "" : "; ", w);
        ++runs;
        complaints += watched.empty() && checked.empty() ? 0 : 1;
        fmt::print("| {} {} | {} | {:.2f} | {:.2f} | {} | {} |\n", network, seed, way.name, 100 * evaluate(fp32, data.test).accuracy,
                   100 * evaluate(Engine(convert(qat)), data.test).accuracy, watched.empty() ? "-" : watched, checked.empty() ? "-" : checked);
        std::fflush(stdout);
      }
    }
  }
  fmt::print("\n{} of {} healthy runs with a complaint\n", complaints, runs);
  return complaints == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return run(bench::argument(argc, argv, 1, "plain,separable,residual"), std::stoi(bench::argument(argc, argv, 2, "2")), bench::argument(argc, argv, 3, ""),
             std::stoll(bench::argument(argc, argv, 4, "12000")));
}
