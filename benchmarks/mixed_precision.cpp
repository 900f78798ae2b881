// The frontier of mixed precision: what the weights of each layer lose with fewer bits, and the best widths for every size.
//   bench_mixed_precision [networks, comma] [seed] [directory to keep the float networks in] [loss or hessian]
// Per network: a row per layer (added loss per width), then the frontier, with the deployed integers on the 10,000 test images.

#include "float_network.hpp"

#include <stet/core/warning.hpp>
#include <stet/data/idx.hpp>
#include <stet/passes/mixed_precision.hpp>
#include <stet/passes/standard_passes.hpp>
#include <stet/qat/recipe.hpp>
#include <stet/train/evaluate.hpp>

#include <ctime>

namespace {

using namespace stet;

int run(const std::string& networks, std::uint64_t seed, const std::string& directory, SensitivityMeasure measure) {
  set_warning_handler([](const std::string&) {});
  const DatasetSplit data = load_fashion_mnist();
  const std::vector<int> bits{8, 4, 3, 2};
  for (const std::string& network : bench::list_of(networks)) {
    const Model model = bench::float_network(network, seed, 3, data.train, directory);
    fmt::print("\n{}, seed {}: FP32 {:.2f} %\n\n| layer | weights | multiply-adds | 8 bits | 4 | 3 | 2 |\n|---|---|---|---|---|---|---|\n", network, seed,
               100 * evaluate(model, data.test).accuracy);
    const std::clock_t start = std::clock();
    const std::vector<LayerSensitivity> layers = layer_sensitivity(model, recipes::int8(), data.train, {.bits = bits, .measure = measure});
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    for (const LayerSensitivity& l : layers) {
      fmt::print("| {} | {} | {} |", l.layer, l.weights, l.multiply_adds);
      for (const double loss : l.loss) fmt::print(" {:.4f} |", loss);
      fmt::print("\n");
    }
    PrecisionFrontier frontier = precision_frontier(layers, bits);
    measure_choices(frontier, model, recipes::int8(), data.train, data.test, 8, {.passes = passes::standard()});
    fmt::print("\n{} choices on the frontier; sensitivities took {:.1f} s of processor time. Cost in bytes.\n\n{}", frontier.choices.size(), seconds,
               frontier.str(8));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run(bench::argument(argc, argv, 1, "plain,separable,residual"), std::stoull(bench::argument(argc, argv, 2, "1")), bench::argument(argc, argv, 3, ""),
             bench::argument(argc, argv, 4, "loss") == "hessian" ? SensitivityMeasure::hessian_trace : SensitivityMeasure::loss_alone);
}
