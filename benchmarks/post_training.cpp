// What each pass of post-training quantization brings: networks trained in float on Fashion-MNIST, quantized by several recipes with
// none, one or all of the passes; accuracy of the deployed integers on the 10,000 test images.
//   bench_post_training [networks, comma] [seeds, comma] [directory to keep the float networks in] [recipes, comma; all] [choose]
// With `choose`, a last column has the ranges that choose_ranges finds.

#include "float_network.hpp"
#include "planted_causes.hpp"

#include <stet/core/warning.hpp>
#include <stet/data/idx.hpp>
#include <stet/engine/engine.hpp>
#include <stet/passes/choose_ranges.hpp>
#include <stet/passes/standard_passes.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace {

using namespace stet;

struct Case {
  std::string name;
  Recipe recipe;
  bool hostile = false;  // channels rescaled by factors from 1/16 to 16, where the network allows it
};

std::vector<Case> cases() {
  return {{"W8A8_pt", recipes::int8_per_tensor()}, {"W8A8_pc", recipes::int8()},    {"W4A8_pt", recipes::w4a8_per_tensor()},
          {"W4A8_pc", recipes::w4a8()},            {"W4A4_pc", recipes::w4a4()}, {"hostile_pt", recipes::int8_per_tensor(), true}};
}

int run(const std::string& networks, const std::string& seeds, const std::string& directory, const std::string& only, bool choose) {
  set_warning_handler([](const std::string&) {});
  const DatasetSplit data = load_fashion_mnist();
  const std::vector<std::string> wanted = bench::list_of(only);
  const std::vector<PostTrainingPass> none{};
  const std::vector<std::pair<std::string, std::vector<PostTrainingPass>>> columns{
      {"none", none},
      {"equalized", {passes::equalized()}},
      {"smoothed", {passes::smoothed()}},
      {"absorbed", {passes::absorbed()}},
      {"re-estimated", {passes::reestimated()}},
      {"corrected", {passes::bias_corrected()}},
      {"standard", passes::standard()},
      {"rounded by ada_round", {passes::equalized({.above = 8}), passes::ada_rounded({.progress = ProgressMode::quiet})}}};
  fmt::print("| network, seed | FP32 | recipe |");
  for (const auto& [name, column] : columns) fmt::print(" {} |", name);
  fmt::print("{}\n|---|---|---|", choose ? " standard, ranges chosen |" : "");
  for (std::size_t i = 0; i < columns.size() + (choose ? 1 : 0); ++i) fmt::print("---|");
  fmt::print("\n");
  for (const std::string& network : bench::list_of(networks)) {
    for (const std::string& seed_text : bench::list_of(seeds)) {
      const std::uint64_t seed = std::stoull(seed_text);
      const Model model = bench::float_network(network, seed, 3, data.train, directory);
      const double fp32 = 100 * evaluate(model, data.test).accuracy;
      for (const Case& c : cases()) {
        if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), c.name) == wanted.end()) continue;
        if (c.hostile && network == "separable") continue;  // ReLU6 cannot be rescaled
        Model given = model;
        if (c.hostile) planted::rescale(given, 16, seed);
        fmt::print("| {} {} | {:.2f} | {} |", network, seed, fp32, c.name);
        const auto print = [&](const Recipe& recipe, const std::vector<PostTrainingPass>& passes) {
          const IntegerModel q = quantize(given, recipe, data.train, {.passes = passes});
          fmt::print(" {:.2f} |", 100 * evaluate(Engine(q), data.test).accuracy);
          std::fflush(stdout);
        };
        for (const auto& [name, column] : columns) print(c.recipe, column);
        if (choose) print(choose_ranges(given, c.recipe, data.train, {.quantize = {.passes = passes::standard()}}), passes::standard());
        fmt::print("\n");
      }
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto text = [&](int i, const char* standard) { return bench::argument(argc, argv, i, standard); };
  return run(text(1, "plain,separable,residual"), text(2, "1,2"), text(3, ""), text(4, ""), text(5, "") == "choose");
}
