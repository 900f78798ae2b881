#pragma once
// Options of the program, from the command line.

#include "../common/run_folder.hpp"

#include <cstdint>
#include <string>

namespace example {

struct Options {
  std::string train_x, train_y, test_x, test_y;
  int epochs = 30, qat_epochs = 8, width = 32;
  double lr = 3e-3;
  std::int64_t batch = 32;
  std::uint64_t seed = 1;
  int threads = 0;
  std::string out = "arrays_results";
  Begin begin = Begin::anew;
  RunOptions values;  ///< all that the results depend on, as the command line has it
};

/// Reads the command line; leaves the program for --help and for arguments that do not fit.
Options read_options(int argc, char** argv);

}  // namespace example
