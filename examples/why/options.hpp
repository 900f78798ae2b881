#pragma once
// Options of the example, from the command line.

#include <cstdint>
#include <string>
#include <vector>

namespace example {

struct Options {
  std::string fp32, reference;
  std::vector<std::string> qat, control;  ///< one per seed
  std::string recipe;  ///< empty: that of the main job or of low_bit that the checkpoint fits
  std::string target = "litert_default";
  std::string data_directory;
  std::int64_t images = 2000;
  std::int64_t train_images = 0;  ///< 0: all
  bool prove = false;
  int seeds = 3;
  int epochs = 2;
  double lr = 1e-4;
  std::int64_t batch = 128;
  std::uint64_t seed = 1;
  int threads = 0;
  std::string html, json;
};

/// Reads the command line; leaves the program for --help and for arguments that do not fit.
Options read_options(int argc, char** argv);

}  // namespace example
