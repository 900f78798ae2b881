#pragma once
// Float networks for benchmarks: trained once, kept in a directory, loaded from then on. And lists on a command line.

#include "../examples/fashion_mnist/networks.hpp"

#include <stet/data/dataset.hpp>
#include <stet/train/adam.hpp>
#include <stet/train/checkpoint.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/schedule.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace bench {

/// A network of the examples, trained with Adam at 1e-3 and a cosine; with a directory, kept there under a name that says
/// what it is.
inline stet::Model float_network(const std::string& network, std::uint64_t seed, int epochs, const stet::Dataset& data, const std::string& directory) {
  stet::Model model(example::make_network(network), stet::Rng(seed));
  const std::string file = fmt::format("{}/{}_{}_{}.safetensors", directory, network, seed, epochs);
  if (!directory.empty() && stet::CheckpointReader::exists(file)) {
    stet::load_checkpoint(file, model);
    return model;
  }
  stet::fit(model, data, {.epochs = epochs, .optimizer = stet::Adam{.lr = 1e-3}, .schedule = stet::Cosine{}, .seed = seed, .progress = stet::ProgressMode::quiet});
  if (!directory.empty()) stet::save_checkpoint(file, model);
  return model;
}

/// The parts of a list with commas.
inline std::vector<std::string> list_of(const std::string& text) {
  std::vector<std::string> all;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find(',', from), text.size());
    if (to > from) all.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return all;
}

/// The argument at a position, or what stands for it.
inline std::string argument(int argc, char** argv, int i, const char* standard) { return argc > i ? argv[i] : standard; }

}  // namespace bench
