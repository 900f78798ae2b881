// What rounding weights by data brings without training: a row per network and bits, a column per way to round, each without
// and with batch norm re-estimated behind it. Bits hold for all layers; with few bits of activations, for those between the ends. Accuracy is that of the deployed integers on Fashion-MNIST's test images.
//   bench_weight_rounding DIRECTORY [networks, comma] [seeds] [epochs of FP32] [only recipes with this text]
// DIRECTORY holds the float networks (bench_why writes them there); one that is missing is trained and kept.

#include "float_network.hpp"

#include <stet/core/warning.hpp>
#include <stet/data/idx.hpp>
#include <stet/engine/engine.hpp>
#include <stet/model/calibrate.hpp>
#include <stet/model/convert.hpp>
#include <stet/model/prepare.hpp>
#include <stet/passes/ada_round.hpp>
#include <stet/passes/gptq.hpp>
#include <stet/passes/reestimate_batch_norm.hpp>
#include <stet/train/evaluate.hpp>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace {

using namespace stet;

Recipe recipe_of(const char* name, int weight_bits, int activation_bits, bool per_channel) {
  Recipe r;
  r.name = name;
  r.weights = r.linear_weights = symmetric(weight_bits, per_channel);
  if (activation_bits < 8) {
    r.activations = Int8Activation(activation_bits);
    r.end_bits = 8;
  }
  return r;
}

struct Way {
  const char* name;
  std::function<void(QatModel&)> round;
};

}  // namespace

int main(int argc, char** argv) {
  const auto text = [&](int i, const char* standard) { return bench::argument(argc, argv, i, standard); };
  if (argc < 2) {
    fmt::print("bench_weight_rounding DIRECTORY [networks, comma] [seeds] [epochs of FP32] [only recipes with this text]\n");
    return 2;
  }
  set_warning_handler([](const std::string&) {});
  const std::string directory = text(1, ""), networks = text(2, "plain,separable,residual"), only = text(5, "");
  const DatasetSplit data = load_fashion_mnist();
  const AdaRoundOptions learned{.progress = ProgressMode::quiet};
  const std::vector<Way> ways{{"nearest", [](QatModel&) {}},
                              {"gptq", [&](QatModel& q) { gptq(q, data.train); }},
                              {"ada_round", [&](QatModel& q) { ada_round(q, data.train, learned); }}};
  const std::vector<Recipe> recipes{recipe_of("W4A8 per channel", 4, 8, true), recipe_of("W4A8 per tensor", 4, 8, false),
                                    recipe_of("W4A4 per channel", 4, 4, true), recipe_of("W3A8 per channel", 3, 8, true)};
  fmt::print("| network, seed | FP32 | recipe |");
  for (const Way& w : ways) fmt::print(" {0} | {0}, batch norm | s |", w.name);
  fmt::print("\n|---|---|---|");
  for (std::size_t i = 0; i < ways.size(); ++i) fmt::print("---|---|---|");
  fmt::print("\n");
  for (const std::string& network : bench::list_of(networks)) {
    for (int seed = 1; seed <= std::atoi(text(3, "3").c_str()); ++seed) {
      const Model model = bench::float_network(network, static_cast<std::uint64_t>(seed), std::atoi(text(4, "3").c_str()), data.train, directory);
      const double fp32 = evaluate(model, data.test).accuracy;
      for (const Recipe& recipe : recipes) {
        if (recipe.name.find(only) == std::string::npos) continue;
        QatModel start = prepare(model, recipe);
        calibrate(start, data.train);
        fmt::print("| {} {} | {:.2f} | {} |", network, seed, 100 * fp32, recipe.name);
        for (const Way& way : ways) {
          QatModel q = start;
          const std::clock_t begin = std::clock();
          way.round(q);
          const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
          const double rounded = evaluate(Engine(convert(q)), data.test).accuracy;
          reestimate_batch_norm(q, data.train);
          fmt::print(" {:.2f} | {:.2f} | {:.1f} |", 100 * rounded, 100 * evaluate(Engine(convert(q)), data.test).accuracy, seconds);
          std::fflush(stdout);
        }
        fmt::print("\n");
      }
    }
  }
}
