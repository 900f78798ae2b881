#pragma once
// Options of the example, from the command line.

#include "../common/run_folder.hpp"

#include <cstdint>
#include <string>

namespace example {

struct Options {
  std::string network = "plain";
  int epochs = 8;
  int qat_epochs = 2;
  std::uint64_t seed = 1;
  int threads = 1;  ///< of each process
  std::int64_t batch = 128;
  std::int64_t part = 16;
  double lr = 1e-3;
  double qat_lr = 1e-4;
  bool any_order = false;
  double timeout = 600;
  std::string target = "litert_default";
  std::string data = "fashion-mnist";
  std::string data_directory;
  bool quick = false;
  std::int64_t images = 0;  ///< training images used; 0: all
  std::string out = "mpi_training_results";
  Begin begin = Begin::anew;
  RunOptions values;  ///< all that the results depend on, as the command line has it
};

/// Reads the command line; leaves the program for --help and for arguments that do not fit.
Options read_options(int argc, char** argv);

}  // namespace example
