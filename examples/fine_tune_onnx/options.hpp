#pragma once
// Options of the program, from the command line.

#include "../common/run_folder.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace example {

struct Options {
  std::string model;
  std::string data_directory;
  std::vector<float> mean{0.0f}, std{1.0f};
  int epochs = 2;
  double lr = 1e-4;
  std::int64_t batch = 128;
  std::int64_t calibration = 1024;
  std::int64_t images = 0;  ///< training images used; 0: all
  std::uint64_t seed = 1;
  int threads = 0;
  std::string target = "litert_default";
  bool per_tensor = false;
  bool new_head = false;  ///< the last layer anew, for the classes of the data
  std::string out = "fine_tune_results";
  Begin begin = Begin::anew;
  RunOptions values;  ///< all that the results depend on, as the command line has it
};

/// Reads the command line; leaves the program for --help and for arguments that do not fit.
Options read_options(int argc, char** argv);

}  // namespace example
