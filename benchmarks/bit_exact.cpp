// Bit-exactness on all 10,000 test images of Fashion-MNIST: three networks, both targets, weights per channel and per
// tensor, batch norm live and frozen. A short training is enough, the promise holds at every step.
//   bench_bit_exact [training images] [data directory]

#include "examples/fashion_mnist/compare.hpp"
#include "examples/fashion_mnist/networks.hpp"

#include <cstdlib>

namespace {

using namespace stet;

std::int64_t measure(const char* name, const Model& fp32, const DatasetSplit& data, const Target& target, bool per_channel) {
  Recipe recipe = per_channel ? recipes::int8() : recipes::int8_per_tensor();
  recipe.target = target;
  std::int64_t different = 0;
  for (const bool frozen : {false, true}) {
    recipe.schedule.freeze_ranges_at = 2.0;
    recipe.schedule.freeze_batch_norm_at = frozen ? 0.5 : 2.0;
    QatModel qat = prepare(fp32, recipe);
    calibrate(qat, data.train);
    fit(qat, data.train, {.epochs = 1, .optimizer = Adam{.lr = 1e-4}, .progress = ProgressMode::quiet});
    Tensor<std::int8_t> outputs;
    const example::BitExact b = example::compare(qat, convert(qat), data.test, outputs);
    fmt::print("{:<11}{:<18}{:<13}batch norm {:<7}{:>10} of {} codes differ\n", name, target.name,
               per_channel ? "per channel" : "per tensor", frozen ? "frozen" : "live", b.different_codes, b.compared_codes);
    std::fflush(stdout);
    different += b.different_codes;
  }
  return different;
}

}  // namespace

int main(int argc, char** argv) {
  DatasetSplit data = load_fashion_mnist(argc > 2 ? argv[2] : fashion_mnist_directory);
  data.train = data.train.first(argc > 1 ? std::atoi(argv[1]) : 6000);
  std::int64_t different = 0;
  for (const char* name : {"plain", "separable", "residual"}) {
    Model fp32(example::make_network(name), Rng(1));
    fit(fp32, data.train, {.epochs = 2, .optimizer = Adam{.lr = 1e-3}, .progress = ProgressMode::quiet});
    for (const Target& target : targets::all) {
      for (const bool per_channel : {true, false}) different += measure(name, fp32, data, target, per_channel);
    }
  }
  return different == 0 ? 0 : 1;
}
