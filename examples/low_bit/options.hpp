#pragma once
// Options of the example.

#include "../common/run_folder.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace example {

struct Options {
  std::string network = "plain";
  std::vector<std::string> recipes{"w4a4_lsq", "w3a3_lsq", "w2a2_lsq", "binary"};
  std::vector<std::uint64_t> seeds{1, 2, 3};
  int epochs = 8, qat_epochs = 4;
  std::int64_t batch = 128;
  double lr = 1e-3, qat_lr = 1e-3;
  double freeze_ranges_at = 0.75, freeze_batch_norm_at = 0.9;
  bool no_distill = false, reestimate = false, freeze_oscillations = false;
  double dampen = 0;
  std::string estimator = "clipped";
  int depthwise_bits = 8;  ///< of depthwise layers and what they make; 0: as the others
  int threads = 0;
  bool quick = false;
  std::int64_t images = 0;  ///< training images used; 0: all
  std::string data_directory{};
  std::string out = "low_bit_results";
  Begin begin = Begin::anew;
  RunOptions values{};  ///< all that the results depend on, as the command line has it
};

/// Reads the command line; ends the program for --help and mistakes.
Options read_options(int argc, char** argv);

}  // namespace example
